import { spawn } from "node:child_process";
import { printable } from "../cli/printable.ts";

/** Most output that is kept, in bytes. crictl says what is wrong in its last lines. */
const MAX_OUTPUT = 16_384;

/** How a program ended. */
export interface Outcome {
  ok: boolean;
  /** On one line: what it said last, or how it ended. */
  text: string;
}

/**
 * Runs a program of the node to its end, with nothing to read and no environment. After the time limit, and when the
 * signal is aborted, it and its children are killed.
 *
 * @param command what runs it: words before the program's own, such as those of `control-plane run-on-node`
 */
export function runToEnd(command: readonly string[], timeoutMs: number, signal: AbortSignal): Promise<Outcome> {
  const [program = "", ...args] = command;
  return new Promise((resolve) => {
    let kept = Buffer.alloc(0);
    let timedOut = false;
    // A group of its own, so that whatever it starts can be ended with it.
    const child = spawn(program, args, { env: {}, stdio: ["ignore", "pipe", "pipe"], detached: true });
    const kill = (): void => {
      try {
        if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
      } catch {
        // The group has ended already.
      }
      // A grandchild in another group may hold the pipes open.
      child.stdout.destroy();
      child.stderr.destroy();
    };
    const timer = setTimeout(() => {
      timedOut = true;
      kill();
    }, timeoutMs);
    signal.addEventListener("abort", kill, { once: true });
    if (signal.aborted) kill();
    const keep = (chunk: Buffer): void => {
      kept = Buffer.concat([kept, chunk]).subarray(-MAX_OUTPUT);
    };
    child.stdout.on("data", keep);
    child.stderr.on("data", keep);
    const finish = (ok: boolean, ending: string): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", kill);
      const said = printable(kept.toString(), MAX_OUTPUT);
      // The end of what it said: the reason comes last.
      const last = said.length > MAX_SAID ? `...${said.slice(3 - MAX_SAID)}` : said;
      resolve({ ok, text: timedOut ? `it does not end within ${timeoutMs / 1000} s` : last || ending });
    };
    child.on("error", (error) => finish(false, error.message));
    child.on("close", (code, killed) => finish(code === 0, `it ends with ${killed ?? `exit code ${code}`}`));
  });
}

/** Most characters of what a program said that are quoted. */
const MAX_SAID = 160;
