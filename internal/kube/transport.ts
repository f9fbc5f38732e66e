import { URL } from "node:url";
import { VERSION } from "../cli/version.ts";
import { isAbort } from "../cli/errors.ts";
import { sleep, systemClock, type Clock } from "./clock.ts";
import { Connections, type Answer, type Limits } from "./connections.ts";
import type { ClusterConfig } from "./credentials.ts";
import { ApiError, ConnectionError, type Status } from "./errors.ts";
import { Semaphore, TokenBucket } from "./rate-limit.ts";

/** One HTTP request to the API server. */
export interface ApiRequest {
  method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** Path and query below the server's base URL. */
  path: string;
  /** For messages: the action, as in "Cannot <action>: <reason>". */
  action: string;
  /** Sent as JSON. */
  body?: unknown;
  /** Default: application/json. */
  contentType?: string;
  accept?: string;
  /** Longest wait for the whole answer, or for the head of a stream, in milliseconds. */
  timeoutMs?: number | undefined;
  signal?: AbortSignal | undefined;
  /** Leaves a 429 or 5xx to the caller. Otherwise it is sent again when the server says it may be. */
  noRetry?: boolean;
  /** Waits for no place and no token: a Lease must be renewed however busy we are. One at a time. */
  urgent?: boolean | undefined;
}

/** Seen after each attempt, for rest_client_requests_total. `code` is the HTTP status or "<error>". */
export type RequestObserver = (request: { method: string; host: string; code: string; durationMs: number }) => void;

export interface TransportOptions {
  config: ClusterConfig;
  /** Default 15 s: a dead connection must not hold a reconcile for longer. */
  timeoutMs?: number;
  /** Requests in flight at once, and so the size of the connection pool. Default 32. */
  maxConnections?: number;
  /** Client-side limit, default 400 a second after a burst of 800: no node waits for it, yet a bug cannot flood the server. */
  qps?: number;
  burst?: number;
  onRequest?: RequestObserver;
  clock?: Clock;
  userAgent?: string;
}

// client-go gives up after ten times as well.
const MAX_RETRIES = 10;

/** Sends requests over kept-alive connections, and turns every failure into an {@link ApiError} or {@link ConnectionError}. */
export class Transport {
  readonly config: ClusterConfig;
  readonly #options: TransportOptions;
  readonly #connections: Connections;
  readonly #places: Semaphore;
  readonly #bucket: TokenBucket;
  readonly #clock: Clock;
  readonly #userAgent: string;

  constructor(options: TransportOptions) {
    this.config = options.config;
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#places = new Semaphore(options.maxConnections ?? 32);
    this.#bucket = new TokenBucket(options.qps ?? 400, options.burst ?? 800, this.#clock);
    // One more for urgent requests.
    this.#connections = new Connections(options.config.server, (options.maxConnections ?? 32) + 1);
    this.#userAgent = options.userAgent ?? `onloadctl/${VERSION} (${process.platform}/${process.arch})`;
  }

  /** Sends a request and parses its JSON answer. */
  async json<T>(request: ApiRequest): Promise<T> {
    const text = await this.text(request);
    try {
      return JSON.parse(text) as T;
    } catch (error) {
      throw this.#broken(request, "EPROTO", "it did not answer with JSON", error);
    }
  }

  /** Sends a request and returns its answer as text. */
  async text(request: ApiRequest): Promise<string> {
    const leave = request.urgent ? undefined : await this.#places.enter(request.signal);
    try {
      return await this.#retrying(request, (limits) => this.#attempt(request, limits, (answer) => answer.text()));
    } finally {
      leave?.();
    }
  }

  /**
   * Sends a request whose answer has no end, and gives its bytes as they come. The stream throws ConnectionError when
   * the connection breaks, and ends when the server ends it.
   *
   * @param silenceMs longest time without a byte; afterwards the connection is taken for dead
   */
  async stream(request: ApiRequest, silenceMs: number): Promise<AsyncIterable<Uint8Array>> {
    return this.#retrying(request, (limits) =>
      this.#attempt(request, { ...limits, stream: true }, async (answer) => this.#chunks(request, answer, silenceMs)),
    );
  }

  /** Closes all connections. */
  close(): void {
    this.#connections.close();
  }

  async *#chunks(request: ApiRequest, answer: Answer, silenceMs: number): AsyncGenerator<Uint8Array> {
    try {
      yield* answer.chunks(silenceMs);
    } catch (error) {
      throw this.#explain(request, error);
    }
  }

  async #retrying<T>(request: ApiRequest, attempt: (limits: Limits) => Promise<T>): Promise<T> {
    let reauthenticated = false;
    for (let tries = 0; ; tries++) {
      if (!request.urgent) await this.#bucket.take(request.signal);
      try {
        return await attempt({
          timeoutMs: request.timeoutMs ?? this.#options.timeoutMs ?? 15_000,
          signal: request.signal,
        });
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        if (error.status === 401 && !reauthenticated) {
          // The token may have been rotated since it was read.
          reauthenticated = true;
          this.config.credentials.invalidate();
          continue;
        }
        // As client-go: the server says when, be it busy or on its way down.
        const unwell = error.status === 429 || error.status >= 500;
        const mayRetry = unwell && error.retryAfterMs !== undefined && !request.noRetry;
        if (!mayRetry || tries >= MAX_RETRIES) throw error;
        await sleep(error.retryAfterMs!, request.signal, this.#clock);
      }
    }
  }

  async #attempt<T>(request: ApiRequest, limits: Limits, read: (answer: Answer) => Promise<T>): Promise<T> {
    const started = this.#clock.monotonic();
    let code = "<error>";
    try {
      const { headers, tls } = await this.config.credentials.identity();
      const body = request.body === undefined ? undefined : JSON.stringify(request.body);
      const answer = await this.#connections.send(
        {
          method: request.method,
          path: request.path,
          headers: {
            ...headers,
            "user-agent": this.#userAgent,
            accept: request.accept ?? "application/json",
            ...(body === undefined ? {} : bodyHeaders(body, request.contentType)),
          },
          body,
        },
        tls,
        limits,
      );
      code = String(answer.status);
      if (answer.status >= 400) {
        throw apiError(request.action, answer.status, await answer.text(), answer.header("retry-after"));
      }
      return await read(answer);
    } catch (error) {
      throw this.#explain(request, error);
    } finally {
      const host = new URL(this.config.server).host;
      this.#options.onRequest?.({ method: request.method, host, code, durationMs: this.#clock.monotonic() - started });
    }
  }

  #explain(request: ApiRequest, error: unknown): unknown {
    if (error instanceof ApiError || error instanceof ConnectionError) return error;
    if (request.signal?.aborted && (error === request.signal.reason || isAbort(error))) return request.signal.reason;
    const { code = "", message = String(error) } = error as Partial<NodeJS.ErrnoException>;
    return this.#broken(request, code, message, error);
  }

  #broken(request: ApiRequest, code: string, reason: string, cause: unknown): ConnectionError {
    return new ConnectionError(request.action, this.config.server, code, reason, cause);
  }
}

/** With its length: Bun sends a DELETE's body without, and the server takes it for another request. */
function bodyHeaders(body: string, contentType = "application/json"): Record<string, string> {
  return { "content-type": contentType, "content-length": String(Buffer.byteLength(body)) };
}

function apiError(action: string, status: number, text: string, retryAfter: string | undefined): ApiError {
  let body: Partial<Status>;
  try {
    body = JSON.parse(text) as Partial<Status>;
  } catch {
    body = { message: text.trim().replace(/\s+/g, " ").slice(0, 300) };
  }
  const seconds = Number(retryAfter);
  return new ApiError(action, status, body, retryAfter !== undefined && seconds >= 0 ? seconds * 1000 : undefined);
}
