/**
 * Gives memory back while nothing is asked of the plugin. It runs on a node for years and is called when a pod starts:
 * what its start and the calls leave behind (code, caches, free pages) is of no use in between.
 */
import { giveMemoryBack } from "./runtime.ts";
import { Wake } from "./wake.ts";

/** A plugin of which nothing has been asked for this long is idle. */
const IDLE_MS = 5000;
/** The longest time that a timer can have: 25 days. */
const MAX_TIMER_MS = 2 ** 31 - 1;

export interface MemoryOptions {
  /** Default: 5 s. */
  idleMs?: number;
  /** What to do when the plugin has become idle. Default: {@link giveMemoryBack}. */
  giveBack?: () => void;
}

export class Memory {
  #usedAt = performance.now();
  #use = new Wake();

  /** To be called whenever something is asked of the plugin. */
  used(): void {
    this.#usedAt = performance.now();
    this.#use.notify();
  }

  /** Gives memory back each time the plugin has become idle, until the signal is aborted. */
  async run(signal: AbortSignal, { idleMs = IDLE_MS, giveBack = giveMemoryBack }: MemoryOptions = {}): Promise<void> {
    const pause = new Wake();
    while (!signal.aborted) {
      const busyMs = this.#usedAt + idleMs - performance.now();
      if (busyMs > 0) {
        await pause.wait(busyMs, signal);
        continue;
      }
      giveBack();
      // A new one: it knows nothing of what was asked before.
      this.#use = new Wake();
      await this.#use.wait(MAX_TIMER_MS, signal);
    }
  }
}
