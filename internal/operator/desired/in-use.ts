/** What of a resource's Modules is in use on nodes, from what is seen of them. Pure. */
import type { SelectorInUse, Version } from "../kmm/kmm.ts";
import type { NodeObservation } from "../observe/observation.ts";

/** A node that carries a label of the wanted version, and which modules are, or may be, loaded there. */
export interface LoadedNode {
  kernel: string;
  onload: boolean;
  sfc: boolean;
  /** Onload is asked for without sfc under it, and KMM cannot have begun. */
  onloadAlone?: true;
  /** It has loaded sfc itself, at boot. */
  sfcAtBoot?: true;
  /** The images that they were loaded from, if that is known. */
  onloadImage?: string | undefined;
  sfcImage?: string | undefined;
}

/** What of a resource's Modules is in use on nodes. */
export interface ModulesInUse {
  /** Nodes with the wanted version; each combination once. */
  loaded: readonly LoadedNode[];
  /** Kernels of nodes that have, or may have, another version of a module loaded, in order. */
  others: Record<"onload" | "sfc", readonly string[]>;
  /** Kernels of all nodes that are to have the wanted version, in order. */
  kernels: readonly string[];
  /** Whether any node has, or is to have, the device plugin. */
  plugin: boolean;
  /** What selected the nodes. */
  selectors: Record<"onload" | "sfc", Omit<SelectorInUse, "live">>;
}

/**
 * Whether a module may be in use on a node. One that is on its way without a failure counts: after a reboot it is loaded
 * again before KMM says so. One that failed does not, so that a wrong image can be corrected.
 */
function mayBeInUse(node: LoadedModules, module: "onload" | "sfc", version: Version): boolean {
  const { ready, present, labelledReady } = node[module];
  return ready === version || ((present || labelledReady) && isAsked(node, module, version));
}

/**
 * Whether a module may be in use on a node by the time that a change of the Module arrives. One that is asked for counts
 * as soon as its label is there: what KMM has begun is not seen at once. It does not count while KMM cannot have begun.
 */
function mayBeInUseSoon(
  node: LoadedModules,
  module: "onload" | "sfc",
  version: Version,
  isMissing: IsMissing,
): boolean {
  if (mayBeInUse(node, module, version)) return true;
  // KMM has not begun on a node that it may skip or cannot reach, nor where its pod is not there and is refused. A node
  // that serves had its pod, whose end unloads nothing while pods use the module.
  const isReached = node.ready && !node.cordoned;
  const isServing = node.allocatable > 0 || (node.holders?.length ?? 0) > 0;
  const isRefused = node.refusals[module] !== undefined && !isServing;
  return isReached && !isRefused && isAsked(node, module, version) && !isMissing(module, node.kernel);
}

function isAsked(node: LoadedModules, module: "onload" | "sfc", version: Version): boolean {
  return node.labels[module] === version && node[module].failure === undefined;
}

/** Whether KMM has not found the image of the Module in the cluster for a kernel, so that it cannot have loaded it. */
export type IsMissing = (module: "onload" | "sfc", kernel: string) => boolean;

/** Whether a node is to load onload without an sfc of ours. One that failed may want for just that sfc. */
function isOnloadAlone(node: LoadedModules, version: Version): boolean {
  return isAsked(node, "onload", version) && node.labels.sfc !== version;
}

/** What of a node tells which modules are in use there. */
type LoadedModules = Pick<
  NodeObservation,
  | "kernel"
  | "want"
  | "ready"
  | "cordoned"
  | "labels"
  | "loadLabels"
  | "onload"
  | "sfc"
  | "refusals"
  | "allocatable"
  | "holders"
> & { sfcAtBoot?: string | undefined };

/** What is in use on one node. */
interface NodeUse {
  kernel: string;
  loaded: LoadedNode | undefined;
  /** Whether it has, or may have, another version of a module loaded. */
  other: Record<"onload" | "sfc", boolean>;
  wanted: boolean;
  plugin: boolean;
  selectors: Record<"onload" | "sfc", Omit<SelectorInUse, "live">>;
  /** The same for nodes on which the same is in use. */
  id: string;
}

/**
 * What is in use on nodes, by what was seen of them, for one version and one answer of `isMissing`. Many nodes have few
 * kinds of use, and one event changes one node.
 */
export class NodeUses {
  readonly #byNode = new WeakMap<LoadedModules, NodeUse>();
  /** One object for each kind, so that kinds are compared as objects. */
  readonly #byId = new Map<string, NodeUse>();
  #kinds: ReadonlySet<NodeUse> = new Set();
  #inUse: ModulesInUse | undefined;

  /** What is in use on these nodes: the same object as the last time if the kinds of use are the same. */
  inUse(nodes: readonly LoadedModules[], find: (node: LoadedModules) => NodeUse): ModulesInUse {
    const kinds = new Set<NodeUse>();
    for (const node of nodes) kinds.add(this.#byNode.get(node) ?? this.#keep(node, find(node)));
    for (const [id, use] of this.#byId) if (!kinds.has(use)) this.#byId.delete(id);
    if (!this.#inUse || kinds.symmetricDifference(this.#kinds).size > 0) this.#inUse = sumOf(kinds);
    this.#kinds = kinds;
    return this.#inUse;
  }

  #keep(node: LoadedModules, found: NodeUse): NodeUse {
    const use = this.#byId.get(found.id) ?? found;
    this.#byId.set(use.id, use);
    this.#byNode.set(node, use);
    return use;
  }
}

/**
 * Finds out what is in use from what is seen of the nodes.
 *
 * @param known what was found out of each before, and is left for the next time
 */
export function modulesInUse(
  nodes: readonly LoadedModules[],
  version: Version,
  isMissing: IsMissing = () => false,
  known = new NodeUses(),
): ModulesInUse {
  return known.inUse(nodes, (node) => useOf(node, version, isMissing));
}

function sumOf(kinds: ReadonlySet<NodeUse>): ModulesInUse {
  // In an order of their own: that of the nodes is another after a restart.
  const uses = inOrder([...kinds].map((use) => [use.id, use]));
  const loaded = new Map(uses.flatMap(({ loaded: each }) => (each ? [[JSON.stringify(each), each] as const] : [])));
  const kernels = (isOne: (use: NodeUse) => boolean): string[] =>
    [...new Set(uses.filter(isOne).map(({ kernel }) => kernel))].toSorted();
  const selectors = (module: "onload" | "sfc"): Omit<SelectorInUse, "live"> => {
    const all = uses.map((use) => use.selectors[module]);
    const loadedBy = all.find((each) => each.loadedBy !== undefined)?.loadedBy;
    return { loaded: all.some((each) => each.loaded), loadedBy, unlabelled: all.some((each) => each.unlabelled) };
  };
  return {
    loaded: inOrder(loaded),
    others: { onload: kernels(({ other }) => other.onload), sfc: kernels(({ other }) => other.sfc) },
    kernels: kernels(({ wanted }) => wanted),
    plugin: uses.some(({ plugin }) => plugin),
    selectors: { onload: selectors("onload"), sfc: selectors("sfc") },
  };
}

function inOrder<T>(byId: Iterable<readonly [string, T]>): T[] {
  return [...byId].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, each]) => each);
}

/** Nodes that are to lose the modules count too: KMM would reload them before they are drained. */
function useOf(node: LoadedModules, version: Version, isMissing: IsMissing): NodeUse {
  const { kernel, labels, want } = node;
  const use = {
    kernel,
    loaded: loadedOn(node, version, isMissing),
    other: { onload: isOther(node, version, "onload"), sfc: isOther(node, version, "sfc") },
    wanted: want === version,
    plugin: labels.plugin !== undefined,
    selectors: { onload: selectorOn(node, version, "onload"), sfc: selectorOn(node, version, "sfc") },
  };
  return { ...use, id: JSON.stringify(use) };
}

function loadedOn(node: LoadedModules, version: Version, isMissing: IsMissing): LoadedNode | undefined {
  const { kernel, labels } = node;
  const onload = labels.onload === version && mayBeInUseSoon(node, "onload", version, isMissing);
  const sfc = labels.sfc === version && mayBeInUseSoon(node, "sfc", version, isMissing);
  const onloadAlone = !onload && isOnloadAlone(node, version);
  if (!onload && !sfc && !onloadAlone) return undefined;
  return {
    kernel,
    onload,
    sfc,
    onloadImage: onload ? node.onload.image : undefined,
    sfcImage: sfc ? node.sfc.image : undefined,
    ...(onloadAlone ? { onloadAlone } : {}),
    ...(node.sfcAtBoot === undefined ? {} : { sfcAtBoot: true }),
  };
}

/** Nodes that are to lose the module count too: they are emptied first. */
function isOther(node: LoadedModules, version: Version, module: "onload" | "sfc"): boolean {
  const { present, labelledReady } = node[module];
  const label = node.labels[module];
  return label === undefined ? present || labelledReady : label !== version;
}

/** Nodes that are to lose the module count too: it must not be made anew under them before they are drained. */
function selectorOn(node: LoadedModules, version: Version, module: "onload" | "sfc"): Omit<SelectorInUse, "live"> {
  const { labels, loadLabels, [module]: state } = node;
  const { value, effective } = loadLabels[module];
  const loaded = mayBeInUse(node, module, version);
  const unlabelled = (labels[module] !== undefined && value === undefined) || (state.present && !effective);
  return { loaded, loadedBy: loaded ? state.selector : undefined, unlabelled };
}
