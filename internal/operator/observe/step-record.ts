/**
 * The last step taken on a node, kept in an annotation of that node and written by the same PATCH as the step: so the
 * time a step has taken survives the operator, and no step costs a second request.
 */
import { pluginLabel, type OnloadKey } from "../../api/names.ts";

export interface StepRecord {
  /** Name of the step. */
  step: string;
  /** When it was taken, in milliseconds since the epoch. */
  since: number;
  /** Which attempt it belongs to, see {@link attemptOf}. A newer attempt gives a failed step its time again. */
  attempt: string;
}

/** The node annotation that holds the mark. */
export function stepRecordAnnotation(key: OnloadKey): string {
  return `${pluginLabel(key)}.step`;
}

/** The attempt that an Onload resource's present spec and retry annotation stand for. */
export function attemptOf(generation: number, retry: string | undefined): string {
  return retry === undefined ? String(generation) : `${generation}:${retry}`;
}

export function formatStepRecord({ step, since, attempt }: StepRecord): string {
  return `${step} ${new Date(since).toISOString()} ${attempt}`;
}

/** The mark in an annotation's value; undefined where there is none or a person has garbled it. */
export function parseStepRecord(value: string | undefined): StepRecord | undefined {
  const match = /^(\S+) (\S+) (.+)$/.exec(value ?? "");
  const since = Date.parse(match?.[2] ?? "");
  return match && !Number.isNaN(since) ? { step: match[1]!, since, attempt: match[3]! } : undefined;
}
