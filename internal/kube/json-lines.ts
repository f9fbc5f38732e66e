const NEWLINE = 0x0a;

/** The lines of a byte stream. Holds no more than one line; an unfinished last one is dropped. */
export async function* jsonLines(stream: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  // Parts of a line that spans chunks: joining them once keeps a long line linear in its length.
  let parts: Uint8Array[] = [];
  for await (const chunk of stream) {
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
      const last = chunk.subarray(start, end);
      const line = parts.length === 0 ? last : Buffer.concat([...parts, last]);
      parts = [];
      start = end + 1;
      if (line.length > 0) yield decoder.decode(line);
    }
    if (start < chunk.length) parts.push(chunk.slice(start));
  }
}
