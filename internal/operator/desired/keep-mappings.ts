/** Which kernel mappings a Module keeps although its resource has them no more: KMM would unload what rests on them. */
import type { DeepReadonly } from "../../api/core.ts";
import { kernelName } from "../../api/kernel-tag.ts";
import type { KernelMapping, Module } from "../../api/kmm.ts";
import { literalMapping, mappingFor, mayMap } from "../kmm/module-config.ts";
import { withMappings } from "../kmm/module-spec.ts";

/**
 * The Module with the mappings, of the one in the cluster, for kernels of nodes that have another version loaded.
 *
 * KMM unloads a module at once from every node whose kernel the Module has no mapping for, whatever version the node's
 * label says (v1.1.0, internal/daemonset, GarbageCollect; v2.6.0, internal/controllers/module_reconciler.go,
 * prepareNodeSchedulingData). Nothing is loaded from a mapping that is kept, because no node with such a kernel is
 * labelled with the Module's version.
 *
 * @param live the Module in the cluster
 * @param kernels of the nodes that have, or may have, another version of the module loaded
 */
export function keepMappings(
  module: Module,
  live: DeepReadonly<Module> | undefined,
  kernels: readonly string[],
): Module {
  const kept = kernels.flatMap((kernel): KernelMapping[] => {
    const mapping = mayMap(module, kernel) ? undefined : mappingFor(live, kernel);
    return mapping ? [literalMapping(mapping, kernel)] : [];
  });
  if (kept.length === 0) return module;
  const mappings = module.spec.moduleLoader.container.kernelMappings;
  const end = mappings.findLastIndex(({ literal }) => literal === undefined) + 1;
  // Whatever each of them is kept for, they stand in one order.
  const literals = [...mappings.slice(end), ...kept].toSorted((a, b) => (a.literal! < b.literal! ? -1 : 1));
  return withMappings(module, [...mappings.slice(0, end), ...literals]);
}

/**
 * A Module without mappings that were kept: by them no node is brought to the Module's version.
 *
 * @param kernels of the nodes that have the Module's version loaded. A mapping for one of these is a person's.
 */
export function withoutKept(module: Module, kernels: readonly string[]): Module {
  const used = new Set(kernels.map(kernelName));
  const { kernelMappings: all } = module.spec.moduleLoader.container;
  const kernelMappings = all.filter(({ literal }) => literal === undefined || used.has(literal));
  return kernelMappings.length === all.length ? module : withMappings(module, kernelMappings);
}
