import { spawn } from "node:child_process";

/** What bounds a program that is run. */
export interface Bounds {
  /** Its whole environment. */
  env: Record<string, string>;
  timeoutMs: number;
  /** Takes what it says. */
  said: (stream: "stdout" | "stderr", piece: Buffer) => void;
}

/** How a program ended: by itself, or not within its time or before the signal was aborted. */
export type Ending =
  | { how: "ended"; code: number | null; signal: string | null }
  | { how: "timeout" }
  | { how: "aborted" };

/** A program that was started. */
export interface BoundedRun {
  /** Rejects if it cannot be started. After the time limit it does not wait for the kernel to end the program. */
  ended: Promise<Ending>;
  /** Resolves when its process is gone, which may be later, or never while the kernel keeps it. Never rejects. */
  gone: Promise<void>;
}

/**
 * Runs a program with nothing to read. After the time limit, when the signal is aborted, and when it has ended, it and what
 * it has started are killed.
 */
export function runBounded(
  [program = "", ...args]: readonly string[],
  { env, timeoutMs, said }: Bounds,
  signal: AbortSignal,
): BoundedRun {
  // A group of its own, so that whatever it starts can be ended with it.
  const child = spawn(program, args, { env, stdio: ["ignore", "pipe", "pipe"], detached: true });
  const gone = new Promise<void>((resolve) => {
    child.on("exit", () => resolve());
    child.on("error", () => resolve());
  });
  const ended = new Promise<Ending>((resolve, reject) => {
    const finish = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", abort);
      try {
        if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
      } catch {
        // The group has ended already.
      }
      // A grandchild in another group may hold the pipes open.
      child.stdout.destroy();
      child.stderr.destroy();
    };
    const end = (ending: Ending): void => {
      finish();
      resolve(ending);
    };
    const abort = (): void => end({ how: "aborted" });
    const timer = setTimeout(() => end({ how: "timeout" }), timeoutMs);
    signal.addEventListener("abort", abort, { once: true });
    child.stdout.on("data", (piece: Buffer) => said("stdout", piece));
    child.stderr.on("data", (piece: Buffer) => said("stderr", piece));
    child.on("error", (error) => {
      finish();
      reject(error);
    });
    child.on("close", (code, killedBy) => end({ how: "ended", code, signal: killedBy }));
    if (signal.aborted) abort();
  });
  return { ended, gone };
}

/** What a program said, at most its last bytes: the reason why it fails comes last. */
export class LastWords {
  readonly #max: number;
  #kept = Buffer.alloc(0);

  constructor(max: number) {
    this.#max = max;
  }

  add(piece: Buffer): void {
    this.#kept = Buffer.concat([this.#kept, piece]).subarray(-this.#max);
  }

  toString(): string {
    return this.#kept.toString();
  }
}

/** Most characters of what a program said that are quoted. */
const MAX_SAID = 160;

/** The end of a text, as much as is quoted. */
export function quotedEnd(text: string): string {
  return text.length > MAX_SAID ? `...${text.slice(3 - MAX_SAID)}` : text;
}
