import { Pieces } from "./pieces.ts";

const NEWLINE = 0x0a;

/** Longest line, in bytes. It has one object; etcd takes 1.5 MB by default, and JSON is longer than what etcd has. */
const MAX_LINE_BYTES = 16 * 1024 * 1024;

/** A line that is too long to be an event. */
export class LineTooLongError extends Error {
  override name = "LineTooLongError";
}

/**
 * The lines of a byte stream. Holds no more than one line; an unfinished last one is dropped.
 *
 * @throws LineTooLongError
 */
export async function* jsonLines(
  stream: AsyncIterable<Uint8Array>,
  maxBytes = MAX_LINE_BYTES,
): AsyncGenerator<Uint8Array> {
  // Joining the pieces of a line once keeps a long line linear in its length.
  const begun = new Pieces();
  for await (const chunk of stream) {
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
      begun.push(chunk.subarray(start, end));
      const line = begun.take();
      start = end + 1;
      if (line.length > 0) yield line;
    }
    if (start < chunk.length) begun.push(chunk.slice(start));
    if (begun.size > maxBytes) throw new LineTooLongError(`a line of the stream has more than ${maxBytes} bytes`);
  }
}
