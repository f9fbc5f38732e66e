/** What to say of a kernel for which spec.onload.kernelMappings gives no image. Pure. */
import { firstFew } from "../../cli/first-few.ts";
import { printable } from "../../cli/printable.ts";
import type { NodeFacts } from "../assess/facts.ts";

/** So many expressions are named, each as far as so many characters. */
const MAX_NAMED = 5;
const MAX_REGEXP = 100;

/** The expressions that were tried: ` (regexp ^5\.14\., ^4\.18\. and 2 more)`. */
export function triedText(regexps: readonly string[]): string {
  if (regexps.length === 0) return "";
  return ` (regexp ${firstFew(regexps, MAX_NAMED, (each) => printable(each, MAX_REGEXP))})`;
}

type Unmapped = Pick<NodeFacts, "kernel" | "kernelRefused" | "mappingProblem" | "mappingsTried">;

/** Which kernel has no image, and what was tried: a sentence without its end and without what to do. */
export function unmappedText(node: Unmapped): string {
  const { kernelRefused } = node;
  if (kernelRefused) {
    return `${kernelRefused.why}: ${kernelRefused.stopsAll ? "no node is begun" : "the node gets nothing"}`;
  }
  const kernel = printable(node.kernel, MAX_REGEXP) || "that the node does not name";
  if (node.mappingProblem !== undefined) {
    return `No kernel module image can be chosen for kernel ${kernel}, because spec.onload.${node.mappingProblem}`;
  }
  return `No entry of spec.onload.kernelMappings matches kernel ${kernel}${triedText(node.mappingsTried)}`;
}

/** What a person can do about it. */
export function unmappedRemedy({ kernelRefused, mappingProblem }: Unmapped): string {
  if (kernelRefused) return kernelRefused.remedy;
  return mappingProblem === undefined ? "add one, or correct one" : "correct it";
}
