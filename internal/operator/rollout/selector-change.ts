/**
 * What becomes of a change of spec.selector. A typo there would let go of every node: more nodes that serve pods than may
 * be out at once are let go only if a person confirms it.
 */
import { firstFew } from "../../cli/first-few.ts";
import type { DeepReadonly } from "../../api/core.ts";
import { CONFIRM_ANNOTATION } from "../../api/names.ts";
import { selectorsOf, type NodeSelector } from "../observe/selectors.ts";
import type { NodePlan } from "./plan.ts";
import { isWhole } from "./state-of.ts";

/** What is known of the selectors of a resource after a plan. */
export interface SelectorChange {
  /** status.selector from now on; undefined if the resource has no selector. */
  selector: NodeSelector | undefined;
  /** Why the change does not hold, and what to do, as a sentence without its end. */
  heldBack: string | undefined;
}

/** A resource, as far as its selectors go. */
type Selecting = DeepReadonly<{
  metadata: { name: string; namespace?: string; generation?: number; annotations?: Record<string, string> };
  spec?: unknown;
  status?: unknown;
}>;

/**
 * Decides on a change of spec.selector. Until it is known which pods the nodes serve, the selector before holds.
 *
 * @param nodes of a plan with the selector before
 * @param maxUnavailable see Policy
 * @param isKnown whether the caches can be relied on
 */
export function selectorChange(
  onload: Selecting,
  nodes: readonly NodePlan[],
  maxUnavailable: number,
  isKnown: boolean,
): SelectorChange {
  const selectors = selectorsOf(onload);
  if (!selectors?.next || !isKnown) return { selector: selectors?.holding, heldBack: undefined };
  const { holding, next } = selectors;
  const letGo = nodes.flatMap(({ facts }) => (facts.letGo && isWhole(facts) ? [facts] : []));
  const serving = letGo.filter(({ holders }) => holders && holders.length > 0);
  const isConfirmed = onload.metadata.annotations?.[CONFIRM_ANNOTATION] === String(onload.metadata.generation);
  if (isConfirmed) return { selector: next, heldBack: undefined };
  if (serving.length > maxUnavailable) {
    const names = serving.map(({ name }) => name);
    return { selector: holding, heldBack: textOf(onload, names, maxUnavailable) };
  }
  const isLookedAt = letGo.every(({ holders }) => holders !== undefined);
  return { selector: isLookedAt ? next : holding, heldBack: undefined };
}

function textOf({ metadata }: Selecting, nodes: readonly string[], maxUnavailable: number): string {
  const { name, namespace, generation } = metadata;
  const command = `kubectl annotate onload ${name} -n ${namespace} ${CONFIRM_ANNOTATION}=${generation} --overwrite`;
  return (
    `spec.selector lets go of ${nodes.length} nodes that serve pods (${firstFew(nodes, 3)}), ` +
    `and spec.upgrade.maxUnavailable allows ${maxUnavailable} at once; correct it, or confirm it: ${command}`
  );
}
