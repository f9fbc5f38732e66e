/** Since when a node waits for what its state awaits, and until when it may. Pure. */
import type { NodeFacts } from "../assess/facts.ts";
import { missingPod } from "./awaited-pod.ts";
import { awaitedIn, rowOf, type Awaited, type NodeState } from "./states.ts";
import type { StepName } from "./steps.ts";

/** How long a step may take. */
export interface Limits {
  /** Milliseconds for every step but eviction. */
  step: number;
  /** Milliseconds for evicting the pods of a node. */
  drain: number;
  /** Whether pods that are still there then are deleted; they have a step's time more to go. */
  force: boolean;
}

/** A node, its state, and what is done there now. */
export interface NodeAtStep {
  facts: NodeFacts;
  state: NodeState;
  step: StepName;
}

/** Since when the node waits for what its state awaits, in milliseconds since the epoch. */
export function waitingSince(node: NodeFacts, state: NodeState): number | undefined {
  const { stepRecord, readySince } = node;
  const awaited = awaitedIn(state);
  if (!awaited) return stepRecord?.since;
  if (awaited.limit === "drain") {
    // A cordon takes no time; once it is over, the record is written anew.
    return stepRecord?.step === "Evict" && !stepRecord.cordoned ? stepRecord.since : undefined;
  }
  // A node that was done and is not any more (a reboot, a crash) waits since that happened, not since our last step.
  const times = [stepRecord?.since, readySince, awaited.since?.(node)].filter((time) => time !== undefined);
  return times.length > 0 ? Math.max(...times) : undefined;
}

/** Since when a pod is awaited that is not there, in milliseconds since the epoch; undefined if none is. */
export function podAwaitedSince(nodes: readonly (NodeAtStep & { gate?: unknown })[]): number | undefined {
  const times = nodes.flatMap(({ facts, state, gate }) =>
    gate !== undefined || missingPod(facts, state) === undefined ? [] : (waitingSince(facts, state) ?? []),
  );
  return times.length > 0 ? times.reduce((a, b) => Math.min(a, b)) : undefined;
}

/** When what the node waits for must have happened, in milliseconds since the epoch; undefined if nothing is timed. */
export function deadlineOf({ facts, state, step }: NodeAtStep, limits: Limits): number | undefined {
  if (rowOf(state).serves && !facts.ready) return backBy(facts, limits);
  if (rowOf(state).lacks) return lackingUntil(facts, state, limits);
  const awaited = awaitedIn(state);
  if (!awaited || !isWaiting(step)) return undefined;
  const since = waitingSince(facts, state);
  return since === undefined ? undefined : since + limitOf(awaited, limits, facts);
}

/** Whether something is awaited while a step is taken. */
export function isWaiting(step: StepName): boolean {
  return step === "Wait" || step === "Evict";
}

/** When pods that are still there are to be deleted, in milliseconds since the epoch; undefined if they are not. */
export function forceAt(node: NodeFacts, state: NodeState, limits: Limits): number | undefined {
  if (awaitedIn(state)?.limit !== "drain" || !limits.force) return undefined;
  const since = waitingSince(node, state);
  return since === undefined ? undefined : since + limits.drain;
}

/** KMM and the kubelet try again what has failed after five minutes at the latest. */
const RETRY_MS = 330_000;

/**
 * Until when a failure may be from before a retry, in milliseconds since the epoch; undefined if it is not. A
 * failure of a pod that was made since the retry is a new one. If nothing is reported, the step has its time.
 *
 * @param isReported whether a failure is reported now, and is not only on record
 */
export function retriedUntil(
  { facts, state }: NodeAtStep,
  isReported: boolean,
  limits: Limits,
  now: number,
): number | undefined {
  const { stepRecord } = facts;
  if (!stepRecord?.retried) return undefined;
  const since = awaitedIn(state)?.since?.(facts);
  if (isReported && since !== undefined && since > stepRecord.since) return undefined;
  const until = stepRecord.since + (isReported ? RETRY_MS : limits.step);
  return now < until ? until : undefined;
}

/** How long a node may wait for something, in milliseconds. */
export function limitOf({ limit }: Awaited, limits: Limits, { holders }: NodeFacts): number {
  if (limit === "step") return limits.step;
  // Where force reaches nobody, there is nothing more to wait for.
  const isForced = limits.force && (holders === undefined || holders.some(({ forceable }) => forceable));
  return isForced ? limits.drain + limits.step : limits.drain;
}

/** Until when a node that is not Ready may come back by itself, in milliseconds since the epoch. */
export function backBy({ readySince }: NodeFacts, limits: Limits): number {
  return readySince === undefined ? -Infinity : readySince + limits.step;
}

/**
 * Until when the module that a node lacks may be loaded again by what is there of it, in milliseconds since the epoch;
 * undefined if nothing is. After a restart of the kubelet the pod of one module is Ready before that of the other.
 */
export function lackingUntil(facts: NodeFacts, state: NodeState, limits: Limits): number | undefined {
  const { lacks } = rowOf(state);
  if (!lacks) return undefined;
  const { present, failure, since } = facts[lacks.module];
  return present && failure === undefined && since !== undefined ? since + limits[lacks.limit] : undefined;
}
