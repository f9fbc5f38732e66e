import { readRegularFileSync } from "./regular-file.ts";

/** O_CLOEXEC of Linux, on every architecture that it runs on. */
const CLOSES_ON_EXEC = 0o2000000;

/**
 * Whether a standard stream was closed when the program started, as by `>&-`. The runtime then has put /dev/null in its
 * place, where everything that is written is lost. What it opens is closed when another program is started; what the
 * program was started with cannot be. Where there is no /proc it is not known: false.
 */
export function closedAtStart(fd: 0 | 1 | 2): boolean {
  let text: string;
  try {
    text = readRegularFileSync(`/proc/self/fdinfo/${fd}`, 4096).toString("latin1");
  } catch {
    return false;
  }
  const flags = /^flags:\s+([0-7]{1,20})$/m.exec(text)?.[1] ?? "0";
  return (parseInt(flags, 8) & CLOSES_ON_EXEC) !== 0;
}
