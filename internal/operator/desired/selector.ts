/** By which labels a Module selects nodes. */
import type { DeepReadonly } from "../../api/core.ts";
import type { KmmCapabilities, Module } from "../../api/kmm.ts";
import { latchSelector } from "../../api/latch.ts";

/**
 * Every node, on purpose: a Module with a version is loaded only where the version label is, and that label is the
 * operator's. With spec.selector here, a node that loses its label, or a person who edits spec.selector, would make
 * KMM unload drivers at once instead of in the rollout's order; KMM 1.1 would even restart every loader pod.
 */
export const EVERY_NODE = { "kubernetes.io/os": "linux" };

/** What of a Module is in use. */
export interface SelectorInUse {
  /** The Module as it is in the cluster. */
  live: DeepReadonly<Module> | undefined;
  /** Whether the desired version is loaded on any node, wanted there or not. */
  loaded: boolean;
  /** KMM 1.1: by which labels the Module selected nodes when that version was loaded. */
  loadedBy: Readonly<Record<string, string>> | undefined;
  /** Whether a node has any version without asking its latch. */
  unlatched: boolean;
}

/**
 * The selector that a Module shall have. One under which its version is loaded stays: KMM 1.1 has it in the template of
 * its module-loader pods, and makes all of them anew when it changes.
 *
 * KMM 1.1 is given the latch (see api/latch.ts), but only where every node is under it: KMM deletes the module-loader
 * DaemonSets of all versions for a kernel that no selected node runs (v1.1.0, internal/daemonset, GarbageCollect), which
 * would take the drivers from nodes that another operator has loaded.
 */
export function selectorFor(module: Module, inUse: SelectorInUse, kmm: KmmCapabilities): Record<string, string> {
  const { live, loaded, loadedBy, unlatched } = inUse;
  const isOfVersion = live?.spec.moduleLoader.container.version === module.spec.moduleLoader.container.version;
  if (live && isOfVersion && loaded) return { ...live.spec.selector };
  if (loadedBy) return { ...loadedBy };
  if (kmm.nodeModulesConfig || unlatched) return EVERY_NODE;
  return latchSelector(module.metadata.namespace ?? "", module.metadata.name);
}
