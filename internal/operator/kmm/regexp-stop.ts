/** Kernel mappings at which KMM would give up for all nodes, because an expression cannot be evaluated. Pure. */
import { firstFew } from "../../cli/first-few.ts";
import type { DeepReadonly } from "../../api/core.ts";
import { MAX_KERNEL_CHARACTERS } from "../../api/kernel-regexp.ts";
import type { Module } from "../../api/kmm.ts";
import { hasLabels } from "../../api/label-selector.ts";
import type { KernelRefusal, Kmm } from "./kmm.ts";
import { chooseMapping } from "./module-config.ts";
import type { NodesByKernel } from "./refused-kernel.ts";

const MAX_NAMED = 5;

/**
 * Why KMM would give up for all nodes at Modules like these: one of them selects a node, and the first mapping that could
 * be for its kernel has an expression that does not parse. KMM asks for the images of all nodes first, and an error there
 * ends the Module's reconcile (v2.4.0 and later, internal/controllers/module_reconciler.go, handleMIC). KMM before leaves
 * out only nodes of that kernel (v2.3.0, internal/controllers/module_nmc_reconciler.go, prepareSchedulingData; v1.1.0,
 * controllers/module_reconciler.go).
 *
 * What cannot be evaluated here is not always what KMM cannot parse. Nothing tells the two apart, so that both count.
 */
export function regexpStop(
  nodes: NodesByKernel,
  modules: readonly (DeepReadonly<Module> | undefined)[],
  kmm: Pick<Kmm, "tellsImages">,
): KernelRefusal | undefined {
  if (!kmm.tellsImages) return undefined;
  const needed = new Map<string, string[]>();
  for (const kernel of nodes.indexValues("kernel")) {
    // At a version that is no kernel's, the expressions are not to blame.
    if (kernel.length > MAX_KERNEL_CHARACTERS) continue;
    const faulty = modules.flatMap((module) => {
      const problem = module && chooseMapping(module, kernel).problem;
      return problem === undefined ? [] : [{ selector: module!.spec.selector, problem }];
    });
    if (faulty.length === 0) continue;
    for (const { metadata } of nodes.byIndex("kernel", kernel)) {
      const first = faulty.find(({ selector }) => hasLabels(selector, metadata.labels ?? {}));
      if (!first) continue;
      const names = needed.get(first.problem);
      if (names) names.push(metadata.name);
      else needed.set(first.problem, [metadata.name]);
    }
  }
  const [first] = [...needed].toSorted(([a], [b]) => (a < b ? -1 : 1));
  if (!first) return undefined;
  const [problem, names] = first;
  const named = firstFew(names.toSorted(), MAX_NAMED);
  return {
    why: `KMM gives up for all nodes at the kernel of ${named}, because spec.onload.${problem}`,
    remedy: "correct it",
    stopsAll: true,
  };
}
