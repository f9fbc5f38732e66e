import type { Clock } from "../clock.ts";

/** A clock that stands still until it is told to go on. */
export class FakeClock implements Clock {
  #elapsed = 0;
  /** The wall clock's reading when nothing had elapsed. */
  #origin: number;
  #timers: { at: number; fn: () => void }[] = [];

  constructor(now = 1_700_000_000_000) {
    this.#origin = now;
  }

  now = (): number => this.#origin + this.#elapsed;

  monotonic = (): number => this.#elapsed;

  after = (ms: number, fn: () => void): (() => void) => {
    const timer = { at: this.#elapsed + Math.max(0, ms), fn };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  };

  /** How long until the next timer; undefined if there is none. */
  get untilNext(): number | undefined {
    const next = this.#next();
    return next && next.at - this.#elapsed;
  }

  /** Sets the wall clock forward or back, as a person or NTP does. No time passes. */
  step(ms: number): void {
    this.#origin += ms;
  }

  /** Lets time pass for a process that is stopped: no timer runs before it goes on. */
  freeze(ms: number): void {
    this.#elapsed += ms;
  }

  /** Lets time pass, running timers in their order. What they start is given time to run up to its next real wait. */
  async advance(ms: number): Promise<void> {
    await settled();
    const end = this.#elapsed + ms;
    for (let next = this.#next(); next && next.at <= end; next = this.#next()) {
      this.#elapsed = next.at;
      this.#timers = this.#timers.filter((other) => other !== next);
      next.fn();
      await settled();
    }
    this.#elapsed = end;
    await settled();
  }

  #next(): { at: number; fn: () => void } | undefined {
    let next: { at: number; fn: () => void } | undefined;
    for (const timer of this.#timers) if (!next || timer.at < next.at) next = timer;
    return next;
  }
}

/** Lets every promise that is ready run, however long the chain. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** A clock on which everything happens `factor` times as fast. */
export function hurriedClock(factor: number): Clock {
  const start = Date.now();
  return {
    now: () => start + (Date.now() - start) * factor,
    monotonic: () => performance.now() * factor,
    after(ms, fn) {
      const timer = setTimeout(fn, ms / factor);
      return () => clearTimeout(timer);
    },
  };
}
