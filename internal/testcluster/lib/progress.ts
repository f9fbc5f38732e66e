const start = Date.now();

/** Writes one progress line, with the seconds since the start, to standard error. */
export function progress(text: string): void {
  const seconds = ((Date.now() - start) / 1000).toFixed(1).padStart(6);
  process.stderr.write(`${seconds}s  ${text}\n`);
}
