import { systemClock, type Clock } from "../kube/clock.ts";
import { TokenBucket } from "../kube/rate-limit.ts";

/** Says how long a key that failed must wait (client-go: TypedRateLimiter). */
export interface RateLimiter {
  /** Milliseconds to wait before the key's next try. */
  when(key: string): number;
  /** The key succeeded: its backoff starts anew. */
  forget(key: string): void;
  /** Failures since the key was last forgotten. */
  numRequeues(key: string): number;
}

/** Exponential backoff for each key: `baseDelayMs`, then twice as long each time, up to `maxDelayMs`. */
export class ItemExponentialFailureRateLimiter implements RateLimiter {
  readonly #baseDelayMs: number;
  readonly #maxDelayMs: number;
  readonly #failures = new Map<string, number>();

  constructor(baseDelayMs = 5, maxDelayMs = 1_000_000) {
    this.#baseDelayMs = baseDelayMs;
    this.#maxDelayMs = maxDelayMs;
  }

  when(key: string): number {
    const failures = this.numRequeues(key);
    this.#failures.set(key, failures + 1);
    return Math.min(this.#maxDelayMs, this.#baseDelayMs * 2 ** failures);
  }

  forget(key: string): void {
    this.#failures.delete(key);
  }

  numRequeues(key: string): number {
    return this.#failures.get(key) ?? 0;
  }
}

/** A limit over all keys together. */
export class BucketRateLimiter implements RateLimiter {
  readonly #bucket: TokenBucket;

  constructor(perSecond = 10, burst = 100, clock: Clock = systemClock) {
    this.#bucket = new TokenBucket(perSecond, burst, clock);
  }

  when(): number {
    return this.#bucket.reserve();
  }

  forget(): void {}

  numRequeues(): number {
    return 0;
  }
}

/** The longest wait that any of several limiters asks for. */
export class MaxOfRateLimiter implements RateLimiter {
  readonly #limiters: readonly RateLimiter[];

  constructor(...limiters: RateLimiter[]) {
    this.#limiters = limiters;
  }

  when(key: string): number {
    return Math.max(...this.#limiters.map((limiter) => limiter.when(key)));
  }

  forget(key: string): void {
    for (const limiter of this.#limiters) limiter.forget(key);
  }

  numRequeues(key: string): number {
    return Math.max(...this.#limiters.map((limiter) => limiter.numRequeues(key)));
  }
}

/** client-go's DefaultTypedControllerRateLimiter: 5 ms to 1000 s per key, and 10 per second after a burst of 100 over all keys. */
export function defaultControllerRateLimiter(clock: Clock = systemClock): RateLimiter {
  return new MaxOfRateLimiter(new ItemExponentialFailureRateLimiter(), new BucketRateLimiter(10, 100, clock));
}
