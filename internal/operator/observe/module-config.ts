/** Which kernels a Module loads something for. */
import type { DeepReadonly } from "../../api/core.ts";
import type { KernelMapping, Module } from "../../api/kmm.ts";
import { kernelMappingFor } from "../../api/onload.ts";

/** The kernel mapping of a Module that KMM takes for a kernel. */
export function mappingFor(
  module: DeepReadonly<Module> | undefined,
  kernel: string,
): DeepReadonly<KernelMapping> | undefined {
  return kernelMappingFor(module?.spec.moduleLoader.container.kernelMappings ?? [], kernel);
}
