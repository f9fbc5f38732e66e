import { systemClock, type Clock } from "./clock.ts";
import { LeadershipLostError } from "./errors.ts";

/**
 * Lets a leader's writes through for as long as no other process can have taken its Lease. A process that was stopped for
 * longer finds it closed as soon as it goes on, whatever it was about to write.
 *
 * The monotonic clock goes on while a process is stopped, but not while a whole machine is. What a machine sends before
 * its first renewal fails is limited by the versions and uids that writes carry.
 */
export class LeaseFence {
  readonly #clock: Clock;
  #lease = "";
  /** By the monotonic clock. */
  #openUntil = -Infinity;
  #onRefusal: (error: LeadershipLostError) => void = () => undefined;

  constructor(clock: Clock = systemClock) {
    this.#clock = clock;
  }

  /** A candidate begins to lead. @param onRefusal called with what {@link check} throws */
  guard(lease: string, onRefusal: (error: LeadershipLostError) => void): void {
    this.#lease = lease;
    this.#onRefusal = onRefusal;
  }

  /** The Lease is surely ours until then, by the monotonic clock. */
  open(until: number): void {
    this.#openUntil = until;
  }

  /** The Lease is another's. */
  close(): void {
    this.#openUntil = -Infinity;
  }

  /**
   * To be called right before each write.
   *
   * @throws LeadershipLostError unless the Lease is surely ours
   */
  check(): void {
    if (this.#clock.monotonic() < this.#openUntil) return;
    const error = new LeadershipLostError(
      `Cannot write: Lease "${this.#lease}" was not renewed in time, so another process may lead`,
    );
    this.#onRefusal(error);
    throw error;
  }
}
