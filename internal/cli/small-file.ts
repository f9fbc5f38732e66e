import { open } from "node:fs/promises";
import type { Readable } from "node:stream";
import { readHandle } from "./regular-file.ts";

/** Limits of {@link readSmallFile}. */
export interface SmallFileLimits {
  maxBytes: number;
  /** Until the whole file is read, in milliseconds. Default: 10 s. */
  timeoutMs?: number;
}

/**
 * Reads a file that should be small, whatever it is: a device without end, or a pipe into which nobody writes. Pipes of a
 * shell, such as <(COMMAND), are read to their end.
 *
 * @throws what node:fs throws, or Error "it has more than N bytes", or "nothing more came within N s"
 */
export async function readSmallFile(path: string, { maxBytes, timeoutMs = 10_000 }: SmallFileLimits): Promise<Buffer> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`nothing more came within ${timeoutMs / 1000} s`)), timeoutMs);
  // Whoever opens a pipe without a writer waits in a thread, which nothing can end before the process.
  const opening = open(path);
  try {
    const file = await Promise.race([opening, late]);
    return await Promise.race([readHandle(file, maxBytes), late]);
  } finally {
    clearTimeout(timer);
    opening.then((file) => file.close()).catch(() => undefined);
  }
}

/**
 * Reads a stream to its end: standard input, which may come from a person. Nothing is waited for longer than whoever writes
 * it takes. The stream is closed.
 *
 * @throws Error "it has more than N bytes"
 */
export async function readSmallStream(stream: Readable, maxBytes: number): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let size = 0;
  for await (const piece of stream as AsyncIterable<Buffer>) {
    size += piece.length;
    if (size > maxBytes) throw new Error(`it has more than ${maxBytes} bytes`);
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}
