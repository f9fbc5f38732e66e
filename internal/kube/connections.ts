import http from "node:http";
import https from "node:https";
import { URL } from "node:url";
import type { TlsOptions } from "./credentials.ts";

export interface HttpRequest {
  method: string;
  path: string;
  headers: Record<string, string>;
  body: string | undefined;
}

export interface Limits {
  /** Until the whole answer is there; for a stream, until its head is. */
  timeoutMs: number;
  signal: AbortSignal | undefined;
  /** A stream holds its connection, so it takes none of the pool. */
  stream?: boolean;
}

/** An answer whose head is there. Read it, by one of its two methods, or its connection is never given back. */
export interface Answer {
  status: number;
  header(name: string): string | undefined;
  text(): Promise<string>;
  chunks(silenceMs: number): AsyncIterable<Uint8Array>;
}

/** The connections to one server: a kept-alive pool for calls, and one for each stream. */
export class Connections {
  readonly #base: URL;
  readonly #size: number;
  #tls: TlsOptions | undefined;
  #pool: http.Agent | undefined;
  #streams: http.Agent | undefined;

  constructor(server: string, size: number) {
    this.#base = new URL(server);
    this.#size = size;
  }

  /** Sends a request and waits for the head of its answer. Throws what node:https throws, or the signal's reason. */
  send(request: HttpRequest, tls: TlsOptions, limits: Limits): Promise<Answer> {
    if (tls !== this.#tls) this.#renew(tls);
    const secure = this.#base.protocol === "https:";
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    const options: https.RequestOptions = {
      host: this.#base.hostname.replace(/^\[|\]$/g, ""),
      port: this.#base.port || (secure ? 443 : 80),
      path: this.#base.pathname.replace(/\/$/, "") + request.path,
      method: request.method,
      headers: request.headers,
      agent: limits.stream ? this.#streams : this.#pool,
      ...(secure ? tls : {}),
    };
    const outgoing = (secure ? https : http).request(options);
    let failure: unknown;
    const fail = (error: unknown): void => {
      failure ??= error;
      outgoing.destroy(error instanceof Error ? error : new Error(String(error)));
      reject(failure);
    };
    const onAbort = (): void => fail(limits.signal?.reason);
    const timer = setTimeout(() => {
      // The other kept connections lead to the same silent peer.
      this.#renew(tls);
      fail(Object.assign(new Error(`no answer within ${limits.timeoutMs / 1000} s`), { code: "ETIMEDOUT" }));
    }, limits.timeoutMs);
    const settle = (): void => {
      clearTimeout(timer);
      limits.signal?.removeEventListener("abort", onAbort);
    };
    limits.signal?.addEventListener("abort", onAbort, { once: true });
    if (limits.signal?.aborted) onAbort();
    outgoing.on("error", (error) => {
      settle();
      reject(failure ?? error);
    });
    outgoing.on("response", (incoming) => {
      resolve({
        status: incoming.statusCode ?? 0,
        header: (name) => [incoming.headers[name] ?? []].flat()[0],
        text: () => readAll(incoming, () => failure).finally(settle),
        chunks: (silenceMs) => {
          clearTimeout(timer);
          return readChunks(incoming, silenceMs, () => failure, fail, settle);
        },
      });
    });
    outgoing.end(request.body);
    return promise;
  }

  close(): void {
    this.#pool?.destroy();
    this.#streams?.destroy();
    this.#tls = undefined;
  }

  /** Fresh pools; requests under way keep the connection they have. */
  #renew(tls: TlsOptions): void {
    const Agent = this.#base.protocol === "https:" ? https.Agent : http.Agent;
    const secure = this.#base.protocol === "https:" ? tls : {};
    // Below what servers and load balancers allow an idle connection.
    this.#pool = new Agent({ keepAlive: true, maxSockets: this.#size, keepAliveMsecs: 30_000, ...secure });
    this.#streams = new Agent({ keepAlive: false, ...secure });
    this.#tls = tls;
  }
}

function readAll(incoming: http.IncomingMessage, failure: () => unknown): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
    incoming.on("end", () => resolve(Buffer.concat(chunks).toString("utf8")));
    incoming.on("error", (error) => reject(failure() ?? error));
    // After "end" this does nothing.
    incoming.on("close", () => reject(failure() ?? cutOff()));
  });
}

async function* readChunks(
  incoming: http.IncomingMessage,
  silenceMs: number,
  failure: () => unknown,
  fail: (error: unknown) => void,
  settle: () => void,
): AsyncGenerator<Uint8Array> {
  const onSilence = (): void =>
    fail(Object.assign(new Error(`the stream was silent for ${silenceMs / 1000} s`), { code: "ESILENT" }));
  let timer = setTimeout(onSilence, silenceMs);
  try {
    for await (const chunk of incoming) {
      clearTimeout(timer);
      yield chunk as Uint8Array;
      timer = setTimeout(onSilence, silenceMs);
    }
    if (failure() !== undefined) throw failure();
    if (!incoming.complete) throw cutOff();
  } catch (error) {
    throw failure() ?? error;
  } finally {
    clearTimeout(timer);
    settle();
    incoming.destroy();
  }
}

function cutOff(): Error {
  return Object.assign(new Error("the connection broke off"), { code: "ECONNRESET" });
}
