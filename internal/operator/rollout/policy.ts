import type { DeepReadonly } from "../../api/core.ts";
import type { Onload } from "../../api/onload.ts";
import type { NodeFacts } from "../assess/facts.ts";
import type { Policy } from "./plan.ts";
import { attemptFor } from "./rollback.ts";
import { resolveMaxUnavailable } from "./slots.ts";

/**
 * How a resource is to be rolled out over its nodes.
 *
 * @param templateSeen whether the DaemonSet controller has seen the DaemonSet's present template
 */
export function policyFor(onload: DeepReadonly<Onload>, facts: readonly NodeFacts[], templateSeen: boolean): Policy {
  const { maxUnavailable, paused, drain, stepTimeoutSeconds } = onload.spec.upgrade;
  const total = facts.filter(({ want }) => want !== undefined).length;
  return {
    maxUnavailable: resolveMaxUnavailable(maxUnavailable, total),
    paused,
    limits: { step: stepTimeoutSeconds * 1000, drain: drain.timeoutSeconds * 1000, force: drain.force },
    attempt: attemptFor(onload),
    templateSeen,
  };
}
