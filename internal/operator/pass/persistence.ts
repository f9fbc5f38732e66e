/** After this time a failure no longer counts as passing: it is reported, and retries become less and less frequent. */
const PERSISTENT_MS = 10_000;

/** Whether something lasts from pass to pass. */
export class Persistence {
  #since: number | undefined;

  /** @param now milliseconds of a clock that does not go back */
  persists(holds: boolean, now: number): boolean {
    this.#since = holds ? (this.#since ?? now) : undefined;
    return this.#since !== undefined && now - this.#since >= PERSISTENT_MS;
  }
}
