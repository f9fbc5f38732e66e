/** What makes the operator look at a resource again: every change of what it follows. */
import { isDeepStrictEqual } from "node:util";
import type { DeepReadonly, KubeObject } from "../../api/core.ts";
import type { MachineConfigPool } from "../../api/machine-config-pool.ts";
import { KMM_GROUP, ONLOAD_GROUP } from "../../api/names.ts";
import type { Informer } from "../../kube/informer.ts";
import { splitKey } from "../../kube/object.ts";
import type { Change } from "../../kube/store.ts";
import type { Caches } from "../cache/caches.ts";
import { observeClaims } from "../observe/cluster.ts";
import { selectorsOf } from "../observe/selectors.ts";
import { keysOfKmmPod, keysOfNode, keysOfObject, keysOfPlugin, keysOfPullPod } from "./keys.ts";

/** What is told which resources to look at; {@link Controller} is the real one. */
export interface Watcher {
  watch<T extends KubeObject, I extends string>(
    informer: Informer<T, I>,
    keysOf: (change: Change<T>) => Iterable<string>,
  ): void;
}

/** Tells the keys of resources in some namespaces. */
export function isIn(namespaces: readonly string[]): (key: string) => boolean {
  return (key) => namespaces.length === 0 || namespaces.includes(splitKey(key).namespace ?? "");
}

/**
 * Asks for a look at the resources that a change concerns, whenever there is one.
 *
 * @param isOurs whether this operator looks after the resource of a key
 */
export function watchAll(watcher: Watcher, caches: Caches, isOurs: (key: string) => boolean = () => true): void {
  const controller: Watcher = {
    watch: (informer, keysOf) => watcher.watch(informer, (change) => [...keysOf(change)].filter(isOurs)),
  };
  const all = (): string[] => allKeys(caches);
  // Names can be told apart by their ends alone, and other teams have a gpu-module too.
  const existing = (keys: readonly string[]): string[] => existingKeys(caches, keys);
  // Which resource keeps a node depends on all of them.
  controller.watch(caches.onloads, (change) =>
    isSame(change, (onload) => onload && selectorsOf(onload)) ? [change.key] : [change.key, ...all()],
  );
  controller.watch(caches.nodes, (change) => keysOfNode(change, observeClaims(caches)));
  controller.watch(caches.plugins, (change) => existing(keysOfPlugin(change)));
  controller.watch(caches.kmmPods, (change) => existing(keysOfKmmPod(change)));
  controller.watch(caches.pullPods, (change) => existing(keysOfPullPod(change)));
  controller.watch(caches.modules, (change) => existing(keysOfObject(change)));
  controller.watch(caches.moduleImagesConfigs, (change) => existing(keysOfObject(change)));
  controller.watch(caches.daemonSets, (change) => existing(keysOfObject(change)));
  // A NodeModulesConfig has its node's name.
  controller.watch(caches.nodeModulesConfigs, ({ key }) => keysOfNodeName(caches, key));
  controller.watch(caches.machineConfigs, all);
  // Pools count their nodes all the time.
  controller.watch(caches.machineConfigPools, (change) => (isSame(change, poolOf) ? [] : all()));
  // Most namespaces that come and go have no part in any of it.
  controller.watch(caches.namespaces, (change) =>
    isSame(change, (namespace) => namespace?.metadata.annotations ?? {}) ? [] : all(),
  );
  controller.watch(caches.crds, ({ old, current }) => {
    const group = (current ?? old)?.spec.group ?? "";
    return group.endsWith(KMM_GROUP) || group === ONLOAD_GROUP ? all() : [];
  });
  controller.watch(caches.policyBindings, all);
  controller.watch(caches.policies, all);
}

/** Whether a change touches neither what a watch needs of an object nor the object's end. */
function isSame<T extends KubeObject>(
  { old, current }: Change<T>,
  needed: (object: DeepReadonly<T> | undefined) => unknown,
): boolean {
  return (
    isDeepStrictEqual(needed(old), needed(current)) &&
    old?.metadata.deletionTimestamp === current?.metadata.deletionTimestamp
  );
}

/** What matters of a pool. */
function poolOf(pool: DeepReadonly<MachineConfigPool> | undefined): unknown {
  return pool && [pool.spec, pool.status];
}

/** The keys of all resources. */
export function allKeys({ onloads }: Pick<Caches, "onloads">): string[] {
  return [...onloads.store.keys()];
}

/** Those of some keys that resources have. The end of a resource is told by its own watch. */
function existingKeys(
  { onloads }: { onloads: { store: Pick<Caches["onloads"]["store"], "get"> } },
  keys: readonly string[],
): string[] {
  return keys.filter((key) => onloads.store.get(key) !== undefined);
}

/** The keys of the resources that a node concerns. */
export function keysOfNodeName(caches: Caches, name: string): string[] {
  const current = caches.nodes.store.get(name);
  return current ? keysOfNode({ key: name, old: undefined, current }, observeClaims(caches)) : [];
}
