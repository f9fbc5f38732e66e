import { errorText } from "../cli/errors.ts";
import type { Logger } from "../cli/log.ts";
import { Backoff } from "./backoff.ts";
import type { Client } from "./client.ts";
import { sleep, systemClock, type Clock } from "./clock.ts";
import { ApiError, ConnectionError, isExpired, isNotFound } from "./errors.ts";
import type { KubeObject } from "../api/core.ts";
import type { Resource } from "../api/resources.ts";
import type { Selection } from "./selection.ts";

/** Where a {@link Reflector} puts what it sees. */
export interface Sink<T extends KubeObject> {
  /** The whole selection as it is now. */
  replace(objects: T[]): void;
  set(object: T): void;
  remove(object: T): void;
  /** The server does not know the resource (its CRD is not installed): there are no objects. */
  absent(): void;
  /** Called when listing or watching fails, with one line, and with undefined when it works again. */
  problem(text: string | undefined): void;
}

export interface ReflectorOptions<T extends KubeObject> extends Selection {
  client: Client;
  resource: Resource;
  sink: Sink<T>;
  /** Applied before an object is kept: return only the parts that are read. Keep `metadata.resourceVersion`. */
  transform?: ((object: T) => T) | undefined;
  pageSize?: number | undefined;
  /** A watch that is silent for this long is taken for dead and resumed. Default 90 s. */
  silenceMs?: number | undefined;
  /** How long to wait before asking again for a resource that the server does not know. Default 2 s. */
  absentRetryMs?: number | undefined;
  log: Logger;
  clock?: Clock | undefined;
  random?: (() => number) | undefined;
}

// A server that ends watches faster than this has a problem: do not hammer it.
const SHORT_WATCH_MS = 1000;
// After this many failed resumes the resource version itself is suspect.
const RESUMES_BEFORE_RELIST = 3;

/**
 * Keeps a sink equal to a selection on the API server (client-go: Reflector): lists, then watches; resumes a broken
 * watch from the last version seen, lists again when that is too old.
 */
export class Reflector<T extends KubeObject> {
  readonly #options: ReflectorOptions<T>;
  readonly #clock: Clock;
  readonly #backoff: Backoff;
  readonly #log: Logger;
  /** Last version seen; "" means list first. */
  #version = "";
  #resumes = 0;
  #problem: string | undefined;

  constructor(options: ReflectorOptions<T>) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#backoff = new Backoff({
      baseDelayMs: 200,
      maxDelayMs: 10_000,
      ...(options.random ? { random: options.random } : {}),
    });
    this.#log = options.log.with({ logger: "reflector", resource: options.resource.plural });
  }

  /** Runs until the signal aborts; never throws. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      let delay = 0;
      try {
        if (this.#version === "") await this.#list(signal);
        delay = await this.#watch(signal);
      } catch (error) {
        if (signal.aborted) return;
        delay = this.#onFailure(error);
      }
      if (delay > 0) await sleep(delay, signal, this.#clock).catch(() => undefined);
    }
  }

  async #list(signal: AbortSignal): Promise<void> {
    const { client, resource, sink, transform, pageSize, namespace, labelSelector, fieldSelector } = this.#options;
    const kept: T[] = [];
    let version = "";
    const options = {
      namespace,
      labelSelector,
      fieldSelector,
      signal,
      timeoutMs: 60_000,
      ...(pageSize ? { pageSize } : {}),
    };
    for await (const page of client.pages<T>(resource, options)) {
      for (const item of page.items) kept.push(transform ? transform(item) : item);
      version = page.resourceVersion;
    }
    signal.throwIfAborted();
    this.#version = version;
    this.#resumes = 0;
    this.#log.debug("Listed", { objects: kept.length, resourceVersion: version });
    this.#works();
    sink.replace(kept);
  }

  /** Returns how long to wait before the watch is resumed. */
  async #watch(signal: AbortSignal): Promise<number> {
    const { client, resource, sink, transform, silenceMs, namespace, labelSelector, fieldSelector } = this.#options;
    const started = this.#clock.monotonic();
    const random = this.#options.random ?? Math.random;
    const events = client.watch<T>(resource, {
      namespace,
      labelSelector,
      fieldSelector,
      resourceVersion: this.#version,
      signal,
      // Spread, so that many watches do not end at once.
      timeoutSeconds: Math.round(300 * (1 + random())),
      ...(silenceMs ? { silenceMs } : {}),
    });
    for await (const { type, object } of events) {
      this.#version = object.metadata.resourceVersion ?? this.#version;
      this.#backoff.reset();
      this.#resumes = 0;
      this.#works();
      if (type === "DELETED") sink.remove(object);
      else if (type !== "BOOKMARK") sink.set(transform ? transform(object) : object);
    }
    if (this.#clock.monotonic() - started >= SHORT_WATCH_MS) {
      this.#backoff.reset();
      return 0;
    }
    return this.#backoff.next();
  }

  #onFailure(error: unknown): number {
    const { sink, resource } = this.#options;
    if (isNotFound(error)) {
      this.#version = "";
      this.#works();
      sink.absent();
      const random = this.#options.random ?? Math.random;
      return (this.#options.absentRetryMs ?? 2000) * (1 + 0.2 * random());
    }
    if (error instanceof ConnectionError && error.code === "ESILENT") {
      this.#log.debug("Resumed a silent watch", { resourceVersion: this.#version });
      return 0;
    }
    if (isExpired(error)) {
      this.#log.debug("Listing again: the resource version expired", { resourceVersion: this.#version });
      this.#version = "";
      return this.#backoff.next();
    }
    // A refusal that resuming cannot mend, or one that it did not.
    const refused = error instanceof ApiError && error.status >= 400 && error.status < 429 && error.status !== 401;
    if (refused || ++this.#resumes >= RESUMES_BEFORE_RELIST) this.#version = "";
    const text = errorText(error);
    if (this.#problem === undefined) this.#log.warn(`Lost ${resource.plural}`, { error: text });
    this.#problem = text;
    sink.problem(text);
    return this.#backoff.next();
  }

  #works(): void {
    if (this.#problem === undefined) return;
    this.#log.info(`Regained ${this.#options.resource.plural}`);
    this.#problem = undefined;
    this.#options.sink.problem(undefined);
  }
}
