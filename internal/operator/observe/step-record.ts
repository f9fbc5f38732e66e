/**
 * The last step taken on a node, kept in an annotation of that node. The PATCH of the step itself writes it, so the time
 * that a step has taken outlives the operator's process, and no step costs a second request.
 */
import { pluginLabel, type OnloadKey } from "../../api/names.ts";
import { digestOf } from "./digest.ts";

export interface StepRecord {
  /** Name of the step. */
  step: string;
  /** When it was taken, in milliseconds since the epoch. */
  since: number;
  /** Which attempt it belongs to, see {@link attemptOf}. A newer attempt gives a failed step its time again. */
  attempt: string;
  /** The node was seen cordoned since, while it waited for KMM or for its pods to leave. */
  cordoned?: true;
  /** The step had failed in an attempt before, and is tried again since then without being taken anew. */
  retried?: true;
  /** The node was wanted no more when the step was taken. */
  letGo?: true;
}

/** The node annotation that holds the step record. */
export function stepRecordAnnotation(key: OnloadKey): string {
  return `${pluginLabel(key)}.step`;
}

/**
 * The attempt that a spec and a retry annotation stand for. The annotation's text may be of any length and have line
 * breaks, so only its digest is kept.
 *
 * @param spec a digest of what is attempted
 */
export function attemptOf(spec: string, retry: string | undefined): string {
  return retry === undefined ? spec : `${spec}:${digestOf(retry)}`;
}

/**
 * The attempt as earlier versions wrote it: the generation and the annotation's own text, as far as it is read now. A
 * step that such a version has begun goes on, and a failure by time stays one.
 */
export function formerAttemptOf(generation: number, retry: string | undefined): string {
  return (retry === undefined ? String(generation) : `${generation}:${retry}`).slice(0, MAX_ATTEMPT_CHARACTERS);
}

/** What names the present attempt in step records. */
export interface Attempt {
  /** See {@link attemptOf}. */
  attempt: string;
  /** See {@link formerAttemptOf}; undefined if no earlier version matters. */
  formerAttempt?: string | undefined;
}

/** Whether a step record's attempt is the present one. */
export function isPresentAttempt(recorded: string, { attempt, formerAttempt }: Attempt): boolean {
  return recorded === attempt || recorded === formerAttempt;
}

/** In the order in which they are written. */
const FLAGS = ["cordoned", "retried", "letGo"] as const;

/** The annotation's value for a step record. */
export function formatStepRecord({ step, since, attempt, ...flags }: StepRecord): string {
  const set = FLAGS.filter((flag) => flags[flag]).map((flag) => ` ${flag}`);
  return `${step} ${new Date(since).toISOString()} ${attempt}${set.join("")}`;
}

/** Longer than any attempt of ours. Earlier versions put the retry annotation's own text here. */
const MAX_ATTEMPT_CHARACTERS = 64;

/** The step record in an annotation's value; undefined if there is none or a person has garbled it. */
export function parseStepRecord(value: string | undefined): StepRecord | undefined {
  const match = /^(\S{1,64}) (\S{1,64}) (.+?)( cordoned)?( retried)?( letGo)?$/s.exec(value ?? "");
  const since = Date.parse(match?.[2] ?? "");
  if (!match || Number.isNaN(since)) return undefined;
  const attempt = match[3]!.slice(0, MAX_ATTEMPT_CHARACTERS);
  const flags = Object.fromEntries(FLAGS.filter((_, i) => match[4 + i]).map((flag) => [flag, true as const]));
  return { step: match[1]!, since, attempt, ...flags };
}
