/**
 * What becomes of a change of spec.selector. A typo there would let go of every node: more nodes that serve pods than may
 * be out at once are let go only if a person confirms it.
 */
import { firstFew } from "../../cli/first-few.ts";
import type { DeepReadonly } from "../../api/core.ts";
import { CONFIRM_ANNOTATION } from "../../api/names.ts";
import { digestOf } from "../observe/digest.ts";
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
  metadata: {
    name: string;
    namespace?: string;
    uid?: string;
    generation?: number;
    annotations?: Record<string, string>;
  };
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
  const confirmation = confirmationOf(onload, next);
  const isConfirmed = onload.metadata.annotations?.[CONFIRM_ANNOTATION] === confirmation;
  if (isConfirmed) return { selector: next, heldBack: undefined };
  if (serving.length > maxUnavailable) {
    const names = serving.map(({ name }) => name);
    return { selector: holding, heldBack: textOf(onload, names, maxUnavailable, confirmation) };
  }
  const isLookedAt = letGo.every(({ holders }) => holders !== undefined);
  return { selector: isLookedAt ? next : holding, heldBack: undefined };
}

/**
 * The value by which a person confirms this change of this resource. An annotation outlives what it was meant for, in a file
 * or a backup, and generations count from 1 again when a resource is made anew: the number alone could confirm what nobody
 * has seen.
 */
function confirmationOf({ metadata: { uid, generation } }: Selecting, next: NodeSelector): string {
  return `${generation}-${digestOf([uid, generation, next]).slice(0, 8)}`;
}

function textOf(
  { metadata: { name, namespace } }: Selecting,
  nodes: readonly string[],
  maxUnavailable: number,
  confirmation: string,
): string {
  const command = `kubectl annotate onload ${name} -n ${namespace} ${CONFIRM_ANNOTATION}=${confirmation} --overwrite`;
  return (
    `spec.selector lets go of ${nodes.length} nodes that serve pods (${firstFew(nodes, 3)}), ` +
    `and spec.upgrade.maxUnavailable allows ${maxUnavailable} at once; correct it, or confirm it: ${command}`
  );
}
