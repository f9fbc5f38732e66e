import http from "node:http";
import https from "node:https";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { URL } from "node:url";
import { readAll, readChunks } from "./answer-body.ts";
import type { Clock } from "./clock.ts";
import type { Headers, TlsOptions } from "./credentials.ts";
import { isForwarded, ProxiedHttpAgent, ProxiedHttpsAgent } from "./proxied-agent.ts";
import { proxyAuthorization, type Proxy } from "./proxy.ts";
import { refusal } from "./proxy-tunnel.ts";

export interface HttpRequest {
  method: string;
  path: string;
  headers: Headers;
  body: string | undefined;
  /** Called when the connection is there, right before anything is sent over it. If it throws, nothing is. */
  beforeSend?: (() => void) | undefined;
}

export interface Limits {
  /** Until the whole answer is there; for a stream, until its head is. */
  timeoutMs: number;
  signal: AbortSignal | undefined;
  /** A stream holds its connection, so it takes none of the pool. */
  stream?: boolean;
}

/** An answer whose head has arrived. Its connection is given back only after one of the two methods has read the rest. */
export interface Answer {
  status: number;
  header(name: string): string | undefined;
  /** The whole answer. Rejects if it has more bytes than that. */
  text(maxBytes: number): Promise<string>;
  chunks(): AsyncIterable<Uint8Array>;
  /** The connection, if the server changes to the protocol that was asked for (status 101). It is the caller's to close. */
  upgraded?: Upgraded;
}

/** A connection that speaks another protocol from here on. */
export interface Upgraded {
  socket: Duplex;
  /** Bytes that came with the answer. */
  head: Buffer;
}

export interface ConnectionsOptions {
  /** Base URL; may have a path. */
  server: string;
  /** Through which every connection goes. */
  proxy?: Proxy | undefined;
  /** Kept connections at most. */
  size: number;
  /** An idle connection is closed after this time. */
  idleMs: number;
  clock: Clock;
}

/** Kept connections that were made with the same TLS parts. */
interface Pool {
  readonly agent: http.Agent;
  /** Calls under way. */
  calls: number;
  /** Calls in a row that ran out of time, with no answer to any call in between. */
  unanswered: number;
  /** Takes no more calls, and closes its connections after the last one. */
  retired: boolean;
}

// One slow call says nothing about the other connections. This many in a row do: a network that drops packets reports nothing.
const MAX_UNANSWERED = 3;
// TCP probes the peer of an idle connection after this time.
const TCP_PROBE_DELAY_MS = 30_000;
const CLOSED_BY_SERVER = new Set(["ECONNRESET", "EPIPE"]);

/** The connections to one server: a kept-alive pool for calls, and one for each stream. */
export class Connections {
  readonly #base: URL;
  readonly #options: ConnectionsOptions;
  #tls: TlsOptions | undefined;
  #pool: Pool | undefined;
  /** Makes a connection for each request. */
  #single: http.Agent | undefined;

  constructor(options: ConnectionsOptions) {
    this.#base = new URL(options.server);
    this.#options = options;
  }

  /**
   * Sends a request and waits for the head of its answer. A GET over a kept connection that the server is just closing
   * is sent again over a fresh one, as Go's client does.
   *
   * @throws what node:https throws, or the signal's reason
   */
  async send(request: HttpRequest, tls: TlsOptions, limits: Limits): Promise<Answer> {
    const { clock } = this.#options;
    const started = clock.monotonic();
    if (!this.#pool || tls !== this.#tls) this.#renew(tls);
    if (limits.stream) return (await this.#exchange(request, limits, undefined)) as Answer;
    const answer = await this.#exchange(request, limits, this.#pool);
    if (answer !== "closed by the server") return answer;
    const timeoutMs = limits.timeoutMs - (clock.monotonic() - started);
    return (await this.#exchange(request, { ...limits, timeoutMs }, undefined)) as Answer;
  }

  close(): void {
    this.#pool?.agent.destroy();
    this.#single?.destroy();
    this.#pool = undefined;
  }

  /**
   * A GET over a kept connection that the server closes before it answers has a result instead of an error.
   *
   * @param pool undefined: over a connection of its own
   */
  #exchange(request: HttpRequest, limits: Limits, pool: Pool | undefined): Promise<Answer | "closed by the server"> {
    const { clock } = this.#options;
    const { promise, resolve, reject } = Promise.withResolvers<Answer | "closed by the server">();
    const outgoing = this.#open(request, pool);
    let failure: unknown;
    const fail = (error: unknown): void => {
      failure ??= error;
      outgoing.destroy(error instanceof Error ? error : new Error(String(error)));
      reject(failure);
    };
    const onAbort = (): void => fail(limits.signal?.reason);
    let answered = false;
    const cancelTimeout = clock.after(limits.timeoutMs, () => {
      if (pool && !answered) this.#onUnanswered(pool);
      fail(Object.assign(new Error(`no answer within ${seconds(limits.timeoutMs)} s`), { code: "ETIMEDOUT" }));
    });
    if (pool) pool.calls++;
    let settled = false;
    const settle = (): void => {
      cancelTimeout();
      limits.signal?.removeEventListener("abort", onAbort);
      if (pool && !settled) this.#release(pool);
      settled = true;
    };
    limits.signal?.addEventListener("abort", onAbort, { once: true });
    if (limits.signal?.aborted) onAbort();
    outgoing.on("error", (error: NodeJS.ErrnoException) => {
      settle();
      const mayBeSentAgain = pool !== undefined && request.method === "GET";
      const closed = mayBeSentAgain && outgoing.reusedSocket && !answered && CLOSED_BY_SERVER.has(error.code ?? "");
      if (closed && failure === undefined) resolve("closed by the server");
      else reject(failure ?? this.#named(error));
    });
    outgoing.on("upgrade", (incoming, socket: Duplex, head: Buffer) => {
      settle();
      resolve({
        status: incoming.statusCode ?? 0,
        header: (name) => [incoming.headers[name] ?? []].flat()[0],
        text: async () => "",
        chunks: () => readChunks(incoming, { failure: () => failure, settle }),
        upgraded: { socket, head },
      });
    });
    outgoing.on("response", (incoming) => {
      answered = true;
      if (pool) pool.unanswered = 0;
      const { proxy } = this.#options;
      // Only a proxy gives that answer (RFC 9110, 15.5.8).
      if (incoming.statusCode === 407 && proxy) {
        const asked = `${request.method} ${this.#base.origin}`;
        fail(new Error(`proxy ${proxy.address}: ${refusal("407", asked, proxy)}`));
        return;
      }
      resolve({
        status: incoming.statusCode ?? 0,
        header: (name) => [incoming.headers[name] ?? []].flat()[0],
        text: (maxBytes) => readAll(incoming, { maxBytes, failure: () => failure, fail }).finally(settle),
        chunks: () => {
          cancelTimeout();
          return readChunks(incoming, { failure: () => failure, settle });
        },
      });
    });
    this.#send(request, outgoing, fail);
    return promise;
  }

  /** Where requests are passed on, whoever is connected to is the proxy. */
  #named(error: NodeJS.ErrnoException): Error {
    const { proxy } = this.#options;
    if (!proxy || !isForwarded(proxy, this.#isSecure) || error.message.startsWith("proxy ")) return error;
    return Object.assign(new Error(`proxy ${proxy.address}: ${error.message}`, { cause: error }), { code: error.code });
  }

  get #isSecure(): boolean {
    return this.#base.protocol === "https:";
  }

  #send({ body, beforeSend }: HttpRequest, outgoing: http.ClientRequest, fail: (error: unknown) => void): void {
    if (!beforeSend) {
      outgoing.end(body);
      return;
    }
    const send = (): void => {
      try {
        beforeSend();
        outgoing.end(body);
      } catch (error) {
        fail(error);
      }
    };
    // The process may be stopped while the connection is made; what is written meanwhile goes out as soon as it goes on.
    outgoing.once("socket", (socket: Socket & { secureConnecting?: boolean }) => {
      const secure = this.#isSecure;
      if (!socket.connecting && !(secure && socket.secureConnecting)) send();
      else socket.once(secure ? "secureConnect" : "connect", send);
    });
  }

  #open(request: HttpRequest, pool: Pool | undefined): http.ClientRequest {
    const secure = this.#isSecure;
    const { proxy } = this.#options;
    const forwarding = proxy && isForwarded(proxy, secure) ? proxy : undefined;
    const login = forwarding && proxyAuthorization(forwarding);
    const path = this.#base.pathname.replace(/\/$/, "") + request.path;
    const options: https.RequestOptions = {
      ...this.#target(),
      path: forwarding ? this.#base.origin + path : path,
      method: request.method,
      headers: { ...request.headers, ...(login === undefined ? {} : { "proxy-authorization": login }) },
      agent: pool?.agent ?? this.#single,
      ...(secure ? this.#tls : {}),
    };
    return (secure ? https : http).request(options);
  }

  #agent(keepAlive: boolean): http.Agent {
    const { size, idleMs, proxy } = this.#options;
    const secure = this.#isSecure;
    const kept = keepAlive ? { maxSockets: size, keepAliveMsecs: TCP_PROBE_DELAY_MS, timeout: idleMs } : {};
    const options = { keepAlive, ...kept, ...(secure ? this.#tls : {}) };
    if (!proxy) return new (secure ? https.Agent : http.Agent)(options);
    return new (secure ? ProxiedHttpsAgent : ProxiedHttpAgent)(options, proxy, this.#target(), this.#tls ?? {});
  }

  #target(): { host: string; port: number } {
    const { hostname, port, protocol } = this.#base;
    return { host: hostname.replace(/^\[|\]$/g, ""), port: Number(port || (protocol === "https:" ? 443 : 80)) };
  }

  #onUnanswered(pool: Pool): void {
    if (++pool.unanswered >= MAX_UNANSWERED && pool === this.#pool && this.#tls) this.#renew(this.#tls);
  }

  /** A fresh pool; calls under way keep the connection that they have. */
  #renew(tls: TlsOptions): void {
    const old = this.#pool;
    this.#tls = tls;
    this.#pool = { agent: this.#agent(true), calls: 0, unanswered: 0, retired: false };
    this.#single = this.#agent(false);
    if (!old) return;
    old.retired = true;
    if (old.calls === 0) old.agent.destroy();
  }

  #release(pool: Pool): void {
    pool.calls--;
    if (pool.retired && pool.calls === 0) pool.agent.destroy();
  }
}

function seconds(ms: number): number {
  return Math.max(0, Math.round(ms)) / 1000;
}
