import { errorText } from "../cli/errors.ts";
import type { Logger } from "../cli/log.ts";
import { Backoff } from "./backoff.ts";
import type { Client } from "./client.ts";
import { onAbort, sleep, systemClock, type Clock } from "./clock.ts";
import type { Event, ObjectReference } from "./kinds.ts";
import { ApiError, isAlreadyExists, isNotFound, LeadershipLostError } from "./errors.ts";
import { eventName, newEvent, type EventSink, type EventText, type NewEvent } from "./event.ts";
import { microTime, secondTime } from "./times.ts";
import { TokenBucket } from "./rate-limit.ts";
import { EVENTS } from "./resource.ts";

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
  event: NewEvent;
  count: number;
  /** Of the last occurrence, by the wall clock: for readers. */
  lastSeen: number;
  /** Of the last occurrence, by the monotonic clock: for intervals. */
  lastSeenAt: number;
  /** Occurrences that the server knows of; 0 while the event is not created. */
  sent: number;
  /** Not written before this time, by the monotonic clock. */
  due: number;
}

// A repeated event within this time continues the series, as in client-go.
const SERIES_MS = 6 * 60_000;
// A series is written at most this often.
const SERIES_WRITE_MS = 10_000;
const MAX_SERIES = 4096;
// An object may get this many different events at once, and then one a second.
const SUBJECT_BURST = 1000;
// A burst, and then a rate: events of hundreds of nodes must not hold up the work on the nodes.
const WRITE_BURST = 25;
const WRITES_PER_SECOND = 25;
const MAX_TRIES = 8;
/** How long the events that are left at a shutdown may take. */
const FLUSH_MS = 2000;
const WRITE_TIMEOUT_MS = 5000;

/**
 * Writes events in the background. An event that repeats becomes a series with a count. An object that gets far too many
 * events loses some.
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
      const event = newEvent(regarding, text, this.#options, now);
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

  /** Counts what was not written before the time was over. */
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
   * @param stop nothing is tried again after it aborts
   * @param over ends a write under way; nothing is written after it aborts, so no write is done twice
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
        const refused =
          error instanceof LeadershipLostError ||
          (error instanceof ApiError && error.status < 500 && error.status !== 429);
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
    try {
      await client.create<Event>(EVENTS, { ...series.event, ...repeated }, { timeoutMs, signal });
    } catch (error) {
      if (!isAlreadyExists(error)) throw error;
      // The answer to an earlier try was lost: nobody else makes an event of this name.
      await client.mergePatch(EVENTS, series.event.metadata, repeated, { timeoutMs, signal });
    }
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
