/** Waits until a cluster is idle, so that earlier work is not measured. */
import { cpus } from "node:os";
import { poll } from "../../internal/testcluster/lib/poll.ts";

/** The machine counts as idle if this share of all processors is idle. */
const IDLE_SHARE = 0.5;
const WINDOW_MS = 2000;

/** Idle and total time of all processors so far, in milliseconds. */
function processorTime(): { idle: number; whole: number } {
  const times = cpus().map((cpu) => cpu.times);
  const idle = times.reduce((sum, time) => sum + time.idle, 0);
  const whole = times.reduce((sum, { user, nice, sys, idle: rest, irq }) => sum + user + nice + sys + rest + irq, 0);
  return { idle, whole };
}

/**
 * Waits until KMM has sent no request for a second. It sends 20 per second while it has anything left to do.
 *
 * @param sent how many it has sent so far
 */
export async function kmmAtRest(sent: () => number): Promise<void> {
  let before = -1;
  await poll(
    () => {
      const now = sent();
      const same = now === before;
      before = now;
      return same;
    },
    { what: "Rest of KMM", intervalMs: 1000, timeoutMs: 300_000 },
  );
}

/** Waits until the machine has been idle for two seconds; throws after two minutes. */
export async function atRest(): Promise<void> {
  let before = processorTime();
  await Bun.sleep(WINDOW_MS);
  await poll(
    () => {
      const now = processorTime();
      const share = (now.idle - before.idle) / (now.whole - before.whole);
      before = now;
      return share >= IDLE_SHARE;
    },
    { what: "Rest of the machine", intervalMs: WINDOW_MS, timeoutMs: 120_000 },
  );
}
