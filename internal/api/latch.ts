/**
 * The latch: a node label of ours, one a Module, that a Module asks for in its spec.selector where KMM 1.1 is installed.
 * `on` beside the version label loads the module there; `off` unloads it, whatever the version label says.
 *
 * Without it a module is unloaded by taking its version label away. KMM 1.1 answers every change of such a label with a
 * PATCH of the node (v1.1.0, controllers/node_label_module_version_reconciler.go), from a client that sends 20 a second:
 * two of the four that an upgrade of a node costs it, and with them a quarter of the time of an upgrade of many nodes at
 * once. With the latch the version label changes once.
 */
import type { DeepReadonly } from "./core.ts";
import type { Module } from "./kmm.ts";
import { ONLOAD_GROUP } from "./names.ts";

export const ON = "on";
export const OFF = "off";
export type Latch = typeof ON | typeof OFF;

/** The latch of a Module. Under a prefix of its own, so that it is no Onload resource's plugin label. */
export function latchLabel(namespace: string, moduleName: string): string {
  return `latch.${ONLOAD_GROUP}/${namespace}.${moduleName}`;
}

/** Selects the nodes on which the latch is on. */
export function latchSelector(namespace: string, moduleName: string): Record<string, string> {
  return { [latchLabel(namespace, moduleName)]: ON };
}

/** Whether a Module is loaded only where its latch is on. One that was there before us keeps its selector. */
export function asksForLatch({ metadata, spec }: DeepReadonly<Module>): boolean {
  return latchLabel(metadata.namespace ?? "", metadata.name) in spec.selector;
}

/** Where the latch of a module stands on a node; undefined where there is none. */
export function latchOn(
  labels: Readonly<Record<string, string>>,
  namespace: string,
  moduleName: string,
): Latch | undefined {
  const value = labels[latchLabel(namespace, moduleName)];
  if (value === undefined) return undefined;
  return value === ON ? ON : OFF;
}
