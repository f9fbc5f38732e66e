/** `onloadctl status --wait`: looks again on every change, until all is Ready, only a person can help, or the time is over. */
import type { Health } from "./health.ts";
import type { ResourceStatus } from "./status-view.ts";

/** An event may be missed, and whether an operator acts no event tells. */
const LOOK_MS = 5000;
/** Changes come in bursts. */
const PAUSE_MS = 200;
/** An operator needs a moment to act on a change that no generation tells of, such as a retry: for so long it may. */
const SETTLED_MS = 5000;

/** What one look gives. */
interface Look {
  resources: readonly Pick<ResourceStatus, "namespace" | "name" | "status" | "message" | "health" | "needsPerson">[];
  health: Health;
}

/** Why the waiting is over. */
export type WaitEnd = "ready" | "needs a person" | "time is over";

export interface WaitOptions {
  timeoutMs: number;
  /** How long only a person must have been able to help; a test has less time. */
  settledMs?: number;
}

/**
 * Waits until everything is Ready, or will not be without a person: none of the resources that are not Ready can go on.
 *
 * @param subscribe is given a function to call when something may have changed
 * @param tell is given a line for each change of a resource's headline, but for one that needs a person
 * @returns the last look, and why it is the last
 * @throws the signal's reason when it aborts; whatever `look` throws
 */
export async function untilReady<L extends Look>(
  look: () => Promise<L>,
  subscribe: (changed: () => void) => void,
  { timeoutMs, settledMs = SETTLED_MS }: WaitOptions,
  tell: (line: string) => void,
  signal: AbortSignal,
): Promise<{ seen: L; end: WaitEnd }> {
  const told = new Map<string, string>();
  let wake: () => void = () => undefined;
  subscribe(() => wake());
  const end = performance.now() + timeoutMs;
  let stuckSince: number | undefined;
  for (;;) {
    const seen = await look();
    signal.throwIfAborted();
    const now = performance.now();
    if (seen.health === "ready") return { seen, end: "ready" };
    if (now >= end) return { seen, end: "time is over" };
    stuckSince = isStuck(seen) ? (stuckSince ?? now) : undefined;
    const settled = stuckSince === undefined ? Infinity : stuckSince + settledMs;
    if (now >= settled) return { seen, end: "needs a person" };
    for (const { namespace, name, status, message, needsPerson } of seen.resources) {
      // What may be the end is told there.
      if (needsPerson) continue;
      const line = `${namespace}/${name}: ${status}: ${message}`;
      if (told.get(`${namespace}/${name}`) !== line) tell(`${line}\n`);
      told.set(`${namespace}/${name}`, line);
    }
    const left = Math.min(end, settled) - now;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, Math.min(LOOK_MS, left));
      const soon = (ms: number): void => {
        clearTimeout(timer);
        setTimeout(resolve, ms);
      };
      wake = () => soon(Math.min(PAUSE_MS, left));
      signal.addEventListener("abort", () => soon(0), { once: true });
    });
    signal.throwIfAborted();
  }
}

function isStuck({ resources }: Look): boolean {
  const left = resources.filter(({ health }) => health !== "ready");
  return left.length > 0 && left.every(({ needsPerson }) => needsPerson);
}
