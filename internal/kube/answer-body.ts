import type { IncomingMessage } from "node:http";
import { Pieces } from "./pieces.ts";

export interface WholeOptions {
  /** Longest body in bytes; a longer one ends the request with code EFBIG. */
  maxBytes: number;
  /** Why the request was ended, if it was. */
  failure: () => unknown;
  /** Ends the request. */
  fail: (error: unknown) => void;
}

const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });

/** The whole body as text. Rejects with `failure()`, if there is one, when the connection ends before the body does. */
export function readAll(incoming: IncomingMessage, { maxBytes, failure, fail }: WholeOptions): Promise<string> {
  return new Promise((resolve, reject) => {
    const body = new Pieces();
    let isOver = false;
    incoming.on("data", (chunk: Buffer) => {
      body.push(chunk);
      if (body.size <= maxBytes) return;
      body.take();
      fail(Object.assign(new Error(`it answers with more than ${maxBytes} bytes`), { code: "EFBIG" }));
      incoming.destroy();
      reject(failure());
    });
    incoming.on("end", () => {
      // Bun ends the body of a request that was given up, too.
      if (failure() !== undefined || !incoming.complete) reject(failure() ?? cutOff());
      else resolve(utf8.decode(body.take()));
      isOver = true;
    });
    incoming.on("error", (error) => reject(failure() ?? error));
    // An error is dear to make, and after "end" it would change nothing.
    incoming.on("close", () => {
      if (!isOver) reject(failure() ?? cutOff());
    });
  });
}

export interface StreamOptions {
  /** Why the request was ended, if it was. */
  failure: () => unknown;
  /** Called once the stream is over. */
  settle: () => void;
}

/** The body as it comes. */
export async function* readChunks(
  incoming: IncomingMessage,
  { failure, settle }: StreamOptions,
): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of incoming) yield chunk as Uint8Array;
    if (failure() !== undefined) throw failure();
    if (!incoming.complete) throw cutOff();
  } catch (error) {
    throw failure() ?? error;
  } finally {
    settle();
    incoming.destroy();
  }
}

function cutOff(): Error {
  return Object.assign(new Error("the connection broke off"), { code: "ECONNRESET" });
}
