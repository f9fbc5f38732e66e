export interface BackoffOptions {
  baseDelayMs: number;
  maxDelayMs: number;
  /** From 0 to below 1. */
  random?: () => number;
}

/** Delays that double until they are reset. Each is lengthened by a random part of itself, so that clients spread out. */
export class Backoff {
  readonly #options: BackoffOptions;
  #failures = 0;

  constructor(options: BackoffOptions) {
    this.#options = options;
  }

  /** How many delays were taken since the last reset. */
  get failures(): number {
    return this.#failures;
  }

  /** The next delay in milliseconds. */
  next(): number {
    const { baseDelayMs, maxDelayMs, random = Math.random } = this.#options;
    const base = Math.min(maxDelayMs, baseDelayMs * 2 ** this.#failures);
    this.#failures++;
    return base * (1 + random());
  }

  reset(): void {
    this.#failures = 0;
  }
}
