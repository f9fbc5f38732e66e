/** Which kernels a Module loads something for. */
import type { DeepReadonly } from "../../api/core.ts";
import type { KernelMapping, Module } from "../../api/kmm.ts";
import { kernelName } from "../../api/kernel-tag.ts";
import { chooseKernelMapping, type ChosenMapping } from "../../api/kernel-mapping.ts";
import type { Kmm } from "./kmm.ts";

/** The kernel mapping of a Module that KMM takes for a kernel, or why it cannot be told. */
export function chooseMapping(
  module: DeepReadonly<Module> | undefined,
  kernel: string,
): ChosenMapping<DeepReadonly<KernelMapping>> {
  return chooseKernelMapping(module?.spec.moduleLoader.container.kernelMappings ?? [], kernel);
}

/** A mapping for one kernel alone, with the same image, which is there and is not built again. */
export function literalMapping(mapping: DeepReadonly<KernelMapping>, kernel: string): KernelMapping {
  const { regexp: _, literal: __, build: ___, ...rest } = structuredClone(mapping) as KernelMapping;
  return { ...rest, literal: kernelName(kernel) };
}

/** What kernels are compared with, in the order of the mappings. */
export function expressionsOf(module: DeepReadonly<Module> | undefined): string[] {
  const { kernelMappings = [] } = module?.spec.moduleLoader.container ?? {};
  return kernelMappings.flatMap(({ regexp }) => regexp ?? []);
}

/** The kernel mapping of a Module that KMM takes for a kernel. */
export function mappingFor(
  module: DeepReadonly<Module> | undefined,
  kernel: string,
): DeepReadonly<KernelMapping> | undefined {
  return chooseMapping(module, kernel).mapping;
}

/** Whether KMM may load something of a Module for a kernel: if it cannot be told, it may. */
export function mayMap(module: DeepReadonly<Module> | undefined, kernel: string): boolean {
  const { mapping, problem } = chooseMapping(module, kernel);
  return mapping !== undefined || problem !== undefined;
}

/**
 * The image of a Module for a kernel, with the variables filled in that KMM knows.
 *
 * @returns undefined if no kernel mapping matches
 */
export function imageFor(
  module: DeepReadonly<Module>,
  kernelVersion: string,
  kmm: Pick<Kmm, "kernelInImageNames">,
): string | undefined {
  const image = mappingFor(module, kernelVersion)?.containerImage;
  if (image === undefined) return undefined;
  const kernel = kmm.kernelInImageNames(kernelVersion);
  const [x = "", y = "", z = ""] = kernel.split(/[.,-]/);
  const variables: Record<string, string | undefined> = {
    KERNEL_FULL_VERSION: kernel,
    KERNEL_VERSION: kernel,
    KERNEL_XYZ: `${x}.${y}.${z}`,
    KERNEL_X: x,
    KERNEL_Y: y,
    KERNEL_Z: z,
    MOD_NAME: module.metadata.name,
    MOD_NAMESPACE: module.metadata.namespace,
  };
  return image.replace(
    /\$\{(\w+)\}|\$(\w+)/g,
    (_, braced?: string, bare?: string) => variables[braced ?? bare ?? ""] ?? "",
  );
}
