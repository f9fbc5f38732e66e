/** When a resource is looked at again if nothing happens. Pure. */
import { REASON, type Reason } from "../api/reasons.ts";
import type { Result } from "../controller/controller.ts";
import { EVICTION_RETRY_MS } from "./act/evict.ts";
import type { Again } from "./act/nodes.ts";
import { READ_AGAIN_MS, type Collected } from "./observe/failure-logs.ts";
import type { RolloutPlan } from "./rollout/plan.ts";

/** A plan that was overtaken by a change is made again after this time, when the caches have caught up. */
const OVERTAKEN_MS = 20;
/** Problems whose end no event tells are looked at again after this time. */
const PROBLEM_MS = 10_000;
/** What failed is tried again no sooner than this, if something else is due anyway. */
const FAILED_MS = 1000;
/** After a plan that took 1 ms, the events of the next 10 ms are handled by one further plan. */
const REST_FACTOR = 10;
const MAX_REST_MS = 100;

/** Problems whose end no event tells. */
const SILENT: ReadonlySet<Reason> = new Set<Reason>([REASON.ServiceAccountMissing, REASON.ServiceAccountUnknown]);

/** How a pass went. */
export interface PassOutcome {
  plan: RolloutPlan;
  again: Again;
  logs: Collected;
  /** Milliseconds after which the status may be written again, if it waits. */
  statusWaitMs: number | undefined;
  problems: readonly { reason: Reason }[];
  /** Something failed. */
  failed: boolean;
}

/**
 * When to look again.
 *
 * @param now milliseconds since the epoch
 * @returns undefined: with the next event, or after a growing delay if something failed
 */
export function nextPass(outcome: PassOutcome, now: number): number | undefined {
  const { plan, again, logs, statusWaitMs, problems, failed } = outcome;
  const times: number[] = [];
  if (again === "now") times.push(0);
  if (again === "soon" || logs.changed) times.push(OVERTAKEN_MS);
  if (logs.failed) times.push(READ_AGAIN_MS);
  if (statusWaitMs !== undefined) times.push(statusWaitMs);
  if (problems.some(({ reason }) => SILENT.has(reason))) times.push(PROBLEM_MS);
  if (plan.nodes.some(({ state }) => state === "Draining")) times.push(EVICTION_RETRY_MS);
  if (plan.wakeAt !== undefined) times.push(Math.max(1, plan.wakeAt - now + 1));
  if (times.length === 0) return undefined;
  const due = Math.min(...times);
  // Backing off for one node must not keep others from what is due.
  return failed ? Math.min(Math.max(due, FAILED_MS), PROBLEM_MS) : due;
}

/** How long a resource rests after a plan that took `planMs`, in milliseconds: its events meanwhile share the next one. */
export function restAfter(planMs: number): NonNullable<Result["restMs"]> {
  return Math.min(Math.max(planMs, 0) * REST_FACTOR, MAX_REST_MS);
}

/** What has lasted so long is no passing trouble any more: people are told, and it is tried again ever more seldom. */
const PERSISTENT_MS = 10_000;

/** Whether something lasts from pass to pass. */
export class Persistence {
  #since: number | undefined;

  /** @param now milliseconds of a clock that does not go back */
  persists(holds: boolean, now: number): boolean {
    this.#since = holds ? (this.#since ?? now) : undefined;
    return this.#since !== undefined && now - this.#since >= PERSISTENT_MS;
  }
}
