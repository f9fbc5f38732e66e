import { printable } from "./printable.ts";

/** Longest text of an error, in characters. */
const MAX_TEXT = 8192;

/**
 * A mistake of the person at the terminal: a wrong flag, value or file. The message also says what would be right. The
 * program prints it as one line and exits with code 2.
 */
export class UsageError extends Error {
  override name = "UsageError";
}

/**
 * The text of anything thrown, on one line, fit for terminals, logs, events and status.
 *
 * The text of the cause is appended only if the message does not contain it already. Messages of the form
 * "Cannot <verb> <object>: <reason>" usually do.
 */
export function errorText(error: unknown): string {
  return printable(textOf(error), MAX_TEXT);
}

function textOf(error: unknown): string {
  if (!(error instanceof Error)) return oneLine(String(error));
  const text = error.message === "" ? error.name : systemReason(error.message);
  if (error instanceof AggregateError && error.errors.length > 0) {
    const parts = error.errors.map(textOf).filter((part) => !text.includes(part));
    return oneLine(parts.length > 0 ? `${text}: ${parts.join("; ")}` : text);
  }
  const cause = error.cause === undefined ? "" : textOf(error.cause);
  return oneLine(cause === "" || text.includes(cause) ? text : `${text}: ${cause}`);
}

/** Anything thrown, as an Error. */
export function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(errorText(thrown), { cause: thrown });
}

/** The reason in a message of the operating system, such as `ENOENT: no such file or directory, open 'x'`. */
function systemReason(message: string): string {
  const reason = message.replace(/\bE[A-Z0-9]+: ([a-z][^,]*), [a-z]+(?: '[^']*')?(?: -> '[^']*')?$/, "$1");
  return reason.replace(/illegal operation on a directory$/, "it is a folder");
}

/** Whether `error` comes from an AbortSignal: the program was asked to stop, or a time limit passed. */
export function isAbort(error: unknown): boolean {
  return error instanceof Error && (error.name === "AbortError" || error.name === "TimeoutError");
}

function oneLine(text: string): string {
  return text.replace(/\s*[\r\n]+\s*/g, " ").trim();
}
