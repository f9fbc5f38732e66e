/** Parts of a Module's spec that both implementations of KMM share. */
import type { DeepReadonly, Toleration } from "../../api/core.ts";
import type { KernelMapping, KmmCapabilities, Module, ModuleLoaderContainer, ModuleSpec } from "../../api/kmm.ts";
import type { SelectorInUse, Version } from "./kmm.ts";

/**
 * Every node, on purpose: a Module with a version is loaded only on nodes with the version label, and that label is the
 * operator's. With spec.selector here, a node that loses its label, or a person who edits spec.selector, would make
 * KMM unload drivers at once instead of in the rollout's order; KMM 1.1 would even restart every loader pod.
 */
export const EVERY_LINUX_NODE = { "kubernetes.io/os": "linux" };

/**
 * KMM 2.3 and later unload a module from a node that gets a taint which the Module does not tolerate, at once and under
 * running pods: a cordon, a late kubelet, an autoscaler's or a network plugin's taint would take the driver away. So a
 * Module tolerates all of them, and only its version label decides; spec.tolerations is for the device plugin.
 */
const EVERY_TAINT: Toleration[] = [{ operator: "Exists" }];

/** Fields of a Module's spec that only some versions know. */
export function optionsOf({ tolerations }: KmmCapabilities): Pick<ModuleSpec, "tolerations"> {
  return tolerations ? { tolerations: EVERY_TAINT } : {};
}

/** The field by which a Module removes an in-tree module first. */
export function inTreeRemovalOf(
  { pluralInTree }: KmmCapabilities,
  module: string,
): Pick<ModuleLoaderContainer, "inTreeModuleToRemove" | "inTreeModulesToRemove"> {
  return pluralInTree ? { inTreeModulesToRemove: [module] } : { inTreeModuleToRemove: module };
}

/** The selector of the Module in the cluster, which stays while the desired version is loaded under it. */
export function keptSelector(module: Module, { live, loaded }: SelectorInUse): Record<string, string> | undefined {
  const isPresent = isOfVersion(live, module.spec.moduleLoader.container.version);
  return live && isPresent && loaded ? { ...live.spec.selector } : undefined;
}

/** Whether a Module is of a version. */
export function isOfVersion(module: DeepReadonly<Module> | undefined, version: Version): boolean {
  return module?.spec.moduleLoader.container.version === version;
}

/** A Module with other kernel mappings. */
export function withMappings(module: Module, kernelMappings: KernelMapping[]): Module {
  const { moduleLoader } = module.spec;
  const container = { ...moduleLoader.container, kernelMappings };
  return { ...module, spec: { ...module.spec, moduleLoader: { ...moduleLoader, container } } };
}
