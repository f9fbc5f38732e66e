/** How the nodes of a plan stand, as the status tells it. One look at each, because there may be thousands. Pure. */
import type { NodeCounts } from "../../api/onload.ts";
import type { NodePlan } from "../rollout/node-plan.ts";
import type { RolloutPlan } from "../rollout/plan.ts";
import { isDone } from "../rollout/slots.ts";
import { isInBetween } from "../rollout/states.ts";

/** Nodes by what is to be said of them, each list in the order of the plan. One may be in several. */
export interface NodeTally {
  /** status.nodes. */
  counts: NodeCounts;
  /** The operator has begun with them, and nothing keeps them. */
  moving: NodePlan[];
  /** They are not what they should be, and nothing is done about it now, without a failure of their own. */
  waiting: NodePlan[];
  /** Those that have failed. */
  failed: NodePlan[];
  /** Those with a problem that is no failure. */
  troubled: NodePlan[];
}

/** Looks at every node of a plan once. */
export function tallyOf({ nodes }: RolloutPlan): NodeTally {
  const counts = { desired: 0, updated: 0, ready: 0, upgrading: 0, failed: 0 };
  const tally: NodeTally = { counts, moving: [], waiting: [], failed: [], troubled: [] };
  for (const node of nodes) {
    const { facts, gate, problem } = node;
    const isWanted = facts.want !== undefined;
    const isBetween = isInBetween(node);
    const done = isWanted && isDone(node);
    if (isWanted) {
      counts.desired++;
      if (hasAllLabels(node)) counts.updated++;
      if (done) counts.ready++;
    }
    if (isBetween) counts.upgrading++;
    if (isBetween && gate === undefined && !problem?.failed) tally.moving.push(node);
    const isHeldUp = isWanted && !isBetween && !done && problem !== undefined && !problem.failed;
    if (gate !== undefined || isHeldUp) tally.waiting.push(node);
    if (problem?.failed) tally.failed.push(node);
    else if (problem) tally.troubled.push(node);
  }
  counts.failed = tally.failed.length;
  return tally;
}

function hasAllLabels({ facts: { want, labels, sfcManaged } }: NodePlan): boolean {
  return labels.plugin === want && labels.onload === want && (!sfcManaged || labels.sfc === want);
}
