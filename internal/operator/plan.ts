/** From the caches to the plan of one Onload resource. Reads only: the operator acts on it, `onloadctl plan` prints it. */
import type { DeepReadonly } from "../api/core.ts";
import type { KmmCapabilities } from "../api/kmm.ts";
import type { Onload } from "../api/onload.ts";
import type { Caches } from "./caches.ts";
import { devicePluginImage } from "./desired-daemonset.ts";
import { desiredObjects, type DesiredObjects } from "./objects.ts";
import {
  hasSeenTemplate,
  observeClaims,
  observeKmm,
  observeNodes,
  observeObjects,
  observePolicy,
  type LiveObjects,
  type Recollection,
} from "./observe.ts";
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
  caches: Caches;
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

/** Plans for a resource as the caches have it. */
export function planFor(
  { caches, memory, surroundings }: PlanDeps,
  onload: DeepReadonly<Onload>,
  now: number,
): Planned {
  const effective = effectiveOnload(onload);
  const key = { namespace: onload.metadata.namespace ?? "", name: onload.metadata.name };
  const kmm = observeKmm(caches);
  const live = observeObjects(caches, key);
  const image = devicePluginImage(effective, {
    fromEnvironment: surroundings.pluginImage,
    ownImage: surroundings.ownImage,
  });
  const look = (modules: ResourceView["modules"], template: string | undefined): NodeFacts[] => {
    const version = effective.spec.onload.version;
    const view = { key, version, modules, template, kmm, claims: observeClaims(caches), ownNode: surroundings.ownNode };
    return observeNodes(caches, view, memory, onload.spec.upgrade.drain.force);
  };
  let facts = look(live, undefined);
  let desired: DesiredObjects | undefined;
  if (kmm && !onload.metadata.deletionTimestamp) {
    desired = desiredObjects(effective, kmm, live, facts.map(loadedOn), image);
    facts = look({ onload: desired.onload, sfc: desired.sfc }, desired.template);
  }
  const version = effective.spec.onload.version;
  const seen = desired?.template !== undefined && hasSeenTemplate(live.daemonSet, version, desired.template);
  const policy = observePolicy(onload, facts, seen);
  return { kmm, effective, live, desired, policy, plan: planRollout(facts, policy, now) };
}

/** Which modules of the wanted version are loaded on a node. */
function loadedOn({ kernel, want, labels, onload, sfc }: NodeFacts): { kernel: string; onload: boolean; sfc: boolean } {
  const loaded = (label: string | undefined, ready: string | undefined): boolean =>
    want !== undefined && label === want && ready === want;
  return { kernel, onload: loaded(labels.onload, onload.ready), sfc: loaded(labels.sfc, sfc.ready) };
}
