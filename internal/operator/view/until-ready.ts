/** `onloadctl status --wait`: looks again on every change, until all is Ready or the time is over. */
import type { Health } from "./health.ts";
import type { ResourceStatus } from "./status-view.ts";

/** An event may be missed, and whether an operator acts no event tells. */
const LOOK_MS = 5000;
/** Changes come in bursts. */
const PAUSE_MS = 200;

/** What one look gives. */
interface Look {
  resources: readonly Pick<ResourceStatus, "namespace" | "name" | "status" | "message">[];
  health: Health;
}

/**
 * Waits until everything is Ready.
 *
 * @param subscribe is given a function to call when something may have changed
 * @param tell is given a line for each change of a resource's headline
 * @returns the last look, whatever it says, when all is Ready or `timeoutMs` is over
 * @throws the signal's reason when it aborts; whatever `look` throws
 */
export async function untilReady<L extends Look>(
  look: () => Promise<L>,
  subscribe: (changed: () => void) => void,
  timeoutMs: number,
  tell: (line: string) => void,
  signal: AbortSignal,
): Promise<L> {
  const told = new Map<string, string>();
  let wake: () => void = () => undefined;
  subscribe(() => wake());
  const end = performance.now() + timeoutMs;
  for (;;) {
    const seen = await look();
    signal.throwIfAborted();
    const left = end - performance.now();
    if (seen.health === "ready" || left <= 0) return seen;
    for (const { namespace, name, status, message } of seen.resources) {
      const line = `${namespace}/${name}: ${status}: ${message}`;
      if (told.get(`${namespace}/${name}`) !== line) tell(`${line}\n`);
      told.set(`${namespace}/${name}`, line);
    }
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
