/**
 * The failure of a node, kept in an annotation of that node beside the step record. What KMM and the kubelet report comes
 * and goes while they try again, and the operator may be started anew: the record is how a failure lasts.
 */
import { parseJson } from "../../cli/json.ts";
import { printable } from "../../cli/printable.ts";
import { pluginLabel, type OnloadKey } from "../../api/names.ts";
import { NODE_REASON, type NodeReason } from "../../api/reasons.ts";

export interface FailureRecord {
  /** Name of the state that the node failed at. */
  state: string;
  /** The version that the node was to run; "" if none. */
  version: string;
  /** See attemptOf. */
  attempt: string;
  reason: NodeReason;
  message: string;
  /** When the node failed, in milliseconds since the epoch. */
  since: number;
}

/** The node annotation that holds the failure record. */
export function failureRecordAnnotation(key: OnloadKey): string {
  return `${pluginLabel(key)}.failure`;
}

/** More than what is quoted of a pod, with the remedy that stands behind it. */
const MAX_MESSAGE_CHARACTERS = 2000;
/** Of the other texts. */
const MAX_CHARACTERS = 128;
/** Longer than any record of ours, however its signs are escaped. */
const MAX_RECORD_CHARACTERS = 16_384;

/** The annotation's value for a failure record, of bounded length. */
export function formatFailureRecord(record: FailureRecord): string {
  const { state, version, attempt, reason, message, since } = record;
  const bounded = {
    state,
    version,
    attempt,
    reason,
    message: messageOf(message),
    since: new Date(since).toISOString(),
  };
  return JSON.stringify(bounded);
}

/** The failure record in an annotation's value; undefined if there is none or a person has garbled it. */
export function parseFailureRecord(value: string | undefined): FailureRecord | undefined {
  if (value === undefined || value.length > MAX_RECORD_CHARACTERS) return undefined;
  let parsed: unknown;
  try {
    parsed = parseJson(value);
  } catch {
    return undefined;
  }
  if (typeof parsed !== "object" || parsed === null) return undefined;
  const { state, version, attempt, reason, message, since } = parsed as Record<string, unknown>;
  const time = typeof since === "string" ? Date.parse(since) : NaN;
  if (!isShort(state) || !isShort(version) || !isShort(attempt) || typeof message !== "string") return undefined;
  if (!isReason(reason) || Number.isNaN(time)) return undefined;
  return { state, version, attempt, reason, message: messageOf(message), since: time };
}

function isShort(value: unknown): value is string {
  return typeof value === "string" && value.length <= MAX_CHARACTERS;
}

function isReason(value: unknown): value is NodeReason {
  return typeof value === "string" && Object.hasOwn(NODE_REASON, value);
}

/** One line of bounded length, without signs that a terminal obeys. */
function messageOf(text: string): string {
  return printable(text, MAX_MESSAGE_CHARACTERS);
}
