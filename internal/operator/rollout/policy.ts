import type { DeepReadonly } from "../../api/core.ts";
import type { Onload } from "../../api/onload.ts";
import { parseTime } from "../../kube/times.ts";
import type { NodeFacts } from "../assess/facts.ts";
import type { Policy } from "./node-plan.ts";
import { isConfirmed } from "./confirmation.ts";
import { formerAttemptFor } from "./rollback.ts";
import { resolveMaxUnavailable } from "./slots.ts";
import { isWhole } from "./state-of.ts";

/** How a resource is to be rolled out over its nodes. */
export function policyFor(
  onload: DeepReadonly<Onload>,
  facts: readonly NodeFacts[],
  around: Pick<
    Policy,
    "attempt" | "pauseKnown" | "templateSeen" | "pluginImageKnown" | "kmmSkipsCordoned" | "clockSetAt" | "unanswered"
  >,
): Policy {
  const { maxUnavailable, paused, drain, stepTimeoutSeconds } = onload.spec.upgrade;
  // Nodes that are let go count until they have gone: a percentage is one of the nodes that there were.
  const total = facts.filter(
    (node) => node.want !== undefined || isWhole(node) || node.stepRecord !== undefined,
  ).length;
  return {
    maxUnavailable: resolveMaxUnavailable(maxUnavailable, total),
    letGoConfirmed: onload.metadata.deletionTimestamp !== undefined || isConfirmed(onload, onload.spec.selector),
    paused,
    limits: { step: stepTimeoutSeconds * 1000, drain: drain.timeoutSeconds * 1000, force: drain.force },
    formerAttempt: formerAttemptFor(onload),
    ...around,
    stalledSince: parseTime(onload.status?.stalledSince),
  };
}
