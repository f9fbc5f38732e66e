/** From the caches to what is seen of every node that concerns one Onload resource. */
import type { DaemonSet, DeepReadonly, Node } from "../../api/core.ts";
import { kmmCapabilities, type Module } from "../../api/kmm.ts";
import { devicePluginName, onloadModuleName, pluginLabel, sfcModuleName, type OnloadKey } from "../../api/names.ts";
import { joinKey, namespacedName } from "../../kube/object.ts";
import type { Stores } from "../cache/caches.ts";
import { agreesToForce, holderOf, type Force, type Holder } from "../cache/holders.ts";
import type { NodePods } from "../cache/node-pods.ts";
import { moduleImages, type ModuleImages } from "../kmm/images.ts";
import { kmmFor } from "../kmm/installed.ts";
import type { Kmm } from "../kmm/kmm.ts";
import { concerns, observeNode, type ResourceContext } from "./node.ts";
import type { PodRefusals } from "./refusals.ts";
import type { NodeObservation } from "./observation.ts";
import { hasLabels } from "../../api/label-selector.ts";
import { ownerOf, type Claim } from "./ownership.ts";
import { selectorsOf, type NodeSelector } from "./selectors.ts";

/** The KMM that is installed, as its CRDs tell. */
export function observeKmm({ crds }: Pick<Stores, "crds">): Kmm {
  return kmmFor(kmmCapabilities(crds.store.list()));
}

/** No label has an empty name. */
const NO_NODE: NodeSelector = { "": "" };

/** Every Onload resource's claim on nodes. */
export function observeClaims({ onloads }: Pick<Stores, "onloads">): Claim[] {
  return [...onloads.store.list()].flatMap((onload) => {
    const { namespace, name, creationTimestamp, deletionTimestamp } = onload.metadata;
    if (!namespace) return [];
    // One without a selector claims nothing, and what it has on nodes is its own all the same.
    const { holding: selector, next: nextSelector } = selectorsOf(onload) ?? { holding: NO_NODE, next: undefined };
    const owner = ownerOf({ namespace, name });
    const deleting = deletionTimestamp !== undefined;
    return [{ ...owner, selector, nextSelector, created: creationTimestamp ?? "", deleting }];
  });
}

/**
 * How far spec.upgrade.drain.force of a resource reaches.
 *
 * @param everywhere the operator's administrator lets it reach every namespace
 */
export function observeForce({ namespaces }: Pick<Stores, "namespaces">, asked: boolean, everywhere: boolean): Force {
  const consents = (name: string): boolean => {
    const namespace = namespaces.store.get(name);
    return namespace !== undefined && agreesToForce(namespace);
  };
  return { asked, mayIn: (namespace) => everywhere || consents(namespace) };
}

/** The objects that were made for an Onload resource, as they are in the cluster. */
export interface LiveObjects {
  onload: DeepReadonly<Module> | undefined;
  sfc: DeepReadonly<Module> | undefined;
  daemonSet: DeepReadonly<DaemonSet> | undefined;
}

/** The objects that were made for an Onload resource, from the caches. */
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

/**
 * What KMM knows of the images of a resource's Modules; undefined if it does not say.
 *
 * @param texts what events tell of the pods that pull them, by the pods' uid
 */
export function observeImages(
  caches: Pick<Stores, "moduleImagesConfigs" | "pullPods">,
  { namespace, name }: OnloadKey,
  kmm: Pick<Kmm, "tellsImages">,
  texts: ReadonlyMap<string, string>,
): { onload: ModuleImages; sfc: ModuleImages } | undefined {
  if (!kmm.tellsImages) return undefined;
  const images = (moduleName: string): ModuleImages => {
    const key = joinKey(namespace, moduleName);
    const pods = caches.pullPods.store.byIndex("module", key);
    return moduleImages(caches.moduleImagesConfigs.store.get(key), pods, texts);
  };
  return { onload: images(onloadModuleName(name)), sfc: images(sfcModuleName(name)) };
}

/** What the operator has collected beside the caches. It is no state: it can be lost at any time. */
export interface CollectedState {
  pods: Pick<NodePods, "holders" | "inspected">;
  /** Why evictions were refused, by the pods' uid. */
  refusals: ReadonlyMap<string, string>;
  /** Why the API server refuses pods of the resource. */
  podRefusals: PodRefusals;
  /** Nodes of which it is not known whether the last PATCH was made; see UnansweredPatches. */
  unanswered: readonly string[];
  failureLogs: {
    /** What the logs and events of failed pods tell, by the pods' uid. */
    readonly logs: ReadonlyMap<string, string>;
    /** Grows with every change of `logs`. */
    readonly revision: number;
  };
}

/** What was observed of nodes at the last look; see NodeMemo. */
export interface ObservationMemo {
  readonly seen: Seen | undefined;
  readonly fleeting: Iterable<string>;
  begin(): void;
  keep(node: string, observation: NodeObservation | undefined, isFleeting: boolean): void;
  forget(node: string): void;
  retain(nodes: { get(name: string): unknown }): void;
  end(seen: Seen): NodeObservation[];
}

/** The revisions of all that observations of nodes are made from. */
export interface Seen {
  nodes: number;
  plugins: number;
  kmmPods: number;
  nodeModulesConfigs: number;
  /** What concerns all nodes. */
  common: string;
}

/**
 * What is seen of every node that concerns an Onload resource. Only nodes of which something has changed since the last look
 * are looked at: most events concern one node.
 *
 * @param contextRevision grows with every change of `context`
 */
export function observeNodes(
  caches: Stores,
  context: ResourceContext,
  contextRevision: number,
  collected: CollectedState,
  force: Force,
  memo: ObservationMemo,
): NodeObservation[] {
  const { key, claims } = context;
  const { nodes, plugins, kmmPods, nodeModulesConfigs } = caches;
  const claim = claims.find((each) => namespacedName(each) === namespacedName(key));
  const owner = claim ?? ownerOf(key);
  const label = pluginLabel(key);
  const plugin = joinKey(key.namespace, devicePluginName(key.name));
  const { logs: failureLogs, revision: logsRevision } = collected.failureLogs;
  const look = (node: DeepReadonly<Node>): void => {
    const { name, labels = {} } = node.metadata;
    // Once the plugin label is off, only a list of the pods that was made after the plugin's pod went counts.
    const holders = holdersOn(name, label in labels ? undefined : plugin, collected, force);
    const inputs = {
      node,
      plugins: plugins.store.byIndex("node", name),
      kmmPods: kmmPods.store.byIndex("node", name),
      nmc: nodeModulesConfigs.store.get(name),
      holders,
      failureLogs,
    };
    const isOurs = concerns(node, owner, claim !== undefined && hasLabels(claim.selector, labels));
    // Why an eviction was refused changes without an event.
    memo.keep(name, isOurs ? observeNode(inputs, context) : undefined, holders !== undefined);
  };
  const seen = {
    nodes: nodes.store.revision,
    plugins: plugins.store.revision,
    kmmPods: kmmPods.store.revision,
    nodeModulesConfigs: nodeModulesConfigs.store.revision,
    common: `${contextRevision} ${logsRevision}`,
  };
  const changed = changedNodes(caches, memo.seen, seen);
  memo.begin();
  if (changed) {
    for (const name of new Set([...changed, ...memo.fleeting, ...collected.pods.inspected()])) {
      const node = nodes.store.get(name);
      if (node) look(node);
      else memo.forget(name);
    }
  } else {
    memo.retain(nodes.store);
    for (const node of nodes.store.list()) look(node);
  }
  return memo.end(seen);
}

/** The nodes of which something has changed since the last look; undefined if it may be any. */
function changedNodes(
  { nodes, plugins, kmmPods, nodeModulesConfigs }: Stores,
  last: Seen | undefined,
  now: Seen,
): string[] | undefined {
  if (last?.common !== now.common) return undefined;
  const changes = [
    nodes.store.changedSince(last.nodes),
    plugins.store.changedSince(last.plugins, "node"),
    kmmPods.store.changedSince(last.kmmPods, "node"),
    // Each has its node's name.
    nodeModulesConfigs.store.changedSince(last.nodeModulesConfigs),
  ];
  const known = changes.filter((names) => names !== undefined);
  return known.length < changes.length ? undefined : known.flatMap((names) => [...names]);
}

/** The pods on a node that hold amd.com/onload; undefined if they were never listed. */
function holdersOn(
  node: string,
  withoutPlugin: string | undefined,
  { pods, refusals }: CollectedState,
  force: Force,
): Holder[] | undefined {
  return pods.holders(node, withoutPlugin)?.flatMap((pod) => {
    const holder = holderOf(pod, force);
    if (!holder) return [];
    return [{ ...holder, refusal: holder.refusal ?? refusals.get(holder.uid) }];
  });
}
