/**
 * Errors that tell of this process, its machine or its disk at this moment, and nothing of the file that was asked for:
 * no free descriptor, no free memory, an i/o error, a call that was interrupted.
 */
const OWN_TROUBLE: ReadonlySet<string | undefined> = new Set([
  "EMFILE",
  "ENFILE",
  "ENOMEM",
  "ENOBUFS",
  "EIO",
  "EINTR",
  "EAGAIN",
]);

/** Whether an error, or what caused it, leaves open what is there. */
export function isInconclusive(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return OWN_TROUBLE.has((error as NodeJS.ErrnoException).code) || isInconclusive(error.cause);
}

/**
 * For `catch`: takes `value` for what cannot be read.
 *
 * @throws the error itself if it is inconclusive, because what cannot be read for want of a descriptor may well be there
 */
export function unlessInconclusive<T>(value: T): (error: unknown) => T {
  return (error) => {
    if (isInconclusive(error)) throw error;
    return value;
  };
}
