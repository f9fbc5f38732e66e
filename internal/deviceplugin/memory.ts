/**
 * Giving memory back while nothing is asked of the plugin. A node has it running for years and calls it when a pod
 * starts: what start and calls have left behind (code, caches, free pages) is of no use in between.
 */
import { Wake } from "./wake.ts";

/** Quiet for this long, a plugin is idle. */
const IDLE_MS = 5000;
const FOR_EVER_MS = 2 ** 31 - 1;

/** What Bun has for it beyond the Web's APIs: `shrink` drops compiled code and hands free pages to the system. */
interface Runtime {
  gc?: (now: boolean) => void;
  shrink?: () => void;
}

export interface MemoryOptions {
  /** Default: 5 s. */
  idleMs?: number;
  /** What to do once idle; by default what the runtime offers. */
  giveBack?: () => void;
}

export class Memory {
  #usedAt = performance.now();
  #use = new Wake();

  /** Something is being asked of the plugin. */
  used(): void {
    this.#usedAt = performance.now();
    this.#use.notify();
  }

  /** Gives memory back each time the plugin has become idle, until the signal aborts. */
  async run(signal: AbortSignal, { idleMs = IDLE_MS, giveBack = shrink }: MemoryOptions = {}): Promise<void> {
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
      await this.#use.wait(FOR_EVER_MS, signal);
    }
  }
}

function shrink(): void {
  const { gc, shrink: handBack } = (globalThis as { Bun?: Runtime }).Bun ?? {};
  gc?.(true);
  handBack?.();
}
