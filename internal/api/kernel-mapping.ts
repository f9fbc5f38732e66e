/**
 * Which kernel mapping KMM takes for a node's kernel. Every version from 1.1 to 2.6 does it alike
 * (internal/module/kernelmapper.go): the first mapping counts whose `literal` is the kernel version or whose `regexp`
 * matches anywhere in it, one trailing `+` of the version does not count, and an empty expression matches nothing. At an
 * expression that does not parse KMM gives up for that kernel, even if a later mapping would match.
 */
import { matchesKernel, RegexpError } from "./kernel-regexp.ts";
import { kernelName } from "./kernel-tag.ts";

/** How a mapping chooses kernels. */
export interface KernelMatcher {
  readonly regexp?: string | undefined;
  /** The kernel version itself, without a trailing `+`. */
  readonly literal?: string | undefined;
}

/** The mapping for a kernel. */
export interface ChosenMapping<M> {
  /** undefined: none. */
  mapping: M | undefined;
  /** Why none can be chosen: part of a sentence that names the mapping which cannot be evaluated, by its number. */
  problem: string | undefined;
}

/** Chooses the mapping for a kernel as KMM does. */
export function chooseKernelMapping<M extends KernelMatcher>(
  mappings: readonly M[],
  kernelVersion: string,
): ChosenMapping<M> {
  const kernel = kernelName(kernelVersion);
  for (const [index, mapping] of mappings.entries()) {
    try {
      if (mapping.literal && mapping.literal === kernel) return { mapping, problem: undefined };
      if (mapping.regexp && matchesKernel(mapping.regexp, kernel)) return { mapping, problem: undefined };
    } catch (error) {
      if (!(error instanceof RegexpError)) throw error;
      return { mapping: undefined, problem: `kernelMappings[${index}].regexp cannot be evaluated: ${error.message}` };
    }
  }
  return { mapping: undefined, problem: undefined };
}

/** The mapping that KMM takes for a kernel; undefined if there is none, or none can be chosen. */
export function kernelMappingFor<M extends KernelMatcher>(
  mappings: readonly M[],
  kernelVersion: string,
): M | undefined {
  return chooseKernelMapping(mappings, kernelVersion).mapping;
}
