const start = Date.now();
let stream: Pick<NodeJS.WriteStream, "write"> = process.stderr;

/** Sends progress to another stream, such as standard output, so that it stays in order with what else is printed there. */
export function tellOn(other: Pick<NodeJS.WriteStream, "write">): void {
  stream = other;
}

/** Writes one progress line, with the seconds since the start, to standard error, or where {@link tellOn} says. */
export function progress(text: string): void {
  const seconds = ((Date.now() - start) / 1000).toFixed(1).padStart(6);
  stream.write(`${seconds}s  ${text}\n`);
}
