import type { IncomingMessage } from "node:http";
import type { Clock } from "./clock.ts";

/** The whole body as text. Rejects with `failure()`, if there is one, when the connection ends before the body does. */
export function readAll(incoming: IncomingMessage, failure: () => unknown): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
    incoming.on("end", () => resolve(Buffer.concat(chunks).toString("utf8")));
    incoming.on("error", (error) => reject(failure() ?? error));
    // After "end" this does nothing.
    incoming.on("close", () => reject(failure() ?? cutOff()));
  });
}

export interface StreamOptions {
  /** Longest time without a byte; then the stream fails with code ESILENT. */
  silenceMs: number;
  clock: Clock;
  /** Why the request was ended, if it was. */
  failure: () => unknown;
  /** Ends the request. */
  fail: (error: unknown) => void;
  /** Called once the stream is over. */
  settle: () => void;
}

/** The body as it comes. */
export async function* readChunks(
  incoming: IncomingMessage,
  { silenceMs, clock, failure, fail, settle }: StreamOptions,
): AsyncGenerator<Uint8Array> {
  const onSilence = (): void =>
    fail(Object.assign(new Error(`the stream was silent for ${silenceMs / 1000} s`), { code: "ESILENT" }));
  let cancel = clock.after(silenceMs, onSilence);
  try {
    for await (const chunk of incoming) {
      cancel();
      yield chunk as Uint8Array;
      cancel = clock.after(silenceMs, onSilence);
    }
    if (failure() !== undefined) throw failure();
    if (!incoming.complete) throw cutOff();
  } catch (error) {
    throw failure() ?? error;
  } finally {
    cancel();
    settle();
    incoming.destroy();
  }
}

function cutOff(): Error {
  return Object.assign(new Error("the connection broke off"), { code: "ECONNRESET" });
}
