/**
 * What the person at the terminal did wrong: a flag, a value, a file they named. The message also says what would be
 * right. Printed as one line; exit code 2.
 */
export class UsageError extends Error {
  override name = "UsageError";
}

/**
 * The text of anything thrown, on one line.
 *
 * A cause is appended only where the message does not already quote it, because "Cannot <verb> <object>: <reason>"
 * usually carries its cause's text as the reason.
 */
export function errorText(error: unknown): string {
  if (!(error instanceof Error)) return oneLine(String(error));
  const text = error.message === "" ? error.name : systemReason(error.message);
  if (error instanceof AggregateError && error.errors.length > 0) {
    const parts = error.errors.map(errorText).filter((part) => !text.includes(part));
    return oneLine(parts.length > 0 ? `${text}: ${parts.join("; ")}` : text);
  }
  const cause = error.cause === undefined ? "" : errorText(error.cause);
  return oneLine(cause === "" || text.includes(cause) ? text : `${text}: ${cause}`);
}

/** Anything thrown, as an Error. */
export function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(errorText(thrown), { cause: thrown });
}

/** What the operating system said, where the message is of its form: `ENOENT: no such file or directory, open 'x'`. */
function systemReason(message: string): string {
  return message.replace(/\bE[A-Z0-9]+: ([a-z][^,]*), [a-z]+(?: '[^']*')?(?: -> '[^']*')?$/, "$1");
}

/** Whether `error` is the reason an AbortSignal gives when somebody asked us to stop. */
export function isAbort(error: unknown): boolean {
  return error instanceof Error && (error.name === "AbortError" || error.name === "TimeoutError");
}

function oneLine(text: string): string {
  return text.replace(/\s*[\r\n]+\s*/g, " ").trim();
}
