import { systemClock, type Clock } from "../kube/clock.ts";
import { defaultControllerRateLimiter, type RateLimiter } from "./rate-limiter.ts";

/** Told of what happens to keys, for the workqueue_* metrics. */
export interface QueueObserver {
  added(): void;
  retried(): void;
  depth(length: number): void;
  /** A key is handed out after this time in the queue. */
  started(waitedMs: number): void;
  finished(tookMs: number): void;
}

export interface WorkQueueOptions {
  rateLimiter?: RateLimiter;
  clock?: Clock;
  observer?: QueueObserver;
}

/**
 * A queue of keys (client-go: TypedRateLimitingInterface). A key that waits already is not added twice. A key that is
 * being worked on is not handed out before it is done; if it was added meanwhile, it is then handed out once more.
 */
export class WorkQueue {
  readonly #clock: Clock;
  readonly #limiter: RateLimiter;
  readonly #observer: QueueObserver | undefined;
  /** Keys to hand out, in order, with the time they were added. */
  readonly #queue = new Map<string, number>();
  /** Keys being worked on, with the time they were handed out. */
  readonly #processing = new Map<string, number>();
  /** Keys whose work is done and that must rest, each with a function that ends the rest. */
  readonly #resting = new Map<string, () => void>();
  /** Keys added while they were being worked on, or resting. */
  readonly #again = new Set<string>();
  readonly #delayed = new Map<string, { at: number; cancel: () => void }>();
  readonly #takers: ((key: string | undefined) => void)[] = [];
  #shutDown = false;

  constructor(options: WorkQueueOptions = {}) {
    this.#clock = options.clock ?? systemClock;
    this.#limiter = options.rateLimiter ?? defaultControllerRateLimiter(this.#clock);
    this.#observer = options.observer;
  }

  /** Keys that wait to be handed out now. */
  get length(): number {
    return this.#queue.size;
  }

  /** When each key being worked on was handed out, by the monotonic clock. */
  get startTimes(): Iterable<number> {
    return this.#processing.values();
  }

  add(key: string): void {
    if (this.#shutDown) return;
    if (this.#processing.has(key) || this.#resting.has(key)) {
      if (this.#again.has(key)) return;
      this.#again.add(key);
      this.#observer?.added();
      return;
    }
    if (this.#queue.has(key)) return;
    this.#observer?.added();
    this.#enqueue(key);
  }

  /** Adds the key after `ms` milliseconds. If there are several such times for a key, the earliest counts. */
  addAfter(key: string, ms: number): void {
    if (this.#shutDown) return;
    if (ms <= 0) {
      this.add(key);
      return;
    }
    const at = this.#clock.monotonic() + ms;
    const known = this.#delayed.get(key);
    if (known && known.at <= at) return;
    known?.cancel();
    const cancel = this.#clock.after(ms, () => {
      this.#delayed.delete(key);
      this.add(key);
    });
    this.#delayed.set(key, { at, cancel });
  }

  /** Adds the key when its rate limiter allows: after a failure. */
  addRateLimited(key: string): void {
    this.#observer?.retried();
    this.addAfter(key, this.#limiter.when(key));
  }

  /** The key succeeded: its backoff starts anew. */
  forget(key: string): void {
    this.#limiter.forget(key);
  }

  numRequeues(key: string): number {
    return this.#limiter.numRequeues(key);
  }

  /** The next key, as soon as there is one; undefined once the queue is shut down. Call {@link done} after the work. */
  get(): Promise<string | undefined> {
    if (this.#shutDown) return Promise.resolve(undefined);
    for (const key of this.#queue.keys()) return Promise.resolve(this.#hand(key));
    return new Promise((resolve) => this.#takers.push(resolve));
  }

  /**
   * The work on the key is over.
   *
   * @param restMs the key is not handed out for this time, however often it is added: many events cost one reconcile
   */
  done(key: string, restMs = 0): void {
    const started = this.#processing.get(key);
    if (started === undefined) return;
    this.#processing.delete(key);
    this.#observer?.finished(this.#clock.monotonic() - started);
    if (this.#shutDown) return;
    const wake = (): void => {
      this.#resting.delete(key);
      if (this.#again.delete(key)) this.#enqueue(key);
    };
    if (restMs > 0) this.#resting.set(key, this.#clock.after(restMs, wake));
    else wake();
  }

  /** Hands out nothing more, and forgets what waits: the next start lists everything anyway. */
  shutDown(): void {
    this.#shutDown = true;
    for (const { cancel } of this.#delayed.values()) cancel();
    this.#delayed.clear();
    for (const cancel of this.#resting.values()) cancel();
    this.#resting.clear();
    this.#queue.clear();
    this.#again.clear();
    for (const taker of this.#takers.splice(0)) taker(undefined);
  }

  #enqueue(key: string): void {
    this.#queue.set(key, this.#clock.monotonic());
    const taker = this.#takers.shift();
    if (taker) taker(this.#hand(key));
    else this.#observer?.depth(this.#queue.size);
  }

  #hand(key: string): string {
    const now = this.#clock.monotonic();
    this.#observer?.started(now - (this.#queue.get(key) ?? now));
    this.#queue.delete(key);
    this.#processing.set(key, now);
    this.#observer?.depth(this.#queue.size);
    return key;
  }
}
