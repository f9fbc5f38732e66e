/** What containers' processes may cost whoever looks into them. */

/**
 * Processor time of a container at first and at most, in milliseconds: enough for as many ordinary processes as are looked
 * into, each of which is read in three looks.
 */
const FIRST_MS = 3000;
/** What each look adds, for one container at most and for all together. */
const LOOK_MS = { one: 100, all: 2000 };
/** What all containers of a node may cost together in one look, if those before were cheap. */
const NODE_MS = 10_000;

/** Processor time that all threads of this process have had, in milliseconds. */
export function processorTime(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/**
 * The processor time that is left for all containers of a node: fifty that are dear at once cost no more than one look may.
 * Each has an equal part of it, so that no number of them takes the sight of another.
 */
export class NodeAllowance {
  #leftMs = NODE_MS;

  /**
   * Begins a look.
   *
   * @returns what it adds to each of so many containers, and what each may cost in it, in milliseconds
   */
  begin(containers: number): { addMs: number; mostMs: number } {
    this.#leftMs = Math.min(NODE_MS, this.#leftMs + LOOK_MS.all);
    const addMs = Math.min(LOOK_MS.one, LOOK_MS.all / containers);
    // Also after looks that have cost more than there was, each has what this one adds.
    return { addMs, mostMs: Math.max(addMs, this.#leftMs / containers) };
  }

  spend(ms: number): void {
    this.#leftMs -= ms;
  }
}

/**
 * The processor time that is left for a container. To read programs and tables of sockets is dear, and a container can
 * change them before each look: what it has used up, it waits for.
 */
export class Allowance {
  readonly #node: NodeAllowance;
  readonly #now: () => number;
  #leftMs = FIRST_MS;
  /** Of this look. */
  #mostMs = 0;

  /** @param now processor time so far, in milliseconds */
  constructor(node: NodeAllowance, now: () => number = processorTime) {
    this.#node = node;
    this.#now = now;
  }

  get now(): number {
    return this.#now();
  }

  /** Begins a look with what {@link NodeAllowance.begin} says. */
  begin({ addMs, mostMs }: { addMs: number; mostMs: number }): void {
    this.#leftMs = Math.min(FIRST_MS, this.#leftMs + addMs);
    // What was more than its part of the look before is taken from this one's.
    this.#mostMs = mostMs + Math.min(0, this.#mostMs);
  }

  get isSpent(): boolean {
    return this.#leftMs <= 0 || this.#mostMs <= 0;
  }

  /** Does work at its cost, which may be more than is left. */
  async pay<T>(work: () => Promise<T>): Promise<T> {
    return await payTogether([this], work);
  }

  spend(ms: number): void {
    this.#leftMs -= ms;
    this.#mostMs -= ms;
    this.#node.spend(ms);
  }
}

/** Does work of which each of some has the use, at the cost of all of them in equal parts. */
export async function payTogether<T>(payers: readonly Allowance[], work: () => Promise<T>): Promise<T> {
  const [first] = payers;
  const before = first?.now ?? 0;
  try {
    return await work();
  } finally {
    const tookMs = (first?.now ?? 0) - before;
    for (const payer of payers) payer.spend(tookMs / payers.length);
  }
}
