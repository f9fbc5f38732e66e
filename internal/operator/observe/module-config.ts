/** Which kernels a Module loads something for. */
import type { DeepReadonly } from "../../api/core.ts";
import type { KernelMapping, Module } from "../../api/kmm.ts";

/**
 * The kernel mapping that KMM takes for a kernel: the first whose expression matches anywhere in the version, of which
 * one trailing `+` does not count. An expression that only RE2 can parse is taken to match, because KMM decides.
 */
export function mappingFor(
  module: DeepReadonly<Module> | undefined,
  kernel: string,
): DeepReadonly<KernelMapping> | undefined {
  const version = kernel.replace(/\+$/, "");
  return module?.spec.moduleLoader.container.kernelMappings.find(({ regexp }) => {
    try {
      return new RegExp(regexp).test(version);
    } catch {
      return true;
    }
  });
}
