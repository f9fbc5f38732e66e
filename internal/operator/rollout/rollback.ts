/**
 * Which version the nodes are to run: the one of the spec, or, after a failure under onFailure: Rollback, the last one
 * that was fully Ready. The decision is kept in status, because a node that goes back no longer looks failed.
 */
import { isDeepStrictEqual } from "node:util";
import type { DeepReadonly } from "../../api/core.ts";
import { RETRY_ANNOTATION } from "../../api/names.ts";
import type { Onload, OnloadStatus } from "../../api/onload.ts";
import { digestOf } from "../observe/digest.ts";
import { lastReadyOnload } from "../observe/last-ready.ts";
import { attemptOf, formerAttemptOf } from "../observe/step-record.ts";
import type { NodePlan } from "./node-plan.ts";
import type { RolloutPlan } from "./plan.ts";
import { isDone } from "./slots.ts";

/** status.rollback. */
export type Rollback = NonNullable<OnloadStatus["rollback"]>;
/** status.lastReady. */
export type LastReady = NonNullable<OnloadStatus["lastReady"]>;

/**
 * Whether a change of a field of spec.upgrade is a new attempt. What says how many nodes are upgraded at once and whether
 * any starts is none: to calm a rollout that has failed lifts no halt.
 */
const IS_ATTEMPT: Record<keyof Onload["spec"]["upgrade"], boolean> = {
  maxUnavailable: false,
  paused: false,
  drain: true,
  stepTimeoutSeconds: true,
  onFailure: false,
};

/**
 * The attempt of the present spec and retry annotation; see StepRecord. A rollback is an attempt of its own: what a node
 * has waited for on the way to the version that failed says nothing of the way back. Which nodes are selected does not
 * matter.
 */
export function attemptFor(onload: DeepReadonly<Onload>): string {
  const { metadata, spec } = onload;
  const fields = Object.entries(spec.upgrade).filter(([field]) => IS_ATTEMPT[field as keyof typeof IS_ATTEMPT]);
  const rollback = standingRollback(onload)?.since;
  const attempted = digestOf({ ...spec, selector: undefined, upgrade: Object.fromEntries(fields), rollback });
  return attemptOf(attempted, metadata.annotations?.[RETRY_ANNOTATION]);
}

/** See formerAttemptOf. */
export function formerAttemptFor({ metadata }: DeepReadonly<Onload>): string {
  return formerAttemptOf(metadata.generation ?? 0, metadata.annotations?.[RETRY_ANNOTATION]);
}

/**
 * The rollback that holds: until spec.onload or the retry annotation is edited. One that an earlier version has begun
 * gets the digest that it lacks: from then on, an edit of anything else does not end it.
 */
export function standingRollback(onload: DeepReadonly<Onload>): Rollback | undefined {
  const { metadata, spec, status } = onload;
  const rollback = status?.rollback;
  if (!rollback || lastReadyOnload(onload)?.version !== rollback.toVersion) return undefined;
  const retry = metadata.annotations?.[RETRY_ANNOTATION];
  // Earlier versions kept the annotation's own text.
  const sameRetry = rollback.retry === retry || (retry !== undefined && rollback.retry === digestOf(retry));
  const holds = sameRetry && rollback.fromVersion === spec.onload.version && sameOnload(rollback, metadata, spec);
  return holds ? { ...rollback, onloadDigest: rollback.onloadDigest ?? digestOf(spec.onload) } : undefined;
}

function sameOnload(
  { onloadDigest, observedGeneration }: DeepReadonly<Rollback>,
  { generation }: DeepReadonly<Onload>["metadata"],
  { onload }: DeepReadonly<Onload>["spec"],
): boolean {
  // Earlier versions kept the generation alone.
  return onloadDigest === undefined ? observedGeneration === generation : onloadDigest === digestOf(onload);
}

/** The resource as it is to be rolled out: with spec.onload of the last Ready version while a rollback holds. */
export function effectiveOnload(onload: DeepReadonly<Onload>): DeepReadonly<Onload> {
  const lastReady = standingRollback(onload) && lastReadyOnload(onload);
  return lastReady ? { ...onload, spec: { ...onload.spec, onload: lastReady } } : onload;
}

/** Whether a node has failed for sure. */
function isSettled(problem: NodePlan["problem"]): boolean {
  return problem?.failed === true && problem.retriedUntil === undefined;
}

/** The rollback to begin, if a node failed on the way to a new version and there is one to go back to. */
export function beginRollback(onload: DeepReadonly<Onload>, plan: RolloutPlan, now: number): Rollback | undefined {
  const { metadata, spec } = onload;
  if (spec.upgrade.onFailure !== "Rollback" || metadata.deletionTimestamp) return undefined;
  const failed = plan.nodes.find(({ facts, problem }) => isSettled(problem) && facts.want !== undefined);
  if (!failed || standingRollback(onload)) return undefined;
  const lastReady = lastReadyOnload(onload)?.version;
  if (lastReady === undefined || lastReady === spec.onload.version) return undefined;
  const retry = metadata.annotations?.[RETRY_ANNOTATION];
  return {
    fromVersion: spec.onload.version,
    toVersion: lastReady,
    observedGeneration: metadata.generation ?? 0,
    onloadDigest: digestOf(spec.onload),
    ...(retry === undefined ? {} : { retry: digestOf(retry) }),
    since: new Date(now).toISOString(),
    message: `Node "${failed.facts.name}" failed at ${failed.state}: ${failed.problem!.message}`.slice(0, 4096),
  };
}

/**
 * status.lastReady after a plan: the spec's version once every selected node runs it.
 *
 * @param held whether a change of the spec is held back, so that the nodes do not run what the spec says
 */
export function nextLastReady(
  onload: DeepReadonly<Onload>,
  plan: RolloutPlan,
  held: boolean,
  now: number,
): LastReady | undefined {
  const old = onload.status?.lastReady as LastReady | undefined;
  const isWanted = ({ facts }: NodePlan): boolean => facts.want !== undefined;
  const allDone = plan.nodes.some(isWanted) && plan.nodes.every((node) => !isWanted(node) || isDone(node));
  if (!allDone || held || standingRollback(onload)) return old;
  const { version } = onload.spec.onload;
  if (old?.version === version && isDeepStrictEqual(old.onload, onload.spec.onload)) return old;
  const spec = structuredClone(onload.spec.onload) as Record<string, unknown>;
  return { version, time: new Date(now).toISOString(), onload: spec };
}
