/** Stage 5 of a pass: when the resource is reconciled again if nothing happens. */
import type { Logger } from "../../cli/log.ts";
import { REASON, type Reason } from "../../api/reasons.ts";
import type { Result } from "../../controller/controller.ts";
import { EVICTION_RETRY_MS } from "../act/evict.ts";
import type { Again } from "../act/nodes.ts";
import { READ_AGAIN_MS, type Collected } from "../observe/failure-logs.ts";
import type { Looked } from "../observe/refused-pods.ts";
import type { RolloutPlan } from "../rollout/plan.ts";
import type { PassResults } from "./act.ts";
import type { Decision } from "./decide.ts";
import type { PassDeps } from "./deps.ts";
import type { Reported } from "./report.ts";

/** A plan that was overtaken by a change is made again after this time, when the caches have caught up. */
const OVERTAKEN_MS = 20;
/** Problems whose end no event tells are looked at again after this time. */
const PROBLEM_MS = 10_000;
/** What failed is tried again no sooner than this, if something else is due anyway. */
const FAILED_MS = 1000;
/** Once the status says since when nothing moves, the plan says when to look again. */
const NOTED_MS = 1000;
/**
 * After a plan that took 1 ms, the events of the next 4 ms are handled by one further plan. Each step causes an event, and
 * the next step has to wait for the plan of that event. With a pause of ten times the plan, an upgrade of 100 nodes took a
 * quarter longer.
 */
const REST_FACTOR = 4;
const MAX_REST_MS = 100;

/** Problems whose end no event tells. */
const SILENT: ReadonlySet<Reason> = new Set<Reason>([
  REASON.ServiceAccountMissing,
  REASON.ServiceAccountUnknown,
  REASON.CacheOutdated,
]);

/** How a pass went. */
export interface PassOutcome {
  plan: RolloutPlan;
  again: Again;
  /** Milliseconds until a PATCH may be sent again, if one waits for that. */
  heldMs: number | undefined;
  logs: Collected;
  refused: Looked;
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
  const { plan, again, heldMs, logs, refused, statusWaitMs, problems, failed } = outcome;
  const times: number[] = [];
  if (again === "now") times.push(0);
  if (again === "soon" || logs.changed || refused.changed) times.push(OVERTAKEN_MS);
  if (heldMs !== undefined) times.push(heldMs);
  if (refused.againMs !== undefined) times.push(refused.againMs);
  if (logs.failed) times.push(READ_AGAIN_MS);
  if (logs.againMs !== undefined) times.push(logs.againMs);
  if (statusWaitMs !== undefined) times.push(statusWaitMs);
  if (problems.some(({ reason }) => SILENT.has(reason))) times.push(PROBLEM_MS);
  if (plan.nodes.some(({ step }) => step === "Evict")) times.push(EVICTION_RETRY_MS);
  if (plan.stalled === "unnoted") times.push(NOTED_MS);
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

/**
 * When to look again.
 *
 * @throws Error if something failed and nothing else is due, so that the caller backs off
 */
export function next(
  { now }: Pick<PassDeps, "now">,
  { planMs }: Decision,
  results: PassResults,
  { problems, statusWaitMs, error }: Reported,
  log: Logger,
): Result {
  const { plan, again, heldMs, overtaken, logs, refused, errors, unapplied } = results;
  // What is refused again and again is no matter of a cache that is a moment behind.
  const stuck = problems.some(({ reason }) => reason === REASON.StepFailed) ? overtaken : [];
  const failures = [...errors, ...unapplied, ...stuck, ...(error ? [error] : [])];
  const failed = failures.length > 0;
  const soon = overtaken.length > stuck.length ? "soon" : again;
  const due = nextPass({ plan, again: soon, heldMs, logs, refused, statusWaitMs, problems, failed }, now());
  const restMs = restAfter(planMs);
  if (!failed) return due === undefined ? { restMs } : { requeueAfterMs: due, restMs };
  const all =
    failures.length === 1 ? failures[0]! : new AggregateError(failures, `Cannot take ${failures.length} steps`);
  if (due === undefined) throw all;
  log.error("Some steps failed", { error: all });
  return { requeueAfterMs: due, restMs };
}
