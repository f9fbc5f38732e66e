/**
 * The load label: a node label of ours, one per Module, that a Module asks for in its spec.selector if KMM 1.1 is
 * installed. `on` beside the version label loads the module there; `off` unloads it, whatever the version label says.
 *
 * Without it a module is unloaded by removing its version label. KMM 1.1 answers every change of such a label with one
 * PATCH of the node (v1.1.0, controllers/node_label_module_version_reconciler.go), and its client sends 20 a second. An
 * upgrade of one node would cost it four such requests; with the load label it costs two, because the version label
 * changes only once.
 */
import type { DeepReadonly } from "../../api/core.ts";
import type { Module } from "../../api/kmm.ts";
import { ONLOAD_GROUP } from "../../api/names.ts";

export const ON = "on";
export const OFF = "off";
export type LoadLabelValue = typeof ON | typeof OFF;

/** Name of a Module's load label. It has a prefix of its own, so that no Onload resource's plugin label equals it. */
export function loadLabel(namespace: string, moduleName: string): string {
  return `latch.${ONLOAD_GROUP}/${namespace}.${moduleName}`;
}

/** Selects the nodes on which the load label is on. */
export function loadLabelSelector(namespace: string, moduleName: string): Record<string, string> {
  return { [loadLabel(namespace, moduleName)]: ON };
}

/** The change of a node's labels that takes its load label away. */
export function withoutLoadLabel(
  namespace: string,
  moduleName: string,
  value: LoadLabelValue | undefined,
): Record<string, null> {
  return value === undefined ? {} : { [loadLabel(namespace, moduleName)]: null };
}

/** Whether a Module loads only on nodes whose load label is on. A Module that another operator made keeps its selector. */
export function requiresLoadLabel({ metadata, spec }: DeepReadonly<Module>): boolean {
  return loadLabel(metadata.namespace ?? "", metadata.name) in spec.selector;
}

/** The load label of a module on a node; undefined if the node has none. Any value but `on` counts as `off`. */
export function loadLabelOn(
  labels: Readonly<Record<string, string>>,
  namespace: string,
  moduleName: string,
): LoadLabelValue | undefined {
  const value = labels[loadLabel(namespace, moduleName)];
  if (value === undefined) return undefined;
  return value === ON ? ON : OFF;
}
