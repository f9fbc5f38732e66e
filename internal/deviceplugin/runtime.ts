/**
 * What the runtime offers beyond node: and the Web's APIs. This is the one file of the program that asks for it
 * (scripts/lib/import-rules.ts), and a runtime that does not offer it does without.
 */

/** Bun's own, as far as it is used. */
interface Bun {
  /** Collects garbage, now and completely if told so. */
  gc?: (now: boolean) => void;
  /** Drops compiled code and gives free pages back to the system. */
  shrink?: () => void;
}

/** Gives the memory that this process does not need back to the system. Takes some ten milliseconds. */
export function giveMemoryBack(): void {
  const { Bun: bun } = globalThis as { Bun?: Bun };
  bun?.gc?.(true);
  bun?.shrink?.();
}
