/** What has lasted so long is no passing trouble any more: people are told, and it is tried again ever more seldom. */
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
