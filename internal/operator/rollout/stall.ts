/** Whether a rollout cannot move, and what to say of the nodes that wait in it. */
import type { NodeFacts } from "../assess/facts.ts";
import { NODE_REASON } from "../../api/reasons.ts";
import { withRemedy, type Problem } from "./failure.ts";
import { gateRowOf, gateText, type Gate } from "./gates.ts";
import { isInBetween, type NodeState } from "./states.ts";
import type { StepName } from "./steps.ts";

/** A node, as far as its plan has come. */
export interface WaitingNode {
  facts: NodeFacts;
  state: NodeState;
  step: StepName;
  problem: Problem | undefined;
  gate: Gate | undefined;
}

/**
 * Nodes that wait although nothing moves, and no wish of a person explains it. The time goes on while a problem of such a
 * node comes and goes, as when KMM tries to pull an image again.
 *
 * @param onPurpose whether a person's own wish keeps all slots: those who hold them are cordoned
 */
export function stalledNodes<N extends WaitingNode>(nodes: readonly N[], onPurpose: boolean): N[] {
  const moves = nodes.some(
    (node) => node.step === "Inspect" || (node.gate === undefined && !node.problem?.failed && isInBetween(node)),
  );
  if (moves) return [];
  return nodes.filter(
    ({ gate, problem }) =>
      isPassingTaint(problem) ||
      (gate !== undefined && gateRowOf(gate).reason !== undefined && !(gate === "NoFreeSlot" && onPurpose)),
  );
}

/** Kubernetes takes its own taints away again. If it does not, nobody else says that the node waits. */
function isPassingTaint(problem: Problem | undefined): problem is Problem {
  return problem?.reason === NODE_REASON.Tainted && problem.passing === true;
}

/**
 * The problem of a node that has waited for as long as a step may take; undefined if its own says enough.
 *
 * @param slots see slotText
 * @param since since when nothing moves, in milliseconds since the epoch
 */
export function stallProblem(
  { gate, facts, problem }: WaitingNode,
  slots: string,
  since: number,
  limitMs: number,
): Problem | undefined {
  if (isPassingTaint(problem)) return { reason: problem.reason, message: problem.message, since, failed: false };
  if (problem) return undefined;
  const reason = gateRowOf(gate!).reason!;
  const message = `${gateText(gate!, facts, slots)} for ${Math.round(limitMs / 1000)} s`;
  return { ...withRemedy({ reason, message }), since, failed: false };
}
