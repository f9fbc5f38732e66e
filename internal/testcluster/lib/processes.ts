import { readFileSync } from "node:fs";
import { poll } from "./poll.ts";

/** A process that cannot be mistaken for a later one of the same id: its id and its start time in clock ticks. */
export interface ProcessIdentity {
  readonly pid: number;
  readonly startTime: string;
}

/** Reads the identity of a process; undefined if it has ended (a zombie has). Linux only; elsewhere the start time is empty. */
export function identify(pid: number): ProcessIdentity | undefined {
  if (process.platform !== "linux") {
    try {
      process.kill(pid, 0);
      return { pid, startTime: "" };
    } catch {
      return undefined;
    }
  }
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The name in parentheses may hold spaces; the fields after it are: state, ppid, ..., and starttime as the 20th.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const startTime = fields[19];
    return fields[0] === "Z" || startTime === undefined ? undefined : { pid, startTime };
  } catch {
    return undefined;
  }
}

/** Whether that very process still runs. */
export function isAlive(identity: ProcessIdentity): boolean {
  return identify(identity.pid)?.startTime === identity.startTime;
}

/** Signals that very process; does nothing if it has ended. */
export function signalProcess(identity: ProcessIdentity, signal: NodeJS.Signals): void {
  if (!isAlive(identity)) return;
  try {
    process.kill(identity.pid, signal);
  } catch {
    // It ended between the two calls.
  }
}

/** Ends processes: SIGTERM, and SIGKILL for those that are still there after the grace time. */
export async function endProcesses(identities: readonly ProcessIdentity[], graceMs = 5000): Promise<void> {
  for (const identity of identities) signalProcess(identity, "SIGTERM");
  const gone = (): boolean => !identities.some(isAlive);
  try {
    await poll(gone, { what: "The end of the processes", timeoutMs: graceMs, intervalMs: 20 });
  } catch {
    for (const identity of identities) signalProcess(identity, "SIGKILL");
    await poll(gone, { what: "The end of killed processes", timeoutMs: 10_000, intervalMs: 20 });
  }
}
