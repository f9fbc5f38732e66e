/** Input that is not taken, because it is too large or has an odd form. The message says what broke which limit. */
export class LimitError extends Error {
  override name = "LimitError";
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
