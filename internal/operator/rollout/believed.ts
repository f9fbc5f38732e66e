/**
 * Times that were written by a wall clock, as far as they can be believed: records of ours, and what KMM, the kubelet and
 * the API server wrote. People and NTP set such clocks. A step whose time cannot be believed begins again: it does not time
 * out at once, and it lasts longer by no more than the clocks are apart.
 */
import type { NodeFacts } from "../assess/facts.ts";

/** Clocks of two machines differ by no more than this, unless somebody has set one. */
export const CLOCK_TOLERANCE_MS = 5000;

/** The present, and what is known of the clock that shows it. */
export interface Present {
  /** Milliseconds since the epoch. */
  now: number;
  /** What the clock read when it was set; undefined if nobody has seen that. */
  clockSetAt: number | undefined;
}

/**
 * When something began that has begun at `time` by some wall clock. What began before the clock was set counts from then.
 * What lies in the future counts from now: nobody can tell how long it really lasts, and to wait is no harm.
 */
export function believed(time: number, { now, clockSetAt }: Present): number {
  if (time > now + CLOCK_TOLERANCE_MS) return now;
  return Math.max(time, clockSetAt ?? -Infinity);
}

/** The facts with believed times; the same object if all of them can be believed. */
export function withBelievedTimes(facts: NodeFacts, present: Present): NodeFacts {
  const { stepRecord, readySince, onload, sfc, plugin } = facts;
  const isFine = (time: number | undefined): boolean => time === undefined || believed(time, present) === time;
  if ([stepRecord?.since, readySince, onload.since, sfc.since, plugin.since].every(isFine)) return facts;
  const of = (time: number | undefined): number | undefined =>
    time === undefined ? undefined : believed(time, present);
  return {
    ...facts,
    stepRecord: stepRecord && { ...stepRecord, since: believed(stepRecord.since, present) },
    readySince: of(readySince),
    onload: { ...onload, since: of(onload.since) },
    sfc: { ...sfc, since: of(sfc.since) },
    plugin: { ...plugin, since: of(plugin.since) },
  };
}
