import { randomUUID } from "node:crypto";
import { errorText } from "../cli/errors.ts";
import type { Logger } from "../cli/log.ts";
import { Backoff } from "./backoff.ts";
import type { Client } from "./client.ts";
import { sleep, systemClock, type Clock } from "./clock.ts";
import type { Event, ObjectReference } from "./kinds.ts";
import { ApiError, isNotFound } from "./errors.ts";
import type { DeepReadonly, KubeObject } from "../api/core.ts";
import type { Resource } from "../api/resources.ts";
import { TokenBucket } from "./rate-limit.ts";
import { apiVersionOf, EVENTS } from "./resource.ts";

/** What happened, in the words of `kubectl describe`. */
export interface EventText {
  type: "Normal" | "Warning";
  /** CamelCase constant; part of the API. */
  reason: string;
  /** One sentence. Cut at 1024 bytes. */
  note: string;
  /** What was being done, CamelCase. Default: the reason. */
  action?: string;
  related?: ObjectReference;
}

/** Where events are told; recording never throws and never waits. */
export interface EventSink {
  record(regarding: ObjectReference, event: EventText): void;
}

export interface EventRecorderOptions {
  client: Client;
  /** reportingComponent, such as "onload-operator". */
  component: string;
  /** reportingInstance: our pod's name. */
  instance: string;
  log: Logger;
  /** How long {@link EventRecorder.run} may go on after its signal, to write what is left. Default 2 s. */
  flushMs?: number | undefined;
  /** Default 5 s. */
  writeTimeoutMs?: number | undefined;
  clock?: Clock;
}

interface Series {
  event: Event & { metadata: { name: string; namespace: string } };
  count: number;
  /** By the wall clock, for readers. */
  lastSeen: number;
  /** The same by the monotonic clock. */
  lastSeenAt: number;
  /** Occurrences that the server knows of; 0 while the event is not created. */
  sent: number;
  /** Not to be sent before, by the monotonic clock. */
  due: number;
}

// A repeated event within this time continues the series, as in client-go.
const SERIES_MS = 6 * 60_000;
// A series is written at most this often.
const SERIES_WRITE_MS = 10_000;
const MAX_SERIES = 4096;
// An object may get this many different events at once, and then one a second.
const SUBJECT_BURST = 1000;
// So many are written in a row, and then so many a second: the story of hundreds of nodes must not hold up the nodes.
const WRITE_BURST = 25;
const WRITES_PER_SECOND = 25;
const MAX_TRIES = 8;
/** How long the events that are left at a shutdown may take. */
const FLUSH_MS = 2000;
const WRITE_TIMEOUT_MS = 5000;

/** A reference to `object`, which may come from a list and so lack its kind. */
export function referenceTo(resource: Resource, object: DeepReadonly<KubeObject>): ObjectReference {
  const { name, namespace, uid, resourceVersion } = object.metadata;
  return {
    apiVersion: apiVersionOf(resource),
    kind: resource.kind,
    name,
    ...(namespace ? { namespace } : {}),
    ...(uid ? { uid } : {}),
    ...(resourceVersion ? { resourceVersion } : {}),
  };
}

/**
 * Writes events in the background. The same event again becomes a series with a count; an object that
 * gets far too many events loses some.
 */
export class EventRecorder implements EventSink {
  readonly #options: EventRecorderOptions;
  readonly #clock: Clock;
  readonly #series = new Map<string, Series>();
  readonly #buckets = new Map<string, TokenBucket>();
  readonly #pace: TokenBucket;
  #wake: () => void = () => undefined;
  #dropped = 0;

  constructor(options: EventRecorderOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#pace = new TokenBucket(WRITES_PER_SECOND, WRITE_BURST, this.#clock);
  }

  /** Events that were not written: too many for their object, or refused by the server. */
  get dropped(): number {
    return this.#dropped;
  }

  record(regarding: ObjectReference, text: EventText): void {
    const now = this.#clock.now();
    const at = this.#clock.monotonic();
    const { kind, namespace, name, uid } = regarding;
    const key = JSON.stringify([kind, namespace, name, uid, text.type, text.reason, text.action, text.note]);
    const known = this.#series.get(key);
    if (known && at - known.lastSeenAt < SERIES_MS) {
      known.count++;
      known.lastSeen = now;
      known.lastSeenAt = at;
    } else if (this.#allowed(regarding.uid ?? `${regarding.kind}/${regarding.namespace}/${regarding.name}`)) {
      const event = this.#newEvent(regarding, text, now);
      this.#series.delete(key);
      this.#series.set(key, { event, count: 1, lastSeen: now, lastSeenAt: at, sent: 0, due: at });
    } else {
      this.#dropped++;
    }
    this.#forgetOld(at);
    this.#wake();
  }

  /** Writes events until the signal aborts, and then those that are left, for `flushMs` at most. Never throws. */
  async run(signal: AbortSignal): Promise<void> {
    const over = new AbortController();
    const cancelEnd = onAbort(signal, () =>
      this.#clock.after(this.#options.flushMs ?? FLUSH_MS, () => over.abort(new Error("the process is stopping"))),
    );
    while (!signal.aborted) {
      const series = this.#next();
      const now = this.#clock.monotonic();
      if (series && series.due <= now) {
        await this.#pace.take(signal).catch(() => undefined);
        if (!signal.aborted) await this.#send(series, signal, over.signal);
      } else {
        await this.#wait(series ? series.due - now : undefined, signal);
      }
    }
    for (const series of this.#series.values()) {
      if (over.signal.aborted) break;
      if (series.sent < series.count) await this.#send(series, over.signal, over.signal);
    }
    cancelEnd();
    this.#dropRest();
  }

  /** Nothing is written any more. */
  #dropRest(): void {
    let left = 0;
    for (const series of this.#series.values()) {
      left += series.count - series.sent;
      series.count = series.sent;
    }
    if (left > 0) this.#options.log.warn("Dropped the events that were left", { events: left });
    this.#dropped += left;
  }

  #next(): Series | undefined {
    let next: Series | undefined;
    for (const series of this.#series.values()) {
      if (series.sent < series.count && (!next || series.due < next.due)) next = series;
    }
    return next;
  }

  #wait(ms: number | undefined, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        cancel();
        signal.removeEventListener("abort", done);
        this.#wake = () => undefined;
        resolve();
      };
      const cancel = ms === undefined ? () => undefined : this.#clock.after(ms, done);
      signal.addEventListener("abort", done, { once: true });
      this.#wake = done;
    });
  }

  /**
   * @param stop no further try after it aborts
   * @param over cuts off a write under way: nothing is written afterwards, so that nothing is written twice
   */
  async #send(series: Series, stop: AbortSignal, over: AbortSignal): Promise<void> {
    const backoff = new Backoff({ baseDelayMs: 200, maxDelayMs: 10_000 });
    for (let tries = 1; ; tries++) {
      const { count } = series;
      try {
        await this.#write(series, over);
        series.sent = count;
        series.due = this.#clock.monotonic() + SERIES_WRITE_MS;
        return;
      } catch (error) {
        if (over.aborted) return;
        const refused = error instanceof ApiError && error.status < 500 && error.status !== 429;
        if (refused || tries >= MAX_TRIES) {
          this.#options.log.warn("Dropped an event", { reason: series.event.reason, error: errorText(error) });
          this.#dropped += count - series.sent;
          series.sent = count;
          return;
        }
        await sleep(backoff.next(), stop, this.#clock).catch(() => undefined);
        if (stop.aborted) return;
      }
    }
  }

  async #write(series: Series, signal: AbortSignal): Promise<void> {
    const { client, writeTimeoutMs: timeoutMs = WRITE_TIMEOUT_MS } = this.#options;
    const { event } = series;
    const { count, lastSeen } = series;
    const repeated = {
      count,
      lastTimestamp: secondTime(lastSeen),
      ...(count > 1 ? { series: { count, lastObservedTime: microTime(lastSeen) } } : {}),
    };
    if (series.sent > 0) {
      try {
        await client.mergePatch(EVENTS, event.metadata, repeated, { timeoutMs, signal });
        return;
      } catch (error) {
        // Events live for an hour: begin a new one.
        if (!isNotFound(error)) throw error;
        series.event = { ...event, metadata: { ...event.metadata, name: eventName(event.involvedObject?.name) } };
      }
    }
    await client.create<Event>(EVENTS, { ...series.event, ...repeated }, { timeoutMs, signal });
  }

  #newEvent(regarding: ObjectReference, text: EventText, now: number): Series["event"] {
    return {
      // Events about cluster-scoped objects live in "default".
      metadata: { name: eventName(regarding.name), namespace: regarding.namespace ?? "default" },
      eventTime: microTime(now),
      firstTimestamp: secondTime(now),
      type: text.type,
      reason: text.reason,
      action: text.action ?? text.reason,
      message: cut(text.note, 1024),
      involvedObject: regarding,
      ...(text.related ? { related: text.related } : {}),
      reportingComponent: this.#options.component,
      reportingInstance: cut(this.#options.instance, 128),
    };
  }

  #allowed(subject: string): boolean {
    let bucket = this.#buckets.get(subject);
    if (!bucket) {
      bucket = new TokenBucket(1, SUBJECT_BURST, this.#clock);
      this.#buckets.set(subject, bucket);
    }
    return bucket.tryTake();
  }

  #forgetOld(now: number): void {
    if (this.#series.size > MAX_SERIES) {
      for (const [key, series] of this.#series) {
        const written = series.sent >= series.count;
        if (written && now - series.lastSeenAt >= SERIES_MS) this.#series.delete(key);
      }
      for (const key of this.#series.keys()) {
        if (this.#series.size <= MAX_SERIES) break;
        this.#series.delete(key);
      }
    }
    if (this.#buckets.size > MAX_SERIES) this.#buckets.clear();
  }
}

/** Calls `start` when the signal aborts, or at once if it has. The returned function undoes what `start` did. */
function onAbort(signal: AbortSignal, start: () => () => void): () => void {
  let undo: (() => void) | undefined;
  const listener = (): void => {
    undo = start();
  };
  if (signal.aborted) listener();
  else signal.addEventListener("abort", listener, { once: true });
  return () => {
    signal.removeEventListener("abort", listener);
    undo?.();
  };
}

function eventName(subject: string | undefined): string {
  return `${(subject ?? "onload").slice(0, 200)}.${randomUUID().slice(0, 18)}`;
}

/** metav1.MicroTime. */
export function microTime(ms: number): string {
  return new Date(ms).toISOString().replace("Z", "000Z");
}

/** metav1.Time. */
function secondTime(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d+/, "");
}

function cut(text: string, bytes: number): string {
  const encoded = Buffer.from(text, "utf8");
  if (encoded.length <= bytes) return text;
  // An incomplete last character decodes to U+FFFD.
  return `${encoded
    .subarray(0, bytes - 3)
    .toString("utf8")
    .replace(/\uFFFD$/, "")}…`;
}
