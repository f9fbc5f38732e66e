import { setImmediate as nextTurn } from "node:timers/promises";

/** How long others wait for their turn, in milliseconds. */
const TURN_MS = 5;

/** Long work that lets others go on between its parts. */
export class Turn {
  #ends = 0;

  get isOver(): boolean {
    return performance.now() >= this.#ends;
  }

  /** Lets others go on. */
  async next(): Promise<void> {
    await nextTurn();
    this.#ends = performance.now() + TURN_MS;
  }
}
