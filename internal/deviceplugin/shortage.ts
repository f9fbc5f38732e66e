/**
 * Errors that tell of this process or of its machine at this moment, and nothing of the file that was asked for: no
 * free descriptor, no free memory.
 */
const SHORTAGES: ReadonlySet<string | undefined> = new Set(["EMFILE", "ENFILE", "ENOMEM"]);

/** Whether an error, or what caused it, is such a shortage. */
export function isShortage(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return SHORTAGES.has((error as NodeJS.ErrnoException).code) || isShortage(error.cause);
}

/**
 * For `catch`: takes `value` for what cannot be read.
 *
 * @throws the error itself if it is a shortage, because what cannot be read for want of a descriptor may well be there
 */
export function unlessShortage<T>(value: T): (error: unknown) => T {
  return (error) => {
    if (isShortage(error)) throw error;
    return value;
  };
}
