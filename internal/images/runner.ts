import { spawn, type ChildProcess } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import type { Readable } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import { LimitError } from "./limits.ts";

/** Options of one run of a program. */
export interface RunOptions {
  cwd?: string;
  /** Added to the caller's environment. */
  env?: Readonly<Record<string, string>>;
  signal?: AbortSignal | undefined;
  /**
   * After an abort, ends the children of the program first and gives the program a moment to fail by itself. An engine
   * whose step fails removes its working containers; an engine that is killed leaves them and their mounts behind.
   */
  gentle?: boolean;
  /** Called for every whole line of standard output and standard error, in the order in which they arrive. */
  onLine?: (line: string) => void;
}

/** The result of a program that has ended. `output` has both streams, interleaved as they arrived. */
export interface RunResult {
  code: number;
  stdout: string;
  output: string;
}

/** Runs programs. It is a parameter, so that code that decides which program to run can be tested without any. */
export interface Runner {
  /**
   * Runs a program to its end, whatever its exit code.
   *
   * @throws Error if it cannot be started; the signal's reason when aborted, after the program and its children ended
   */
  run(command: readonly string[], options?: RunOptions): Promise<RunResult>;
  /**
   * Runs a program and passes its standard output to `read`. If `read` returns early, the program is ended.
   *
   * @throws LimitError that `read` throws
   * @throws Error if the program fails before `read` has what it wants
   */
  read<T>(command: readonly string[], read: (stdout: Readable) => Promise<T>, options?: RunOptions): Promise<T>;
}

/** How long a program may take to end after its children were ended, and again after SIGTERM, in milliseconds. */
const CHILDREN_GRACE_MS = 3000;
const CHILDREN_POLL_MS = 50;
const GRACE_MS = 10_000;

/** Runs real programs, each in a process group of its own, so that an abort reaches all of an engine's children. */
export const processRunner: Runner = {
  async run(command, options = {}) {
    const { child, ended } = start(command, options);
    const stdout: Buffer[] = [];
    const output: Buffer[] = [];
    const lines = new LineSplitter(options.onLine);
    child.stdout!.on("data", (chunk: Buffer) => {
      stdout.push(chunk);
      output.push(chunk);
      lines.push("stdout", chunk);
    });
    child.stderr!.on("data", (chunk: Buffer) => {
      output.push(chunk);
      lines.push("stderr", chunk);
    });
    const code = await ended;
    lines.flush();
    return { code, stdout: Buffer.concat(stdout).toString(), output: Buffer.concat(output).toString() };
  },

  async read<T>(
    command: readonly string[],
    read: (stdout: Readable) => Promise<T>,
    options: RunOptions = {},
  ): Promise<T> {
    const { child, ended } = start(command, options);
    const stderr: Buffer[] = [];
    child.stderr!.on("data", (chunk: Buffer) => stderr.push(chunk));
    const failed = (reason: string, cause?: unknown): Error => {
      const told = Buffer.concat(stderr).toString().trim().slice(-1000);
      return new Error(`Cannot run "${command.join(" ")}": ${told || reason}`, { cause });
    };
    let result: T;
    try {
      result = await read(child.stdout!);
    } catch (error) {
      killGroup(child, "SIGTERM");
      await ended;
      if (error instanceof LimitError) throw error;
      // If the program failed, its own error says more than that of a reader whose input was cut short.
      throw failed((error as Error).message, error);
    }
    const early = !child.stdout!.readableEnded;
    child.stdout!.destroy();
    if (early) killGroup(child, "SIGTERM");
    const code = await ended;
    if (!early && code !== 0) throw failed(`it exits with ${code}`);
    return result;
  },
};

function start(command: readonly string[], options: RunOptions): { child: ChildProcess; ended: Promise<number> } {
  const [program = "", ...args] = command;
  options.signal?.throwIfAborted();
  const child = spawn(program, args, {
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    env: { ...process.env, ...options.env },
    stdio: ["ignore", "pipe", "pipe"],
    // Ctrl-C on a terminal reaches the whole foreground group. The engine must get one signal only, from us.
    detached: true,
  });
  const ended = new Promise<number>((resolve, reject) => {
    const finished = new AbortController();
    const abort = (): void => void end(child, options.gentle === true, finished.signal);
    options.signal?.addEventListener("abort", abort, { once: true });
    const clear = (): void => {
      finished.abort();
      options.signal?.removeEventListener("abort", abort);
    };
    child.on("error", (cause) => {
      clear();
      reject(new Error(`Cannot run ${program}: ${cause.message}`, { cause }));
    });
    child.on("close", (code, signal) => {
      clear();
      if (options.signal?.aborted) reject(options.signal.reason as Error);
      else resolve(code ?? (signal === "SIGKILL" ? 137 : 143));
    });
  });
  return { child, ended };
}

async function end(child: ChildProcess, gentle: boolean, finished: AbortSignal): Promise<void> {
  try {
    // An engine has no children between two steps. The next child that it starts is ended too.
    for (let left = gentle ? CHILDREN_GRACE_MS : 0; left > 0; left -= CHILDREN_POLL_MS) {
      endChildren(child);
      await delay(CHILDREN_POLL_MS, undefined, { signal: finished });
    }
    killGroup(child, "SIGTERM");
    await delay(GRACE_MS, undefined, { signal: finished });
    killGroup(child, "SIGKILL");
  } catch {
    // It has ended, so there is nothing to wait for.
  }
}

/** Sends SIGTERM to all members of the process group of a program except the program itself. Needs /proc. */
function endChildren(child: ChildProcess): void {
  for (const name of existsSync("/proc/self/stat") ? readdirSync("/proc") : []) {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid === child.pid) continue;
    try {
      const stat = readFileSync(`/proc/${name}/stat`, "utf8");
      // After the command's name in parentheses: state, parent, process group.
      if (Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[2]) !== child.pid) continue;
      process.kill(pid, "SIGTERM");
    } catch {
      // The process has ended meanwhile.
    }
  }
}

function killGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch {
    // The group has ended already.
  }
}

class LineSplitter {
  #rest: Record<string, string> = {};
  #onLine: ((line: string) => void) | undefined;

  constructor(onLine: ((line: string) => void) | undefined) {
    this.#onLine = onLine;
  }

  push(stream: string, chunk: Buffer): void {
    if (!this.#onLine) return;
    const lines = `${this.#rest[stream] ?? ""}${chunk.toString()}`.split(/\r?\n|\r/);
    this.#rest[stream] = lines.pop() ?? "";
    for (const line of lines) this.#onLine(line);
  }

  flush(): void {
    for (const rest of Object.values(this.#rest)) if (rest !== "") this.#onLine?.(rest);
  }
}
