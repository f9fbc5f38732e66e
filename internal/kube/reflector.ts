import { errorText } from "../cli/errors.ts";
import type { Logger } from "../cli/log.ts";
import { Backoff } from "./backoff.ts";
import type { Client } from "./client.ts";
import { sleep, systemClock, type Clock } from "./clock.ts";
import { ApiError, isExpired, isNotFound } from "./errors.ts";
import type { KubeObject } from "../api/core.ts";
import type { Resource } from "../api/resources.ts";
import type { Selection } from "./selection.ts";

/** Where a {@link Reflector} puts what it sees. */
export interface Sink<T extends KubeObject> {
  /** The whole selection as it is now. Tells whether that is another than before. */
  replace(objects: T[]): boolean;
  set(object: T): void;
  remove(object: T): void;
  /** The server does not know the resource (its CRD is not installed): there are no objects. */
  absent(): void;
  /** Called whenever the server has said how things are, be it that nothing has changed. */
  heard(): void;
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
  /**
   * After this time without an event or a bookmark the selection is listed again. Default 90 s; a bookmark comes about
   * every minute.
   */
  silenceMs?: number | undefined;
  /** How long to wait before asking again for a resource that the server does not know. Default 2 s. */
  absentRetryMs?: number | undefined;
  log: Logger;
  clock?: Clock | undefined;
  random?: (() => number) | undefined;
}

const DEFAULT_SILENCE_MS = 90_000;
// A server that ends watches faster than this has a problem: do not hammer it.
const SHORT_WATCH_MS = 1000;
// After this many failures of the watch in a row, the resource version itself is suspect.
const MAX_RESUMES = 3;
/** What shows that a problem is over. A later one in this list is over by nothing less. */
const PROOFS = ["list", "open watch", "event"] as const;
type Proof = (typeof PROOFS)[number];

/**
 * Keeps a sink equal to a selection on the API server (client-go: Reflector): lists, then watches; resumes a broken
 * watch from the last version seen, lists again when that is too old.
 */
export class Reflector<T extends KubeObject> {
  readonly #options: ReflectorOptions<T>;
  readonly #clock: Clock;
  readonly #backoff: Backoff;
  readonly #log: Logger;
  readonly #random: () => number;
  /** The version that the sink has; "" means list first. */
  #version = "";
  /** Failures of the watch since the last event or list. */
  #failures = 0;
  /** When the last event, bookmark or list came, by the monotonic clock. */
  #heardAt: number;
  /** Nothing was heard of the watch for so long that the selection is listed again. */
  #silent = false;
  #problem: { text: string; overBy: Proof } | undefined;

  constructor(options: ReflectorOptions<T>) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#random = options.random ?? Math.random;
    this.#backoff = new Backoff({ baseDelayMs: 200, maxDelayMs: 10_000, random: this.#random });
    this.#log = options.log.with({ logger: "reflector", resource: options.resource.plural });
    this.#heardAt = this.#clock.monotonic();
  }

  /** Runs until the signal aborts; never throws. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      let delay = 0;
      let overBy: Proof = "list";
      try {
        if (this.#version === "") await this.#list(signal);
        overBy = "open watch";
        delay = await this.#watch(signal);
      } catch (error) {
        if (signal.aborted) return;
        delay = this.#onFailure(error, overBy);
      }
      if (delay > 0) await sleep(delay, signal, this.#clock).catch(() => undefined);
    }
  }

  async #list(signal: AbortSignal): Promise<void> {
    const { client, resource, sink, transform, pageSize, namespace, labelSelector, fieldSelector } = this.#options;
    const { items, resourceVersion } = await client.list<T>(resource, {
      namespace,
      labelSelector,
      fieldSelector,
      transform,
      signal,
      timeoutMs: 60_000,
      ...(pageSize ? { pageSize } : {}),
    });
    signal.throwIfAborted();
    this.#log.debug("Listed", { objects: items.length, resourceVersion });
    const changed = sink.replace(items);
    // Servers before 1.30 send no bookmark either while nothing happens (kubernetes, storage/cacher).
    const isHeldBack = this.#silent && changed;
    if (isHeldBack) this.#fails(this.#heldBack(), "event");
    const proof = this.#silent ? "event" : "list";
    this.#took(resourceVersion, isHeldBack ? undefined : proof);
    this.#silent = false;
  }

  /** Returns how long to wait before the watch is resumed. */
  async #watch(signal: AbortSignal): Promise<number> {
    const { client, resource, sink, transform, namespace, labelSelector, fieldSelector } = this.#options;
    const started = this.#clock.monotonic();
    const silence = new AbortController();
    let cancel = (): void => undefined;
    const listen = (): void => {
      cancel();
      cancel = this.#clock.after(this.#silenceMs, () => silence.abort());
    };
    const events = client.watch<T>(resource, {
      namespace,
      labelSelector,
      fieldSelector,
      resourceVersion: this.#version,
      signal: AbortSignal.any([signal, silence.signal]),
      // Spread, so that many watches do not end at once.
      timeoutSeconds: Math.round(300 * (1 + this.#random())),
      onOpen: () => {
        this.#works("open watch");
        listen();
      },
    });
    try {
      for await (const { type, object } of events) {
        if (type === "DELETED") sink.remove(object);
        else if (type !== "BOOKMARK") sink.set(transform ? transform(object) : object);
        // Not before: an object that could not be taken in is asked for again.
        this.#took(object.metadata.resourceVersion ?? this.#version, "event");
        this.#backoff.reset();
        // Bytes that are no event tell nothing: a proxy may keep the connection open with empty lines.
        listen();
      }
    } catch (error) {
      if (!silence.signal.aborted) throw error;
    } finally {
      cancel();
    }
    // Watches that the server ends one after the other may be silent together.
    const isSilent = silence.signal.aborted || this.#clock.monotonic() - this.#heardAt >= this.#silenceMs;
    if (isSilent) return this.#onSilence();
    if (this.#clock.monotonic() - started < SHORT_WATCH_MS) return this.#backoff.next();
    this.#backoff.reset();
    return 0;
  }

  /** @param proof what it shows of the watch, if anything */
  #took(version: string, proof: Proof | undefined): void {
    this.#version = version;
    this.#heard();
    this.#failures = 0;
    if (proof) this.#works(proof);
  }

  #heard(): void {
    this.#heardAt = this.#clock.monotonic();
    this.#options.sink.heard();
  }

  /** @param overBy what shows that such a failure is over */
  #onFailure(error: unknown, overBy: Proof): number {
    if (isNotFound(error)) {
      this.#version = "";
      this.#silent = false;
      this.#works("event");
      this.#options.sink.absent();
      this.#heard();
      return (this.#options.absentRetryMs ?? 2000) * (1 + 0.2 * this.#random());
    }
    if (isExpired(error)) {
      this.#log.debug("Listing again: the resource version expired", { resourceVersion: this.#version });
      this.#version = "";
      return this.#backoff.next();
    }
    // A refusal that resuming cannot mend, or one that it did not.
    const refused = error instanceof ApiError && error.status >= 400 && error.status < 429 && error.status !== 401;
    if (refused || ++this.#failures >= MAX_RESUMES) this.#version = "";
    this.#fails(errorText(error), overBy);
    return this.#backoff.next();
  }

  get #silenceMs(): number {
    return this.#options.silenceMs ?? DEFAULT_SILENCE_MS;
  }

  /**
   * The server sends a bookmark about every minute, so something may hold back what it sends. A list shows whether that is
   * so; what is known of the selection is then no older than the silence, too.
   */
  #onSilence(): number {
    this.#log.debug("Listing again: the watch is silent", { resourceVersion: this.#version });
    this.#silent = true;
    this.#version = "";
    return 0;
  }

  #heldBack(): string {
    const { plural } = this.#options.resource;
    const seconds = this.#silenceMs / 1000;
    return `Cannot watch ${plural}: nothing was heard for ${seconds} s although objects changed; look for a proxy that holds the API server's answers back`;
  }

  #fails(text: string, overBy: Proof): void {
    if (!this.#problem) this.#log.warn(`Lost ${this.#options.resource.plural}`, { error: text });
    const standing = this.#problem && PROOFS.indexOf(this.#problem.overBy) > PROOFS.indexOf(overBy);
    this.#problem = { text, overBy: standing ? this.#problem!.overBy : overBy };
    this.#options.sink.problem(text);
  }

  #works(proof: Proof): void {
    if (!this.#problem || PROOFS.indexOf(proof) < PROOFS.indexOf(this.#problem.overBy)) return;
    this.#log.info(`Regained ${this.#options.resource.plural}`);
    this.#problem = undefined;
    this.#options.sink.problem(undefined);
  }
}
