/**
 * How a failure lasts: until what failed succeeds, another version is wanted, what is attempted changes, or a retry is
 * asked for. Between two tries KMM and the kubelet report nothing (the kubelet shows ErrImagePull for some 13 s after
 * each ImagePullBackOff), and such a moment must neither lift the halt nor count the failure again.
 */
import { NODE_REASON } from "../../api/reasons.ts";
import type { NodeFacts } from "../assess/facts.ts";
import type { FailureRecord } from "../observe/failure-record.ts";
import type { NodeAtStep } from "./deadlines.ts";
import type { Problem } from "./failure.ts";
import { PHASES, rowOf, STATES, type NodeState } from "./states.ts";

/** What is wrong on a node in the end, and the new failure record: null removes it, undefined leaves it as it is. */
export interface Lasting {
  problem: Problem | undefined;
  record: FailureDraft | null | undefined;
}

/** A failure record that gets the present time if nothing says since when. */
export type FailureDraft = Omit<FailureRecord, "since"> & { since: number | undefined };

/**
 * Puts together what is wrong now and the failure that is on record.
 *
 * @param problem what is wrong now
 * @param now milliseconds since the epoch
 */
export function lastFailure(node: NodeAtStep, problem: Problem | undefined, attempt: string, now: number): Lasting {
  const { facts, state } = node;
  const steadyAt = steadyFrom(node, now);
  const record = lastingRecord(node, attempt, steadyAt !== undefined);
  if (!record) {
    if (problem?.failed) return { problem, record: recordOf(facts, state, problem, attempt) };
    return { problem, record: facts.failureRecord ? null : undefined };
  }
  const { reason, message, since } = record;
  if (!problem?.failed) {
    const lasts = { reason, message, since, failed: true };
    return { problem: steadyAt === undefined ? lasts : { ...lasts, retriedUntil: steadyAt }, record: undefined };
  }
  if (problem.reason === reason) return { problem: { ...problem, since }, record: undefined };
  // That time has run out says less than what was reported before; another report says more.
  if (problem.byTime) return { problem: { ...problem, reason, message, since }, record: undefined };
  return { problem, record: recordOf(facts, state, problem, attempt) };
}

function recordOf(
  { want = "" }: NodeFacts,
  state: NodeState,
  { reason, message, since }: Problem,
  attempt: string,
): FailureDraft {
  return { state, version: want, attempt, reason, message, since };
}

/** A plugin that has ended again and again counts as mended once it has been Ready for so long. */
const STEADY_MS = 60_000;

/**
 * When a plugin that has failed counts as mended, in milliseconds since the epoch; undefined if it does, or has not failed.
 * One that runs for some seconds between two crashes would lift the halt each time, and the next node would be taken down.
 */
function steadyFrom({ facts, state }: NodeAtStep, now: number): number | undefined {
  const { since } = facts.plugin;
  if (facts.failureRecord?.reason !== NODE_REASON.PluginNotReady || !rowOf(state).complete) return undefined;
  return since !== undefined && now < since + STEADY_MS ? since + STEADY_MS : undefined;
}

/**
 * The failure that is on record, if it still holds.
 *
 * @param isUnsteady whether what failed runs, and not for long enough
 */
function lastingRecord(
  { facts, state, step }: NodeAtStep,
  attempt: string,
  isUnsteady: boolean,
): FailureRecord | undefined {
  const record = facts.failureRecord;
  if (!record || record.attempt !== attempt || record.version !== (facts.want ?? "")) return undefined;
  if (record.reason === NODE_REASON.NodeNotReady && facts.ready) return undefined;
  // Its step was put off, and is not any more.
  const isTaken = record.state === state && rowOf(state).needsTemplate === true && step !== "Wait";
  return isTaken || (isPast(record.state, state) && !isUnsteady) ? undefined : record;
}

/** Whether a node in state `to` has come further than `from`, or is no longer in between. */
function isPast(from: string, to: NodeState): boolean {
  const { phase, inBetween } = rowOf(to);
  if (!inBetween || phase === undefined || !Object.hasOwn(STATES, from)) return true;
  const failedIn = rowOf(from as NodeState).phase;
  return failedIn === undefined || PHASES.indexOf(phase) > PHASES.indexOf(failedIn);
}
