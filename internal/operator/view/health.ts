/** The exit codes of `onloadctl status` for scripts. Pure. */
import type { DeepReadonly } from "../../api/core.ts";
import type { OnloadStatus } from "../../api/onload.ts";
import { CONDITION, REASON } from "../../api/reasons.ts";
import { isBehind } from "./attention.ts";
import { isUnserved } from "./serving.ts";
import type { ObservedResource } from "./session.ts";

/**
 * How a resource is. ready: every node runs what the spec asks for. waiting: it is on its way, or waits for something.
 * degraded: it needs a person. unserved: no operator acts.
 */
export type Health = "ready" | "waiting" | "degraded" | "unserved";

/** What `status --exit-code` ends with. 1 and 2 are those of every command: failed, and wrong usage. */
export const EXIT_CODES: Record<Health, number> = { ready: 0, waiting: 3, degraded: 4, unserved: 5 };

/** What `status --wait` ends with before its time is over: see {@link needsPerson}. */
export const EXIT_STALLED = 6;

/**
 * Whether nothing moves and nothing will before a person does something: what its status says of it, and a rollout that
 * is paused.
 */
export function needsPerson({ raw, serving }: Pick<ObservedResource, "raw" | "serving">): boolean {
  if (isUnserved(serving) || isBehind(raw) || raw.metadata.deletionTimestamp !== undefined) return false;
  const { conditions = [] } = (raw.status ?? {}) as DeepReadonly<OnloadStatus>;
  return conditions.some(
    ({ type, status, reason }) =>
      (type === CONDITION.Stalled && status === "True") ||
      (type === CONDITION.Progressing && status === "False" && reason === REASON.Paused),
  );
}

/** How a resource is. */
export function healthOf({ raw, problem, serving }: ObservedResource): Health {
  if (isUnserved(serving)) return "unserved";
  const { conditions = [] } = (raw.status ?? {}) as DeepReadonly<OnloadStatus>;
  const isTrue = (type: string): boolean => conditions.some((each) => each.type === type && each.status === "True");
  // What is said of an earlier generation says nothing of this one.
  if (isBehind(raw)) return "waiting";
  if (isTrue(CONDITION.Degraded) || problem !== undefined) return "degraded";
  return isTrue(CONDITION.Ready) && raw.metadata.deletionTimestamp === undefined ? "ready" : "waiting";
}

/** The worst of several; that of none is ready. */
export function worstOf(all: readonly Health[]): Health {
  const order: readonly Health[] = ["unserved", "degraded", "waiting", "ready"];
  return order.find((health) => all.includes(health)) ?? "ready";
}
