/**
 * Which version the nodes shall run: the one of the spec, or, after a failure under onFailure: Rollback, the last one
 * that was fully Ready. The decision is kept in status, because a node that goes back no longer looks failed.
 */
import type { Version } from "./facts.ts";

/** A rollback as status keeps it. */
export interface Rollback {
  /** The version that failed. */
  from: Version;
  /** The version that the nodes go back to. */
  to: Version;
  /** Holds only for this attempt, see attemptOf: an edit of the spec or the retry annotation ends it. */
  attempt: string;
  /** Which node failed, and why. */
  message: string;
}

/** The rollback that holds now; undefined where the spec's own version is to be rolled out. */
export function standingRollback(
  rollback: Rollback | undefined,
  specVersion: Version,
  attempt: string,
): Rollback | undefined {
  return rollback && rollback.from === specVersion && rollback.attempt === attempt ? rollback : undefined;
}

/** What decides whether to roll back. */
export interface RollbackInput {
  onFailure: "Halt" | "Rollback";
  specVersion: Version;
  attempt: string;
  /** The last version that was fully Ready. */
  lastReady: Version | undefined;
  /** The first failed node, and why. */
  failure: { node: string; message: string } | undefined;
}

/** The rollback to begin, if a node failed and there is a version to go back to. */
export function beginRollback(input: RollbackInput): Rollback | undefined {
  const { onFailure, specVersion, attempt, lastReady, failure } = input;
  if (onFailure !== "Rollback" || !failure || lastReady === undefined || lastReady === specVersion) return undefined;
  return { from: specVersion, to: lastReady, attempt, message: `Node "${failure.node}": ${failure.message}` };
}
