/**
 * Which kernel mapping KMM takes for a node's kernel. Every version from 1.1 to 2.6 does it alike
 * (internal/module/kernelmapper.go): the first mapping counts whose `literal` is the kernel version or whose `regexp`
 * matches anywhere in it, one trailing `+` of the version does not count, and an empty expression matches nothing. At an
 * expression that does not parse KMM gives up for that kernel, even if a later mapping would match.
 */
import { matchesKernel, MAX_KERNEL_CHARACTERS, RegexpError } from "./kernel-regexp.ts";
import { kernelName } from "./kernel-tag.ts";
import { programBound } from "./regexp-size.ts";

/**
 * Of the expressions of one list together. It bounds the time for the first node of a kernel, to about 0.1 s. There is
 * room for a plain expression in each of the 128 mappings that the CRD accepts. What is kept of expressions has room for
 * the largest lists of a Module before and after a change.
 */
const MAX_INSTRUCTIONS = 16_000;
const TOO_LARGE = "it is too large with those before it: repeat less, and use fewer or shorter expressions";
/** Kernel versions whose mapping is kept, for each list. */
const MAX_KEPT_KERNELS = 256;

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

type ByKernel = Map<string, ChosenMapping<KernelMatcher>>;

/** What was chosen from a list: for the next node with that kernel, nothing is evaluated. */
const kept = new WeakMap<readonly KernelMatcher[], ByKernel>();

/** Chooses the mapping for a kernel as KMM does. The list must not be changed afterwards. */
export function chooseKernelMapping<M extends KernelMatcher>(
  mappings: readonly M[],
  kernelVersion: string,
): ChosenMapping<M> {
  const kernel = kernelName(kernelVersion);
  const byKernel: ByKernel = kept.get(mappings) ?? new Map();
  // What was kept for a list is one of its own mappings.
  const known = byKernel.get(kernel) as ChosenMapping<M> | undefined;
  if (known) return known;
  const chosen = choose(mappings, kernel);
  if (byKernel.size >= MAX_KEPT_KERNELS) byKernel.clear();
  if (kernel.length <= MAX_KERNEL_CHARACTERS) byKernel.set(kernel, chosen);
  kept.set(mappings, byKernel);
  return chosen;
}

function choose<M extends KernelMatcher>(mappings: readonly M[], kernel: string): ChosenMapping<M> {
  let instructions = 0;
  for (const [index, mapping] of mappings.entries()) {
    try {
      if (mapping.literal && mapping.literal === kernel) return { mapping, problem: undefined };
      if (!mapping.regexp) continue;
      // First, because one that is too large by itself says so.
      const isMatch = matchesKernel(mapping.regexp, kernel);
      instructions += programBound(mapping.regexp);
      if (instructions > MAX_INSTRUCTIONS) throw new RegexpError(TOO_LARGE);
      if (isMatch) return { mapping, problem: undefined };
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
