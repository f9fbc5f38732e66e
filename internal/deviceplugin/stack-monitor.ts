import { askForStacks } from "../acceleration/ask.ts";
import { containerKey } from "../acceleration/facts.ts";
import { MAX_STACKS } from "../acceleration/stack-counters.ts";
import { errorText } from "../cli/errors.ts";
import type { Logger } from "../cli/log.ts";
import type { Holder } from "./holders.ts";
import type { LookedInto } from "./pod-metrics.ts";
import type { StackMetrics, StackOfContainer } from "./stack-metrics.ts";
import { Wake } from "./wake.ts";

/** After a reading, a pause of so many times what it took: at most two percent of one core. */
const PAUSE_PER_TIME = 50;
/** The longest of these pauses. */
const MAX_PAUSE_MS = 15 * 60_000;
/** What was read is shown through so many readings that fail. */
const FAILURES_UNTIL_CLEARED = 3;
/** Nothing is done without a look, whose end is the signal for it. */
const IDLE_MS = 60 * 60_000;

/** What was read of a stack last, and what has happened between the two last readings. */
export interface StackNow {
  id: number;
  values: Readonly<Record<string, number>>;
  /** Only counters that have grown; undefined: it has been read once. */
  recent: { seconds: number; grown: Record<string, number> } | undefined;
}

/** A stack, and when it was read, in milliseconds of a clock that never goes back. */
interface Shown extends StackOfContainer {
  at: number;
  recent: StackNow["recent"];
}

/**
 * Reads the counters of the stacks that a look has found, after each look. Nothing waits for it: neither the plugin nor the
 * next look. What was read of a stack is shown as long as the container that had it then still has it.
 */
export class StackMonitor {
  readonly #socket: string;
  readonly #log: Logger;
  readonly #metrics: StackMetrics;
  readonly #look = new Wake();
  #found: readonly LookedInto[] = [];
  #shown: readonly Shown[] = [];
  #total: number | undefined;
  #failures = 0;
  #said: string | undefined;

  /** @param socket that of the container onload-worker */
  constructor(socket: string, log: Logger, metrics: StackMetrics) {
    this.#socket = socket;
    this.#log = log;
    this.#metrics = metrics;
  }

  /** Why nothing can be read now; undefined: it can, or has not been tried. */
  get problem(): string | undefined {
    return this.#said;
  }

  /** What was read of a container's stacks. One that several containers have is told of each. */
  stacksOf(container: Holder): StackNow[] {
    const own = containerKey(container.podUid, container.container);
    const found = this.#found.find(({ holder }) => containerKey(holder.podUid, holder.container) === own);
    const ids = found?.facts.stackIds ?? [];
    return this.#shown.filter(({ id }) => ids.includes(id)).map(({ id, values, recent }) => ({ id, values, recent }));
  }

  /** Takes what a look has found. */
  looked(found: readonly LookedInto[]): void {
    this.#found = found;
    const still = keysOf(found);
    this.#show(
      this.#shown.filter(({ holder, id }) => still.has(keyOf(holder, id))),
      found.length > 0 ? this.#total : undefined,
    );
    if (found.length > 0) this.#look.notify();
  }

  /** Reads until the signal is aborted. Never throws. */
  async run(signal: AbortSignal): Promise<void> {
    const pause = new Wake();
    while (!signal.aborted) {
      await this.#look.wait(IDLE_MS, signal);
      if (this.#found.length === 0 || signal.aborted) continue;
      const started = performance.now();
      try {
        await this.#read(signal);
      } catch (error) {
        if (signal.aborted) break;
        this.#failed(error);
      }
      await pause.wait(Math.min((performance.now() - started) * PAUSE_PER_TIME, MAX_PAUSE_MS), signal);
    }
  }

  async #read(signal: AbortSignal): Promise<void> {
    const wanted = stacksOf(this.#found).slice(0, MAX_STACKS);
    const { total, stacks } = await askForStacks(this.#socket, { stacks: wanted.map(({ id }) => id) }, signal);
    const at = performance.now();
    const values = new Map(stacks.map((stack) => [stack.id, stack.values]));
    const before = new Map(this.#shown.map((shown) => [keyOf(shown.holder, shown.id), shown]));
    // A look may have found meanwhile that some are gone.
    const still = keysOf(this.#found);
    const shown = wanted.flatMap(({ holder, id }) => {
      const found = still.has(keyOf(holder, id)) ? values.get(id) : undefined;
      if (found === undefined) return [];
      return [{ holder, id, values: found, at, recent: recentOf(before.get(keyOf(holder, id)), found, at) }];
    });
    this.#show(shown, total);
    this.#metrics.read(true);
    if (this.#said !== undefined) this.#log.info("Can read the counters of stacks again");
    this.#said = undefined;
    this.#failures = 0;
  }

  #show(shown: readonly Shown[], total: number | undefined): void {
    this.#shown = shown;
    this.#total = total;
    this.#metrics.show(shown, total);
  }

  #failed(error: unknown): void {
    this.#metrics.read(false);
    const text = errorText(error);
    if (text !== this.#said) this.#log.warn("Cannot read the counters of stacks; trying again", { error });
    this.#said = text;
    if (++this.#failures >= FAILURES_UNTIL_CLEARED) this.#show([], undefined);
  }
}

function recentOf(before: Shown | undefined, values: Readonly<Record<string, number>>, at: number): StackNow["recent"] {
  if (before === undefined) return undefined;
  const grown = Object.entries(values)
    .map(([name, value]): [string, number] => [name, value - (before.values[name] ?? value)])
    .filter(([, growth]) => growth > 0);
  return { seconds: (at - before.at) / 1000, grown: Object.fromEntries(grown) };
}

/** The stacks of containers. One that several have, as the containers of a pod may, is the first one's. */
function stacksOf(found: readonly LookedInto[]): { holder: Holder; id: number }[] {
  const owners = new Map<number, Holder>();
  for (const { holder, facts } of found) {
    for (const id of facts.stackIds) if (!owners.has(id)) owners.set(id, holder);
  }
  return [...owners].map(([id, holder]) => ({ holder, id }));
}

function keysOf(found: readonly LookedInto[]): Set<string> {
  return new Set(stacksOf(found).map(({ holder, id }) => keyOf(holder, id)));
}

function keyOf({ podUid, container }: Holder, id: number): string {
  return `${containerKey(podUid, container)}/${id}`;
}
