/**
 * From the caches to the plan of one Onload resource: observe, desire, assess, roll out. Reads only: the operator acts
 * on the plan, and `onloadctl plan` prints it.
 */
import { isDeepStrictEqual } from "node:util";
import type { DeepReadonly } from "../api/core.ts";
import { onloadKeyOf, RETRY_ANNOTATION } from "../api/names.ts";
import type { Onload } from "../api/onload.ts";
import { assess, type Wanted } from "./assess/assess.ts";
import { hasSeenTemplate } from "./assess/template.ts";
import type { Stores } from "./cache/caches.ts";
import type { Force } from "./cache/holders.ts";
import { devicePluginImage } from "./desired/daemonset.ts";
import { desiredModules } from "./desired/modules.ts";
import { modulesInUse, NodeUses, type IsMissing, type ModulesInUse } from "./desired/in-use.ts";
import { desiredObjects, type DesiredObjects } from "./desired/objects.ts";
import { missingImages } from "./kmm/images.ts";
import { kernelStop, refusedNodes, type RefusedNode } from "./kmm/refused-kernel.ts";
import { regexpStop } from "./kmm/regexp-stop.ts";
import { isOfVersion } from "./kmm/module-spec.ts";
import type { KernelRefusal, Kmm } from "./kmm/kmm.ts";
import { Memo, NodeMemo, Revision } from "./memo.ts";
import {
  observeClaims,
  observeForce,
  observeImages,
  observeKmm,
  observeNodes,
  observeObjects,
  type CollectedState,
  type LiveObjects,
} from "./observe/cluster.ts";
import { keepsPaused } from "./observe/crd.ts";
import type { ResourceContext } from "./observe/node.ts";
import type { NodeObservation } from "./observe/observation.ts";
import type { NodeFacts } from "./assess/facts.ts";
import type { Policy } from "./rollout/node-plan.ts";
import { planRollout, QuietPlans, type RolloutPlan } from "./rollout/plan.ts";
import { policyFor } from "./rollout/policy.ts";
import { attemptFor, effectiveOnload } from "./rollout/rollback.ts";

/** Where the operator itself runs. */
export interface OperatorEnvironment {
  /** The node that the operator runs on; it is upgraded last. */
  ownNode: string | undefined;
  /** DEVICE_PLUGIN_IMG. */
  pluginImage: string | undefined;
  /** The image that the operator runs from. */
  ownImage: string | undefined;
  /** Whether spec.upgrade.drain.force reaches pods of every namespace. */
  forceEverywhere: boolean;
  /** The resource is only supposed: its objects are taken as if they were applied, and seen by Kubernetes' controllers. */
  isSupposed?: boolean;
}

export interface PlanDeps {
  caches: Stores;
  collected: CollectedState;
  environment: OperatorEnvironment;
  /** See Present. */
  clockSetAt?: number | undefined;
}

/** Everything that was found out and decided about one Onload resource. */
export interface Planned {
  kmm: Kmm;
  /** The resource as it is to be rolled out; see effectiveOnload. */
  effective: DeepReadonly<Onload>;
  live: LiveObjects;
  /** What is to be in the cluster; undefined if KMM is not installed or the resource is being deleted. */
  desired: DesiredObjects | undefined;
  /** Why no Module may be applied: KMM would give up for all nodes. */
  stop?: KernelRefusal | undefined;
  policy: Policy;
  /** How far spec.upgrade.drain.force reaches. */
  force: Force;
  plan: RolloutPlan;
}

/** What one resource's plans keep from one to the next. */
export class PlanMemo {
  readonly kmm = new Memo<Kmm>();
  readonly refused = new Memo<RefusedNode[]>();
  readonly regexpStop = new Memo<KernelRefusal | undefined>();
  readonly context = new Revision();
  readonly nodes = new NodeMemo();
  readonly resource = new Revision();
  readonly modules = new Revision();
  readonly images = new Revision();
  readonly plugin = new Revision();
  readonly uses = new Memo<NodeUses>();
  readonly inUse = new Memo<ModulesInUse>(isDeepStrictEqual);
  readonly desired = new Memo<DesiredObjects>(isDeepStrictEqual);
  readonly wanted = new Revision();
  readonly attempt = new Memo<string>();
  readonly policy = new Revision();
  readonly quiet = new Memo<QuietPlans>();
  readonly plan = new Memo<RolloutPlan>();
}

/** Plans for a resource as the caches have it. */
export function planFor(deps: PlanDeps, onload: DeepReadonly<Onload>, now: number, memo: PlanMemo): Planned {
  const { caches, environment } = deps;
  const effective = effectiveOnload(onload);
  const { version } = effective.spec.onload;
  const key = onloadKeyOf(onload);
  const live = observeObjects(caches, key);

  // 1. Observe: what there is, whatever the resource asks for.
  const kmm = memo.kmm.get(`${caches.crds.store.revision}`, () => observeKmm(caches));
  const claims = observeClaims(caches);
  const machineConfigs = [...caches.machineConfigs.store.list()];
  // Without such a MachineConfig no pool matters.
  const pools = machineConfigs.length > 0 ? [...caches.machineConfigPools.store.list()] : [];
  const { ownNode } = environment;
  const refusals = deps.collected.podRefusals;
  const context: ResourceContext = { key, version, kmm, claims, machineConfigs, pools, refusals, ownNode };
  const force = observeForce(caches, onload.spec.upgrade.drain.force, environment.forceEverywhere);
  const observations = observe(deps, context, force, memo);
  const images = observeImages(caches, key, kmm, deps.collected.failureLogs.logs);

  // 2. Desire: what is to be in the cluster, given what is in use.
  const desired =
    kmm.installed && !onload.metadata.deletionTimestamp
      ? desire(environment, effective, kmm, live, observations, images, memo)
      : undefined;

  const stop = desired && stopFor(desired, caches, kmm, memo);

  // 3. Assess: what the desired objects mean for each node.
  const modules = desired ?? (kmm.installed ? live : desiredModules(effective, kmm));
  const wanted: Wanted = {
    kmm,
    version,
    modules,
    liveSfc: live.sfc,
    images,
    stop,
    tolerations: effective.spec.tolerations ?? [],
    template: desired?.template,
  };
  const facts = assessAll(wanted, memo);

  // 4. Roll out: a state and a step for each node.
  const templateSeen =
    desired?.template !== undefined &&
    (environment.isSupposed === true || hasSeenTemplate(live.daemonSet, version, desired.template));
  const policy = policyFor(onload, facts, {
    attempt: memo.attempt.get(attemptRevision(onload), () => attemptFor(onload)),
    pauseKnown: keepsPaused(caches),
    templateSeen,
    pluginImageKnown: !kmm.installed || desired?.daemonSet !== undefined,
    kmmSkipsCordoned: kmm.skipsCordonedNodes,
    clockSetAt: deps.clockSetAt,
    unanswered: deps.collected.unanswered,
  });
  const rules = memo.policy.of(policy);
  const quiet = memo.quiet.get(`${rules}`, () => new QuietPlans());
  const plan = memo.plan.get(
    `${memo.nodes.revision} ${rules}`,
    () => planRollout(facts, policy, now, quiet),
    ({ wakeAt }) => wakeAt !== undefined && now >= wakeAt,
  );
  return { kmm, effective, live, desired, stop, policy, force, plan };
}

/** Changes with all that an attempt is made of: the spec, whose changes the API server counts, the rest as it is. */
function attemptRevision({ metadata, status }: DeepReadonly<Onload>): string {
  const { uid, generation, annotations } = metadata;
  return `${uid} ${generation} ${annotations?.[RETRY_ANNOTATION]} ${JSON.stringify(status?.rollback)} ${status?.lastReady?.version}`;
}

function observe(
  { caches, collected }: PlanDeps,
  context: ResourceContext,
  force: Force,
  memo: PlanMemo,
): NodeObservation[] {
  const { kmm: _, ...plain } = context;
  const revision = memo.context.of([memo.kmm.revision, plain]);
  return observeNodes(caches, context, revision, collected, force, memo.nodes);
}

function desire(
  environment: OperatorEnvironment,
  effective: DeepReadonly<Onload>,
  kmm: Kmm,
  live: LiveObjects,
  observations: readonly NodeObservation[],
  images: Wanted["images"],
  memo: PlanMemo,
): DesiredObjects {
  const image = devicePluginImage(effective, {
    fromEnvironment: environment.pluginImage,
    ownImage: environment.ownImage,
  });
  const { metadata, spec, status } = effective;
  const resource = memo.resource.of([metadata.namespace, metadata.name, spec, status?.lastReady]);
  const modules = memo.modules.of([live.onload, live.sfc].map((module) => [module?.metadata.uid, module?.spec]));
  const uses = memo.uses.get(
    `${memo.kmm.revision} ${resource} ${modules} ${memo.images.of(images)}`,
    () => new NodeUses(),
  );
  const isMissing: IsMissing = (module, kernel) =>
    isOfVersion(live[module], spec.onload.version) &&
    missingImages([{ module: live[module], images: images?.[module] }], kernel, kmm).length > 0;
  const inUse = memo.inUse.get(`${memo.nodes.observationRevision} ${memo.uses.revision}`, () =>
    modulesInUse(observations, spec.onload.version, isMissing, uses),
  );
  const plugin = memo.plugin.of([image, live.daemonSet?.spec.template.spec]);
  const inputs = `${memo.kmm.revision} ${memo.inUse.revision} ${plugin} ${modules} ${resource}`;
  return memo.desired.get(inputs, () => desiredObjects(effective, kmm, live, inUse, image));
}

/** Why KMM would give up for all nodes, with the Modules as they are to be applied. */
function stopFor({ applied }: DesiredObjects, caches: Stores, kmm: Kmm, memo: PlanMemo): KernelRefusal | undefined {
  const modules = [applied.onload, applied.sfc];
  const nodes = caches.nodes.store;
  const seen = `${memo.kmm.revision} ${nodes.revision}`;
  const refused = memo.refused.get(seen, () => refusedNodes(nodes, kmm));
  return (
    kernelStop(refused, modules) ??
    memo.regexpStop.get(`${seen} ${memo.desired.revision}`, () => regexpStop(nodes, modules, kmm))
  );
}

function assessAll(wanted: Wanted, memo: PlanMemo): NodeFacts[] {
  const { version, modules, liveSfc, images, stop, tolerations, template } = wanted;
  const specs = [modules.onload, modules.sfc, liveSfc].map((module) => module?.spec);
  const revision = memo.wanted.of([memo.kmm.revision, version, specs, images, stop, tolerations, template]);
  return memo.nodes.facts(revision, (observation) => assess(observation, wanted));
}
