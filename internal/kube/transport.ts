import { URL } from "node:url";
import { fieldsOf, parseJson } from "../cli/json.ts";
import { VERSION } from "../cli/version.ts";
import { isAbort } from "../cli/errors.ts";
import { abortable, sleep, systemClock, type Clock } from "./clock.ts";
import { Connections, type Answer, type Limits, type Upgraded } from "./connections.ts";
import type { ClusterConfig, Headers, Identity } from "./credentials.ts";
import { ApiError, ConnectionError, CredentialsError, LeadershipLostError, type Status } from "./errors.ts";
import { hideOwnSecrets } from "./own-secrets.ts";
import { Semaphore, TokenBucket } from "./rate-limit.ts";
import { unusable } from "./unusable-identity.ts";

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
  /** Further headers. */
  headers?: Headers;
  /**
   * Longest time that the call may take, in milliseconds: until the whole answer is there, or the head of a stream. What
   * the server asks us to wait counts; waiting for our own limits does not.
   */
  timeoutMs?: number | undefined;
  signal?: AbortSignal | undefined;
  /** Longest answer, in bytes; a longer one ends the call with code EFBIG. Default 64 MiB. */
  maxBytes?: number | undefined;
  /** Called right before each attempt is sent. If it throws LeadershipLostError, the call ends so, and nothing is sent. */
  beforeSend?: (() => void) | undefined;
  /** Leaves answers 429 and 5xx to the caller. Otherwise the request is sent again if the server says when. */
  noRetry?: boolean;
  /** Skips the client-side limits: a Lease must be renewed however busy we are. One at a time. */
  urgent?: boolean | undefined;
}

/** Seen after each attempt, for rest_client_requests_total. `code` is the HTTP status or "<error>". */
export type RequestObserver = (request: { method: string; host: string; code: string }) => void;

export interface TransportOptions {
  config: ClusterConfig;
  /** Default 15 s: a dead connection must not hold a reconcile for longer. */
  timeoutMs?: number;
  /** Requests in flight at once, and so the size of the connection pool. Default 32. */
  maxConnections?: number;
  /** Client-side limit: default 400 requests per second after a burst of 800. No node waits for it, and no bug floods the server. */
  qps?: number;
  burst?: number;
  /** An idle connection is closed after this time. Default 50 s: load balancers end it after 60 s, the API server after 90 s. */
  idleMs?: number;
  onRequest?: RequestObserver;
  clock?: Clock;
  userAgent?: string;
  /** What a person can do about a refusal, by its message; undefined if nothing is known. Default: nothing is said. */
  advise?: (message: string) => string | undefined;
}

/** Errors that say all that there is to say. */
const OURS = [ApiError, ConnectionError, CredentialsError, LeadershipLostError];
// client-go gives up after ten times as well.
const MAX_RETRIES = 10;
// Most pages have less than 1 MB. 5,000 nodes in one page, which is asked for only if pages expire, have 60 MB.
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;
const MAX_ERROR_BYTES = 1024 * 1024;
// Load balancers in maintenance ask for an hour, in which a watch would hear nothing.
const MAX_RETRY_AFTER_MS = 30_000;

/** Sends requests over kept-alive connections, and turns every failure into an {@link ApiError} or {@link ConnectionError}. */
export class Transport {
  readonly config: ClusterConfig;
  readonly #options: TransportOptions;
  readonly #connections: Connections;
  readonly #places: Semaphore;
  readonly #bucket: TokenBucket;
  readonly #clock: Clock;
  readonly #userAgent: string;
  readonly #host: string;
  /** Takes out what was sent last. */
  #hide: (text: string) => string = (text) => text;

  constructor(options: TransportOptions) {
    this.config = options.config;
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#places = new Semaphore(options.maxConnections ?? 32);
    this.#bucket = new TokenBucket(options.qps ?? 400, options.burst ?? 800, this.#clock);
    this.#connections = new Connections({
      server: options.config.server,
      proxy: options.config.proxy,
      // One more for urgent requests.
      size: (options.maxConnections ?? 32) + 1,
      idleMs: options.idleMs ?? 50_000,
      clock: this.#clock,
    });
    this.#host = new URL(options.config.server).host;
    this.#userAgent = options.userAgent ?? `onloadctl/${VERSION} (${process.platform}/${process.arch})`;
  }

  /**
   * Sends a request and parses its answer, which must be a JSON object.
   *
   * @param isExpected whether the answer is an object of the kind that was asked for; default: any
   */
  async json<T extends object>(
    request: ApiRequest,
    isExpected: (answer: Answered) => boolean = () => true,
  ): Promise<T> {
    const text = await this.text(request);
    const answer = parseObject(text);
    if (!answer) throw this.#broken(request, "EPROTO", "it did not answer with a JSON object", undefined);
    if (isExpected(answer)) return answer as T;
    if (answer.kind === "Status") throw this.refusal(request.action, answer.code ?? 500, answer);
    const found = answer.kind ? `a ${answer.kind}` : "an object of no kind";
    throw this.#broken(request, "EPROTO", `it answered with ${found}: check the server's address`, undefined);
  }

  /** Sends a request and returns its answer as text. */
  async text(request: ApiRequest): Promise<string> {
    const leave = request.urgent ? undefined : await this.#places.enter(request.signal);
    try {
      return await this.#retrying(request, (limits) =>
        this.#attempt(request, limits, (answer) => answer.text(request.maxBytes ?? MAX_ANSWER_BYTES)),
      );
    } finally {
      leave?.();
    }
  }

  /**
   * Sends a request whose answer has no end, and gives its bytes as they come. The stream throws ConnectionError when
   * the connection breaks, and ends when the server ends it. A silent one ends with the request's signal alone.
   */
  async stream(request: ApiRequest): Promise<AsyncIterable<Uint8Array>> {
    return this.#retrying(request, (limits) =>
      this.#attempt(request, { ...limits, stream: true }, async (answer) => this.#chunks(request, answer)),
    );
  }

  /**
   * Asks the server to change to another protocol (`headers`), over a connection of its own.
   *
   * @param isRight whether the answer is as that protocol has it
   * @throws ApiError if the server refuses
   */
  async upgrade(request: ApiRequest, isRight: (answer: Answer) => boolean): Promise<Upgraded> {
    return this.#retrying(request, (limits) =>
      this.#attempt(request, { ...limits, stream: true }, async (answer) => {
        const { upgraded } = answer;
        if (upgraded && isRight(answer)) return upgraded;
        upgraded?.socket.destroy();
        throw this.#broken(request, "EPROTO", "it does not change to the protocol that it was asked for", undefined);
      }),
    );
  }

  /** Closes all connections. */
  close(): void {
    this.#connections.close();
  }

  async *#chunks(request: ApiRequest, answer: Answer): AsyncGenerator<Uint8Array> {
    try {
      yield* answer.chunks();
    } catch (error) {
      throw this.#explain(request, error);
    }
  }

  async #retrying<T>(request: ApiRequest, attempt: (limits: Limits) => Promise<T>): Promise<T> {
    const timeoutMs = request.timeoutMs ?? this.#options.timeoutMs ?? 15_000;
    let reauthenticated = false;
    let deadline: number | undefined;
    for (let tries = 0; ; tries++) {
      if (!request.urgent) await this.#bucket.take(request.signal);
      const left = deadline === undefined ? timeoutMs : deadline - this.#clock.monotonic();
      deadline ??= this.#clock.monotonic() + timeoutMs;
      try {
        return await attempt({ timeoutMs: left, signal: request.signal });
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        if (error.status === 401 && !reauthenticated) {
          // The token may have been rotated since it was read.
          reauthenticated = true;
          this.config.credentials.invalidate();
          continue;
        }
        // As client-go does: a server that is busy or shutting down says when to come again.
        const unwell = error.status === 429 || error.status >= 500;
        if (!unwell || error.retryAfterMs === undefined || request.noRetry || tries >= MAX_RETRIES) throw error;
        const wait = Math.min(error.retryAfterMs, MAX_RETRY_AFTER_MS);
        if (this.#clock.monotonic() + wait >= deadline) throw error;
        await sleep(wait, request.signal, this.#clock);
      }
    }
  }

  async #attempt<T>(request: ApiRequest, limits: Limits, read: (answer: Answer) => Promise<T>): Promise<T> {
    let code = "<error>";
    let identity: Identity | undefined;
    try {
      identity = await this.#identity(request);
      const { headers, tls } = identity;
      this.#hide = hideOwnSecrets(headers);
      const body = request.body === undefined ? undefined : JSON.stringify(request.body);
      const answer = await this.#connections.send(
        {
          method: request.method,
          path: request.path,
          headers: {
            ...headers,
            "user-agent": this.#userAgent,
            accept: request.accept ?? "application/json",
            ...request.headers,
            ...(body === undefined ? {} : bodyHeaders(body, request.contentType)),
          },
          body,
          beforeSend: request.beforeSend,
        },
        tls,
        limits,
      );
      code = String(answer.status);
      if (!answer.upgraded && (answer.status < 200 || answer.status >= 300))
        throw this.#apiError(request.action, answer, await answer.text(MAX_ERROR_BYTES));
      return await read(answer);
    } catch (error) {
      throw this.#explain(request, error, code === "<error>" ? identity : undefined);
    } finally {
      this.#options.onRequest?.({ method: request.method, host: this.#host, code });
    }
  }

  async #identity(request: ApiRequest): Promise<Identity> {
    const { credentials, source } = this.config;
    try {
      return await abortable(credentials.identity(), request.signal);
    } catch (error) {
      if (request.signal?.aborted && error === request.signal.reason) throw error;
      throw new CredentialsError(request.action, source, error);
    }
  }

  /** @param unanswered what was used, if nothing was answered */
  #explain(request: ApiRequest, error: unknown, unanswered?: Identity): unknown {
    if (OURS.some((kind) => error instanceof kind)) return error;
    if (request.signal?.aborted && (error === request.signal.reason || isAbort(error))) return request.signal.reason;
    const wrong = unanswered && unusable(unanswered);
    if (wrong !== undefined) return new CredentialsError(request.action, this.config.source, new Error(wrong));
    const { code = "", message = String(error) } = error as Partial<NodeJS.ErrnoException>;
    return this.#broken(request, code, message, error);
  }

  #broken(request: ApiRequest, code: string, reason: string, cause: unknown): ConnectionError {
    return new ConnectionError(request.action, this.config.server, code, this.#hide(reason), cause);
  }

  #apiError(action: string, answer: Answer, text: string): ApiError {
    const { status } = answer;
    const retryAfter = answer.header("retry-after");
    const seconds = Number(retryAfter);
    const body =
      status < 400
        ? { message: redirected(answer) }
        : (parseObject(text) ?? { message: unknownPath(status, oneLine(text)) });
    return this.refusal(action, status, body, retryAfter !== undefined && seconds >= 0 ? seconds * 1000 : undefined);
  }

  /** What the server refused, in its words, without what we sent to it. */
  refusal(action: string, status: number, body: Partial<Omit<Status, "kind">>, retryAfterMs?: number): ApiError {
    const { withheld, source } = this.config;
    const unknown = status === 401 || status === 403;
    const note = unknown && withheld !== undefined ? `; ${withheld}` : "";
    const hidden = JSON.parse(JSON.stringify(body), (_, value: unknown) =>
      typeof value === "string" ? this.#hide(value) : value,
    ) as typeof body;
    const message = withoutEcho(hidden.message || `HTTP status ${status}`);
    const advice =
      status === 401 && withheld === undefined
        ? `${source} has no login that the API server accepts: it may have expired; log in again`
        : status === 403
          ? this.#options.advise?.(message)
          : undefined;
    return new ApiError(action, status, { ...hidden, message: `${message}${note}` }, retryAfterMs, advice);
  }
}

/** Longest value of a field that a refusal repeats. */
const MAX_ECHO = 300;

/** A refusal of a patch repeats the whole object, and says what is wrong only after it. */
function withoutEcho(message: string): string {
  return message.replaceAll(/(Invalid value: ")((?:[^"\\]|\\.)*)"/g, (whole, before: string, value: string) =>
    value.length <= MAX_ECHO ? whole : `${before}${value.slice(0, MAX_ECHO / 3)}..."`,
  );
}

/** What Go's HTTP server says of a path that nobody serves is about no page that a person has asked for. */
function unknownPath(status: number, text: string): string {
  return status === 404 && text === "404 page not found" ? "the API server knows no objects of that kind" : text;
}

/** Includes the length: without it, Bun sends a DELETE's body in a way that the server takes for another request. */
function bodyHeaders(body: string, contentType = "application/json"): Record<string, string> {
  return { "content-type": contentType, "content-length": String(Buffer.byteLength(body)) };
}

function redirected(answer: Answer): string {
  return `the server redirects to ${oneLine(answer.header("location") ?? "") || "nowhere"}, which is not followed: check its address`;
}

function oneLine(text: string): string {
  return text.trim().replace(/\s+/g, " ").slice(0, 300);
}

/** What every JSON answer may have. */
export interface Answered extends Partial<Omit<Status, "kind">> {
  kind?: string;
  metadata?: object;
}

function parseObject(text: string): Answered | undefined {
  try {
    return fieldsOf(parseJson(text));
  } catch {
    return undefined;
  }
}
