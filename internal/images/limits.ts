/** Input that is not taken, because it is too large or has an odd form. The message says what broke which limit. */
export class LimitError extends Error {
  override name = "LimitError";
}

/** A program that has not ended in time. The message says which, and what it was doing. */
export class TimeLimitError extends LimitError {
  override name = "TimeLimitError";
}

/** The largest source, in bytes. That of Onload has 60 MB. */
export const MAX_SOURCE = 4 * 1024 ** 3;

/** Longest run of a build, pull or push, in milliseconds. An emulated build of Onload takes about an hour. */
export const STEP_MS = 2 * 3_600_000;

/** What to do about a step that takes longer than it may. */
export const MORE_TIME = "if it is only slow, give it more time with --timeout";

/** A time in words, in the largest unit of which it is a whole number. */
export function inTime(ms: number): string {
  if (ms % 3_600_000 === 0) return `${ms / 3_600_000} h`;
  return ms % 60_000 === 0 ? `${ms / 60_000} min` : `${ms / 1000} s`;
}

/** A number of bytes in words, in the unit that fits it. */
export function megabytes(size: number): string {
  for (const [unit, bytes] of [
    ["GB", 1024 ** 3],
    ["MB", 1024 ** 2],
    ["kB", 1024],
  ] as const) {
    if (size >= bytes) return `${Math.floor(size / bytes)} ${unit}`;
  }
  return `${size} bytes`;
}

/** The variables that decide where a run keeps its work, and its lock and logs. */
export const WORK_VARIABLE = "$TMPDIR";
export const CACHE_VARIABLE = "$XDG_CACHE_HOME";
