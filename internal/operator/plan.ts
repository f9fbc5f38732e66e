/** From the caches to the plan of one Onload resource. Reads only: the operator acts on it, `onloadctl plan` prints it. */
import { isDeepStrictEqual } from "node:util";
import type { DeepReadonly } from "../api/core.ts";
import type { KmmCapabilities } from "../api/kmm.ts";
import type { Onload } from "../api/onload.ts";
import type { Stores } from "./cache/caches.ts";
import { devicePluginImage } from "./desired/daemonset.ts";
import { desiredModules } from "./desired/modules.ts";
import { FactsMemo, Last, specOf } from "./memo.ts";
import { desiredObjects, modulesInUse, type DesiredObjects } from "./desired/objects.ts";
import {
  hasSeenTemplate,
  observeClaims,
  observeImages,
  observeKmm,
  observeNodes,
  observeObjects,
  observePolicy,
  type LiveObjects,
  type Recollection,
} from "./observe/cluster.ts";
import type { ResourceView } from "./observe/node-facts.ts";
import type { NodeFacts } from "./rollout/facts.ts";
import { planRollout, type Policy, type RolloutPlan } from "./rollout/plan.ts";
import { effectiveOnload } from "./rollout/rollback.ts";

/** Where the operator itself runs. */
export interface Surroundings {
  /** The node that the operator runs on; it is upgraded last. */
  ownNode: string | undefined;
  /** DEVICE_PLUGIN_IMG. */
  pluginImage: string | undefined;
  /** The image that the operator runs from. */
  ownImage: string | undefined;
}

export interface PlanDeps {
  caches: Stores;
  memory: Recollection;
  surroundings: Surroundings;
}

/** Everything that was found out and decided about one Onload resource. */
export interface Planned {
  kmm: KmmCapabilities | undefined;
  /** The resource as it is to be rolled out; see effectiveOnload. */
  effective: DeepReadonly<Onload>;
  live: LiveObjects;
  /** What shall be in the cluster; undefined where KMM is not installed or the resource is being deleted. */
  desired: DesiredObjects | undefined;
  policy: Policy;
  plan: RolloutPlan;
}

/** What one resource's plans keep from one to the next. */
export class PlanMemo {
  readonly effective = new Last<DeepReadonly<Onload>>();
  readonly kmm = new Last<KmmCapabilities | undefined>();
  readonly desired = new Last<DesiredObjects>();
  readonly facts = new FactsMemo();
  readonly plan = new Last<RolloutPlan>();
}

/** Which kernels have an image is known without KMM, whatever it will be able to do. */
const KMM_TO_COME: KmmCapabilities = {
  tolerations: false,
  pluralInTree: false,
  nodeModulesConfig: false,
  moduleImagesConfig: false,
};

/** Plans for a resource as the caches have it. */
export function planFor(deps: PlanDeps, onload: DeepReadonly<Onload>, now: number, memo: PlanMemo): Planned {
  const { caches, memory, surroundings } = deps;
  const effective = memo.effective.get([onload], () => effectiveOnload(onload));
  const key = { namespace: onload.metadata.namespace ?? "", name: onload.metadata.name };
  const kmm = memo.kmm.get([...caches.crds.store.list()], () => observeKmm(caches));
  const live = observeObjects(caches, key);
  const claims = observeClaims(caches);
  const images = observeImages(caches, key, kmm);
  const { version } = effective.spec.onload;
  const look = (modules: ResourceView["modules"], template: string | undefined): NodeFacts[] => {
    const machineConfigs = [...caches.machineConfigs.store.list()];
    const view = {
      key,
      version,
      modules,
      images,
      template,
      kmm,
      claims,
      machineConfigs,
      ownNode: surroundings.ownNode,
    };
    return observeNodes(caches, view, memory, onload.spec.upgrade.drain.force, memo.facts);
  };
  const { desired, facts } =
    kmm && !onload.metadata.deletionTimestamp
      ? settle(deps, effective, kmm, live, memo, look)
      : { desired: undefined, facts: look(kmm ? live : desiredModules(effective, KMM_TO_COME), undefined) };
  const seen = desired?.template !== undefined && hasSeenTemplate(live.daemonSet, version, desired.template);
  const policy = observePolicy(onload, facts, seen);
  const plan = memo.plan.get(
    [...facts, JSON.stringify(policy)],
    () => planRollout(facts, policy, now),
    ({ wakeAt }) => wakeAt !== undefined && now >= wakeAt,
  );
  return { kmm, effective, live, desired, policy, plan };
}

/**
 * What shall be in the cluster depends on what is loaded, and the nodes' facts on what shall be in the cluster: but
 * which modules are loaded does not, so a second look settles it.
 */
function settle(
  { surroundings }: PlanDeps,
  effective: DeepReadonly<Onload>,
  kmm: KmmCapabilities,
  live: LiveObjects,
  memo: PlanMemo,
  look: (modules: ResourceView["modules"], template: string | undefined) => NodeFacts[],
): { desired: DesiredObjects; facts: NodeFacts[] } {
  const image = devicePluginImage(effective, {
    fromEnvironment: surroundings.pluginImage,
    ownImage: surroundings.ownImage,
  });
  const desire = (facts: readonly NodeFacts[]): DesiredObjects => {
    const inUse = modulesInUse(facts, effective.spec.onload.version);
    const inputs = [effective, kmm, specOf(live.onload), specOf(live.sfc), JSON.stringify(inUse), image];
    return memo.desired.get(inputs, () => {
      const made = desiredObjects(effective, kmm, live, inUse, image);
      // The resource is another object after each change of its status: what is made from it is seldom other.
      const before = memo.desired.result;
      return before && isDeepStrictEqual(made, before) ? before : made;
    });
  };
  const before = memo.desired.result ?? desire([]);
  const facts = look(before, before.template);
  const desired = desire(facts);
  return { desired, facts: desired === before ? facts : look(desired, desired.template) };
}
