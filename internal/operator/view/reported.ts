/** What the operator has reported of a node. It asked for evictions and knows why they were refused. Pure. */
import type { DeepReadonly } from "../../api/core.ts";
import type { NodeProblem } from "../../api/onload.ts";
import type { NodePlan } from "../rollout/node-plan.ts";

/** status.problems. */
export type Reported = readonly DeepReadonly<NodeProblem>[];

/** The operator's own words on what keeps a node now, which say more than a plan that is made here; undefined: none. */
export function toldOf({ facts, state, problem }: NodePlan, reported: Reported): DeepReadonly<NodeProblem> | undefined {
  return reported.find(
    ({ node, step, reason }) => node === facts.name && step === state && (!problem || reason === problem.reason),
  );
}
