/** Notices that nothing moves. */
import { formatAge } from "../cli/table.ts";

/** After this time without a move a person is told, and again whenever it has doubled. */
const FIRST_REMINDER_MS = 30_000;

/** What is known of a standstill. */
export interface Still {
  /** For how long nothing has moved, as people read it. */
  age: string;
  /** Whether it is time to say so. */
  remind: boolean;
  /** Whether it has lasted too long. */
  expired: boolean;
}

export class Stillness {
  readonly #limitMs: number;
  #position: string | undefined;
  #since = 0;
  #nextMs = FIRST_REMINDER_MS;

  /** @param limitMs how long nothing may move */
  constructor(limitMs: number) {
    this.#limitMs = limitMs;
  }

  /**
   * Looks again.
   *
   * @param position changes whenever anything moves
   * @param now milliseconds of a clock that does not go back
   */
  look(position: string, now: number): Still {
    if (position !== this.#position) {
      this.#position = position;
      this.#since = now;
      this.#nextMs = FIRST_REMINDER_MS;
    }
    const ageMs = now - this.#since;
    const remind = ageMs >= this.#nextMs;
    while (ageMs >= this.#nextMs) this.#nextMs *= 2;
    return { age: formatAge(ageMs), remind, expired: ageMs >= this.#limitMs };
  }
}
