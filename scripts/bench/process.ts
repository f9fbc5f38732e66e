/** Memory and processor time of a running process, from /proc. */
import { readFileSync } from "node:fs";

/** Memory of a process, in MB: all resident memory, and the part that is not shared with files. */
export interface Memory {
  readonly resident: number;
  readonly anonymous: number;
}

export function memoryMb(pid: number): Memory {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const mb = (line: RegExp): number => Number(line.exec(status)?.[1] ?? 0) / 1024;
  return { resident: mb(/^VmRSS:\s+(\d+)/m), anonymous: mb(/^RssAnon:\s+(\d+)/m) };
}

/** The highest resident memory so far, in MB. */
export function peakMb(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(/^VmHWM:\s+(\d+)/m.exec(status)?.[1] ?? 0) / 1024;
}

/** Seconds of processor time so far. */
export function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8")
    .replace(/^.*\) /, "")
    .split(" ");
  // User and system time in clock ticks, of which Linux has 100 per second.
  return (Number(fields[11]) + Number(fields[12])) / 100;
}
