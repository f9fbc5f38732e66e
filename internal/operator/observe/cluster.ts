/** From the caches to what the planner is given: the facts of every node that concerns one Onload resource. */
import type { DaemonSet, DeepReadonly } from "../../api/core.ts";
import { kmmCapabilities, type KmmCapabilities, type Module } from "../../api/kmm.ts";
import {
  devicePluginName,
  onloadModuleName,
  pluginLabel,
  sfcModuleName,
  TEMPLATE_ANNOTATION,
  VERSION_LABEL,
  type OnloadKey,
} from "../../api/names.ts";
import type { Onload } from "../../api/onload.ts";
import { joinKey } from "../../kube/object.ts";
import type { Stores } from "../cache/caches.ts";
import type { FactsMemo } from "../memo.ts";
import type { NodePods } from "../cache/node-pods.ts";
import { holderOf } from "../cache/holders.ts";
import { moduleImages, type ModuleImages } from "../kmm/images.ts";
import { concerns, nodeFacts, type ResourceView } from "./node-facts.ts";
import { nameOf, selects, type Claim } from "./ownership.ts";
import type { Holder, NodeFacts } from "../rollout/facts.ts";
import type { Policy } from "../rollout/plan.ts";
import { attemptFor } from "../rollout/rollback.ts";
import { resolveMaxUnavailable } from "../rollout/slots.ts";

/** What the installed KMM offers; undefined where it is not installed. */
export function observeKmm({ crds }: Pick<Stores, "crds">): KmmCapabilities | undefined {
  return kmmCapabilities(crds.store.list());
}

/** Every Onload resource's claim on nodes. */
export function observeClaims({ onloads }: Pick<Stores, "onloads">): Claim[] {
  return [...onloads.store.list()].flatMap((onload) => {
    const { namespace, name, creationTimestamp, deletionTimestamp } = onload.metadata;
    const selector = (onload.spec as { selector?: Record<string, string> } | undefined)?.selector;
    if (!namespace || !selector) return [];
    return [{ namespace, name, selector, created: creationTimestamp ?? "", deleting: deletionTimestamp !== undefined }];
  });
}

/** The objects that were made for an Onload resource, as they are in the cluster. */
export interface LiveObjects {
  onload: DeepReadonly<Module> | undefined;
  sfc: DeepReadonly<Module> | undefined;
  daemonSet: DeepReadonly<DaemonSet> | undefined;
}

export function observeObjects(
  caches: Pick<Stores, "modules" | "daemonSets">,
  { namespace, name }: OnloadKey,
): LiveObjects {
  const module = (moduleName: string): DeepReadonly<Module> | undefined =>
    caches.modules.store.get(joinKey(namespace, moduleName));
  return {
    onload: module(onloadModuleName(name)),
    sfc: module(sfcModuleName(name)),
    daemonSet: caches.daemonSets.store.get(joinKey(namespace, devicePluginName(name))),
  };
}

/** What KMM knows of the images of a resource's Modules; undefined where it does not say. */
export function observeImages(
  caches: Pick<Stores, "moduleImagesConfigs" | "pullPods">,
  { namespace, name }: OnloadKey,
  kmm: KmmCapabilities | undefined,
): ResourceView["images"] {
  if (!kmm?.moduleImagesConfig) return undefined;
  const images = (moduleName: string): ModuleImages => {
    const key = joinKey(namespace, moduleName);
    return moduleImages(caches.moduleImagesConfigs.store.get(key), caches.pullPods.store.byIndex("module", key));
  };
  return { onload: images(onloadModuleName(name)), sfc: images(sfcModuleName(name)) };
}

/** Memory of the operator that is no state: it can be lost at any time. */
export interface Recollection {
  pods: NodePods;
  /** Why evictions were refused, by the pods' uid. */
  refusals: ReadonlyMap<string, string>;
  /** The end of the logs of failed pods, by their uid. */
  lastWords: ReadonlyMap<string, string>;
}

/** The facts of every node that concerns an Onload resource. */
export function observeNodes(
  caches: Stores,
  view: ResourceView,
  memory: Recollection,
  force: boolean,
  memo: FactsMemo,
): NodeFacts[] {
  const { key, claims } = view;
  memo.begin(view, memory.lastWords.size, caches.nodes.store.size);
  const claim = claims.find((each) => nameOf(each) === nameOf(key));
  const label = pluginLabel(key);
  const plugin = joinKey(key.namespace, devicePluginName(key.name));
  const found: NodeFacts[] = [];
  for (const node of caches.nodes.store.list()) {
    const { name, labels = {} } = node.metadata;
    // Once the plugin label is off, only a look since the plugin's pod went counts.
    const holders = holdersOn(name, label in labels ? undefined : plugin, memory, force);
    const inputs = {
      node,
      plugins: caches.plugins.store.byIndex("node", name),
      kmmPods: caches.kmmPods.store.byIndex("node", name),
      nmc: caches.nodeModulesConfigs.store.get(name),
    };
    const known = holders ? undefined : memo.get(name, inputs);
    if (known) {
      if (known.facts) found.push(known.facts);
      continue;
    }
    const concerned = concerns(node, key, claim !== undefined && selects(claim.selector, labels));
    const facts = concerned ? nodeFacts({ ...inputs, holders, lastWords: memory.lastWords }, view) : undefined;
    // Why an eviction was refused changes without an event.
    const kept = holders ? facts : memo.set(name, inputs, facts);
    if (kept) found.push(kept);
  }
  return found;
}

/** The pods on a node that hold amd.com/onload; undefined where nobody has looked. */
function holdersOn(
  node: string,
  withoutPlugin: string | undefined,
  { pods, refusals }: Recollection,
  force: boolean,
): Holder[] | undefined {
  return pods.holders(node, withoutPlugin)?.flatMap((pod) => {
    const holder = holderOf(pod, force);
    if (!holder) return [];
    return [{ ...holder, refusal: holder.refusal ?? refusals.get(holder.uid) }];
  });
}

/** Whether the DaemonSet controller has seen the template of the wanted version. */
export function hasSeenTemplate(
  daemonSet: DeepReadonly<DaemonSet> | undefined,
  version: string,
  template: string,
): boolean {
  if (!daemonSet) return false;
  const { labels, annotations = {} } = daemonSet.spec.template.metadata;
  const current = labels[VERSION_LABEL] === version && annotations[TEMPLATE_ANNOTATION] === template;
  return current && (daemonSet.status?.observedGeneration ?? 0) >= (daemonSet.metadata.generation ?? 0);
}

/** How a resource wants to be rolled out over `facts`. */
export function observePolicy(
  onload: DeepReadonly<Onload>,
  facts: readonly NodeFacts[],
  templateSeen: boolean,
): Policy {
  const { maxUnavailable, paused, drain, stepTimeoutSeconds } = onload.spec.upgrade;
  const total = facts.filter(({ want }) => want !== undefined).length;
  return {
    maxUnavailable: resolveMaxUnavailable(maxUnavailable, total),
    paused,
    limits: { step: stepTimeoutSeconds * 1000, drain: drain.timeoutSeconds * 1000, force: drain.force },
    attempt: attemptFor(onload),
    templateSeen,
  };
}
