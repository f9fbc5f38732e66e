/** Writes status: only if it has changed, and counts and messages at most once a second. */
import { isDeepStrictEqual } from "node:util";
import { printable } from "../../cli/printable.ts";
import type { Condition, DeepReadonly } from "../../api/core.ts";
import type { OnloadStatus } from "../../api/onload.ts";
import { CONDITION, REASON } from "../../api/reasons.ts";
import type { ClusterClient } from "../cache/cluster-client.ts";
import { isConflict, isNotFound } from "../../kube/errors.ts";
import { ONLOADS } from "../../api/resources.ts";
import { objectKey } from "../../kube/object.ts";
import { refOf } from "../../kube/resource.ts";
import { parseTime } from "../../kube/times.ts";
import type { ReconcilerCaches, RawOnload } from "../cache/caches.ts";
import type { ResourceProblem } from "../observe/preflight.ts";
import { drafterOf, stalledOf, withTimes } from "./conditions.ts";
import { headlineOf } from "./headline.ts";

/** Counts and messages are written at most this often; conditions that change are written at once. */
const INTERVAL_MS = 1000;
/** Longest messages that the CRD takes, in characters. */
const MAX_CONDITION = 32_768;
const MAX_PROBLEM = 4096;

/** What is remembered of the status that was written last. */
export interface WrittenStatus {
  /** When, in milliseconds of a clock that does not go back. */
  statusWrittenAt: number | undefined;
  /** What its conditions said, without their messages. */
  conditionsWritten?: readonly string[] | undefined;
  /** Why the last one that was sent was not taken, although nothing is wrong: the resource is another by now. */
  statusOvertaken?: Error | undefined;
}

/** What writing a status needs. */
export interface StatusWriter {
  client: Pick<ClusterClient, "apply">;
  caches: Pick<ReconcilerCaches, "onloads">;
  /** Milliseconds of a clock that does not go back. */
  monotonic: () => number;
}

/**
 * Writes the status if it differs from the cached one.
 *
 * @param memory of the resource
 * @returns milliseconds after which to try again, if the change can wait
 */
export async function writeStatus(
  { client, caches, monotonic }: StatusWriter,
  memory: WrittenStatus,
  onload: DeepReadonly<RawOnload>,
  wanted: OnloadStatus,
  signal: AbortSignal,
): Promise<number | undefined> {
  const status = withSafeMessages(wanted);
  const old = onload.status as DeepReadonly<OnloadStatus> | undefined;
  if (isDeepStrictEqual(old, JSON.parse(JSON.stringify(status)))) {
    memory.statusOvertaken = undefined;
    return undefined;
  }
  const waitMs = (memory.statusWrittenAt ?? -Infinity) + INTERVAL_MS - monotonic();
  // Two writers that do not agree, such as operators of two versions, would answer each other without an end.
  if (waitMs > 0 && (isContested(memory, onload) || !isUrgent(old, status))) return waitMs;
  // A resource that was deleted and made again since must not get it, nor one whose spec has changed since: what holds of
  // a selector is decided on the spec that there is. The API server ignores a uid beside a status, but not a version. The
  // pass itself may have changed the resource: its cache knows that version.
  const current = caches.onloads.store.get(objectKey(onload))?.metadata;
  if (current?.uid !== onload.metadata.uid || current?.generation !== onload.metadata.generation) return INTERVAL_MS;
  const body = { metadata: { ...refOf(onload), resourceVersion: current?.resourceVersion }, status };
  try {
    const answer = await client.apply<RawOnload>(ONLOADS, body as DeepReadonly<RawOnload>, {
      subresource: "status",
      signal,
    });
    memory.statusWrittenAt = monotonic();
    memory.conditionsWritten = summaryOf(status.conditions);
    memory.statusOvertaken = undefined;
    caches.onloads.observe(answer);
    return undefined;
  } catch (error) {
    if (!isNotFound(error) && !isConflict(error)) throw error;
    // It is gone, was changed, or is another one by now, and the cache does not know yet.
    memory.statusOvertaken = error;
    return INTERVAL_MS;
  }
}

/** Whether somebody else has written conditions since we did. */
export function isContested({ conditionsWritten }: WrittenStatus, { status }: DeepReadonly<RawOnload>): boolean {
  const { conditions } = (status ?? {}) as DeepReadonly<OnloadStatus>;
  return conditionsWritten !== undefined && !isDeepStrictEqual(conditionsWritten, summaryOf(conditions));
}

/** Messages quote logs, nodes and servers, and people read them on terminals. */
function withSafeMessages(status: OnloadStatus): OnloadStatus {
  const safe =
    (max: number) =>
    <T extends { message?: string | undefined }>(each: T): T =>
      each.message === undefined ? each : { ...each, message: printable(each.message, max) };
  return {
    ...status,
    ...(status.conditions ? { conditions: status.conditions.map(safe(MAX_CONDITION)) } : {}),
    ...(status.headline ? { headline: safe(MAX_CONDITION)(status.headline) } : {}),
    ...(status.problems ? { problems: status.problems.map(safe(MAX_PROBLEM)) } : {}),
    ...(status.rollback ? { rollback: safe(MAX_PROBLEM)(status.rollback) } : {}),
  };
}

/** What decides or what people wait for: conditions, the selector, the rollback, and the version to go back to. */
function isUrgent(old: DeepReadonly<OnloadStatus> | undefined, status: OnloadStatus): boolean {
  if (!old) return true;
  return (
    old.observedGeneration !== status.observedGeneration ||
    !isDeepStrictEqual(summaryOf(old.conditions), summaryOf(status.conditions)) ||
    !isDeepStrictEqual(old.selector, status.selector) ||
    !isDeepStrictEqual(old.selectorHeldBack, status.selectorHeldBack) ||
    !isDeepStrictEqual(old.rollback, status.rollback) ||
    !isDeepStrictEqual(old.lastReady, status.lastReady)
  );
}

function summaryOf(conditions: DeepReadonly<OnloadStatus>["conditions"]): string[] {
  return (conditions ?? []).map(({ type, status, reason }) => `${type} ${status} ${reason}`);
}

/**
 * The status of a resource for which nothing can be done, such as one whose spec cannot be read. What was reported of
 * its nodes before stays, because nothing is touched.
 *
 * @param now milliseconds since the epoch
 */
export function untouchedStatus(
  { metadata, status }: DeepReadonly<RawOnload>,
  { reason, message }: ResourceProblem,
  now: number,
): OnloadStatus {
  const old = (status ?? {}) as OnloadStatus;
  const end = reason === REASON.InvalidSpec ? "the spec is corrected" : "that is resolved";
  const generation = metadata.generation ?? 0;
  const drafts = [
    drafterOf(CONDITION.Ready)("False", reason, message),
    drafterOf(CONDITION.Progressing)("False", reason, `No node is touched until ${end}`),
    drafterOf(CONDITION.Degraded)("True", reason, message),
  ];
  const all = [...drafts, ...stalledOf(drafts, undefined)];
  const conditions = withTimes(all, old.conditions as Condition[] | undefined, generation, now);
  return { ...structuredClone(old), observedGeneration: generation, conditions, headline: headlineOf(conditions) };
}

/** Since when the resource has not been Ready, in milliseconds since the epoch; undefined while it is. */
export function notReadySince(status: DeepReadonly<OnloadStatus> | undefined): number | undefined {
  const ready = status?.conditions?.find(({ type }) => type === CONDITION.Ready);
  return ready?.status === "False" ? parseTime(ready.lastTransitionTime) : undefined;
}

/** Whether a condition of a status is True. */
export function isTrue({ conditions }: OnloadStatus, condition: string): boolean {
  return conditions?.some(({ type, status }) => type === condition && status === "True") ?? false;
}
