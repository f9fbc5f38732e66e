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
  return module?.spec.moduleLoader.container.kernelMappings.find(
    ({ regexp }) => compiled(regexp)?.test(version) ?? true,
  );
}

const expressions = new Map<string, RegExp | undefined>();
const MOST_EXPRESSIONS = 500;

function compiled(regexp: string): RegExp | undefined {
  if (!expressions.has(regexp)) {
    if (expressions.size >= MOST_EXPRESSIONS) expressions.clear();
    try {
      expressions.set(regexp, new RegExp(regexp));
    } catch {
      expressions.set(regexp, undefined);
    }
  }
  return expressions.get(regexp);
}
