/** A plan that is made here knows what is in the caches, and not what the operator was refused: that its status tells. Pure. */
import type { DeepReadonly } from "../../api/core.ts";
import type { OnloadStatus } from "../../api/onload.ts";
import { CONDITION, REASON } from "../../api/reasons.ts";
import type { RawOnload } from "../cache/caches.ts";
import { withoutStarts, type RolloutPlan } from "../rollout/plan.ts";
import { isBehind } from "./attention.ts";
import { isUnserved, type Serving } from "./serving.ts";

/** Reasons of Degraded for which the operator takes no node out of service. */
const HOLDS: ReadonlySet<string> = new Set([REASON.ServiceAccountMissing, REASON.ApplyFailed]);

/** The plan as the operator carries it out: it begins no node as long as a pod could not take the place of one that goes. */
export function asCarriedOut(raw: DeepReadonly<RawOnload>, serving: Serving, plan: RolloutPlan): RolloutPlan {
  const conditions = (raw.status as DeepReadonly<OnloadStatus> | undefined)?.conditions ?? [];
  const isHeld = conditions.some(
    ({ type, status, reason }) => type === CONDITION.Degraded && status === "True" && HOLDS.has(reason),
  );
  const isPresent = !isUnserved(serving) && !isBehind(raw) && raw.metadata.deletionTimestamp === undefined;
  return isHeld && isPresent ? withoutStarts(plan) : plan;
}
