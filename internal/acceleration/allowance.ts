/** What a container's processes may cost whoever looks into them. */

/**
 * Processor time at first, in milliseconds: enough for as many ordinary processes as are looked into, each of which is read
 * in three looks.
 */
const FIRST_MS = 3000;
/** What each look adds, for one container at most and for all together. */
const LOOK_MS = { one: 100, all: 2000 };

/** How much is added for each of so many containers with a look, in milliseconds. */
export function allowanceOf(containers: number): number {
  return Math.min(LOOK_MS.one, LOOK_MS.all / containers);
}

/** Processor time that all threads of this process have had, in milliseconds. */
export function processorTime(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/**
 * The processor time that is left for a container. To read programs and tables of sockets is dear, and a container can
 * change them before each look: what it has used up, it waits for.
 */
export class Allowance {
  readonly #now: () => number;
  #leftMs = FIRST_MS;

  /** @param now processor time so far, in milliseconds */
  constructor(now: () => number = processorTime) {
    this.#now = now;
  }

  /** Adds so many milliseconds, until it is as much as at first. */
  add(ms: number): void {
    this.#leftMs = Math.min(FIRST_MS, this.#leftMs + ms);
  }

  get isSpent(): boolean {
    return this.#leftMs <= 0;
  }

  /** Does work at its cost, which may be more than is left. */
  async pay<T>(work: () => Promise<T>): Promise<T> {
    const before = this.#now();
    try {
      return await work();
    } finally {
      this.#leftMs -= this.#now() - before;
    }
  }
}
