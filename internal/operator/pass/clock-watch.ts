import { CLOCK_TOLERANCE_MS } from "../rollout/believed.ts";

/** Notices that a person or NTP has set the wall clock: it then reads something else than the time that has gone by. */
export class ClockWatch {
  #offset: number | undefined;
  #setAt: number | undefined;

  /** @param absence when the clock may have been set unseen, in milliseconds since the epoch, because nobody looked */
  constructor(absence?: number) {
    this.#setAt = absence;
  }

  /**
   * @param now milliseconds since the epoch
   * @param monotonic milliseconds of a clock that does not go back
   * @returns what the clock read when it was first seen to have been set, the last time; undefined if it never was
   */
  look(now: number, monotonic: number): number | undefined {
    const offset = now - monotonic;
    // A time in the future was written by another clock: nothing follows from it.
    if (this.#offset === undefined && (this.#setAt ?? now) > now) this.#setAt = undefined;
    if (Math.abs(offset - (this.#offset ?? offset)) > CLOCK_TOLERANCE_MS) this.#setAt = now;
    this.#offset = offset;
    return this.#setAt;
  }
}
