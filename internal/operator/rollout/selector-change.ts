/**
 * What becomes of nodes that a resource would let go of, by a change of spec.selector or because they have lost its labels. A
 * typo there would let go of every node: more nodes that serve pods than may be out at once are let go only if a person
 * confirms it.
 */
import { counted } from "../../cli/counted.ts";
import { firstFew } from "../../cli/first-few.ts";
import type { DeepReadonly } from "../../api/core.ts";
import { selectorsOf, type NodeSelector } from "../observe/selectors.ts";
import { confirmCommand, isConfirmed, type Confirming } from "./confirmation.ts";
import type { NodePlan } from "./node-plan.ts";
import { isWhole } from "./state-of.ts";

/** What is known of the selectors of a resource after a plan. */
export interface SelectorChange {
  /** status.selector from now on; undefined if the resource has no selector. */
  selector: NodeSelector | undefined;
  /** status.selectorHeldBack from now on. */
  selectorHeldBack: NodeSelector | undefined;
  /** Why nodes are not let go, and what to do, as a sentence without its end. */
  heldBack: string | undefined;
}

/** A resource, as far as its selectors go. */
type Selecting = Confirming & DeepReadonly<{ spec?: unknown; status?: unknown }>;

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
  if (!selectors) return { selector: undefined, selectorHeldBack: undefined, heldBack: undefined };
  const { holding, next, isHeldBack } = selectors;
  const stays: SelectorChange = {
    selector: holding,
    selectorHeldBack: isHeldBack ? next : undefined,
    heldBack: undefined,
  };
  if (!isKnown) return stays;
  const why = (what: string, serving: readonly NodePlan[], remedy: string): string =>
    `${what} (${firstFew(serving, 3, ({ facts }) => facts.name)}), and spec.upgrade.maxUnavailable allows ` +
    `${maxUnavailable} at once; ${remedy}, or confirm it: ${confirmCommand(onload, next ?? holding)}`;
  const lost = nodes.filter(({ gate }) => gate === "NotConfirmed");
  const interrupted = lost.some(({ facts }) => !isWhole(facts));
  const lostText = `${servingText(lost.length, interrupted)} ${lost.length === 1 ? "has" : "have"} lost the labels of spec.selector`;
  const heldBack = lost.length > 0 ? why(lostText, lost, "label them again") : undefined;
  if (!next) return { ...stays, heldBack };
  const holds: SelectorChange = { selector: next, selectorHeldBack: undefined, heldBack: undefined };
  if (isConfirmed(onload, next)) return holds;
  const letGo = nodes.filter(({ facts }) => facts.letGo && isWhole(facts));
  const serving = letGo.filter(({ facts: { holders } }) => holders && holders.length > 0);
  const affected = countedNodes(nodes, letGo, serving, isHeldBack);
  if (affected.length > maxUnavailable) {
    const what = `spec.selector lets go of ${servingText(affected.length, affected.length > serving.length)}`;
    return { selector: holding, selectorHeldBack: next, heldBack: why(what, affected, "correct it") };
  }
  const isLookedAt = letGo.every(({ facts: { holders } }) => holders !== undefined);
  return isLookedAt ? { ...holds, heldBack } : { ...stays, heldBack };
}

/** @param others whether some are only to serve again */
function servingText(count: number, others: boolean): string {
  const again = (verb: string): string => (others ? ` or ${verb} to serve them again` : "");
  return counted(count, `node that serves pods${again("is")}`, `nodes that serve pods${again("are")}`);
}

/**
 * Nodes that count against maxUnavailable: those that serve, and those that are out for the moment.
 *
 * Once a change is held back, every node counts that it lets go. Otherwise it would come to hold by itself: an upgrade evicts
 * the pods of one node after the other, and they may not be back for long.
 */
function countedNodes(
  nodes: readonly NodePlan[],
  letGo: readonly NodePlan[],
  serving: readonly NodePlan[],
  isHeldBack: boolean,
): NodePlan[] {
  const whole = isHeldBack ? letGo : serving;
  return isHeldBack || serving.length > 0 ? [...whole, ...nodes.filter(isBetween)] : [];
}

/** Whether a node that is let go was begun with and does not serve, whatever it waits for. */
function isBetween({ facts }: NodePlan): boolean {
  return facts.letGo && facts.want !== undefined && !isWhole(facts) && facts.stepRecord !== undefined;
}
