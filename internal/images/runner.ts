import { spawn, type ChildProcess } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import type { Readable } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import { readRegularFileSync } from "../cli/regular-file.ts";
import { inTime, LimitError, megabytes, STEP_MS, TimeLimitError } from "./limits.ts";
import { LineSplitter, MAX_KEPT, Tail } from "./program-output.ts";

/** Options of one run of a program. */
export interface RunOptions {
  cwd?: string;
  /** Added to the caller's environment. */
  env?: Readonly<Record<string, string>>;
  signal?: AbortSignal | undefined;
  /**
   * After an abort or at the time limit, ends the children of the program first and gives the program a moment to fail by itself. An engine
   * whose step fails removes its working containers; an engine that is killed leaves them and their mounts behind.
   */
  gentle?: boolean;
  /**
   * Called for every whole line of standard output and standard error, in the order in which they arrive; the ends of
   * long lines are left out. The program is then a step that may print and take as much as it likes: the end of its
   * output is kept. Without it, the program answers a question: it is ended if it prints more than 2 MB.
   */
  onLine?: (line: string) => void;
  /** Longest run in milliseconds. Default: 5 minutes for an answer, half an hour for `read`, and two hours for a step. */
  timeoutMs?: number;
}

/**
 * The result of a program that has ended. `output` has both streams, interleaved as they arrived. Of a step that printed
 * more than 2 MB, both have only the end.
 */
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
   * @throws LimitError if it prints or takes too much; TimeLimitError if it takes too long
   */
  run(command: readonly string[], options?: RunOptions): Promise<RunResult>;
  /**
   * Runs a program and passes its standard output to `read`. If `read` returns early, the program is ended.
   *
   * @throws LimitError that `read` throws, or if the program takes too long or has too many errors
   * @throws Error if the program fails before `read` has what it wants
   */
  read<T>(command: readonly string[], read: (stdout: Readable) => Promise<T>, options?: RunOptions): Promise<T>;
}

/** How long a program may take to end after its children were ended, and again after SIGTERM, in milliseconds. */
const CHILDREN_GRACE_MS = 3000;
const CHILDREN_POLL_MS = 50;
const GRACE_MS = 10_000;
const ANSWER_MS = 5 * 60_000;
/** Time to unpack and read an image, in milliseconds. */
const READ_MS = 30 * 60_000;

/** Runs real programs, each in a process group of its own, so that an abort reaches all of an engine's children. */
export const processRunner: Runner = {
  async run(command, options = {}) {
    const { onLine } = options;
    const limit = new Limit(command, options.timeoutMs ?? (onLine ? STEP_MS : ANSWER_MS));
    const { child, ended } = start(command, options, limit);
    const stdout = new Tail();
    const output = new Tail();
    const splitters: LineSplitter[] = [];
    const take = (stream: Readable, ...tails: Tail[]): void => {
      const lines =
        onLine &&
        new LineSplitter((line) => {
          limit.said(line);
          onLine(line);
        });
      if (lines) splitters.push(lines);
      stream.on("data", (chunk: Buffer) => {
        for (const tail of tails) tail.push(chunk);
        lines?.push(chunk);
        if (!onLine) limit.printed(chunk.length);
      });
    };
    take(child.stdout!, stdout, output);
    take(child.stderr!, output);
    const code = await ended;
    for (const lines of splitters) lines.flush();
    return { code, stdout: onLine ? stdout.text : stdout.exact, output: output.text };
  },

  async read<T>(
    command: readonly string[],
    read: (stdout: Readable) => Promise<T>,
    options: RunOptions = {},
  ): Promise<T> {
    const limit = new Limit(command, options.timeoutMs ?? READ_MS);
    const { child, ended } = start(command, options, limit);
    // It may be rejected while `read` still waits for the end of standard output.
    ended.catch(() => undefined);
    const stderr = new Tail();
    child.stderr!.on("data", (chunk: Buffer) => {
      stderr.push(chunk);
      limit.printed(chunk.length);
    });
    const failed = (reason: string, cause?: unknown): Error => {
      const told = stderr.text.trim().slice(-1000);
      return new Error(`Cannot run "${command.join(" ")}": ${told || reason}`, { cause });
    };
    let result: T;
    try {
      result = await read(child.stdout!);
    } catch (error) {
      killGroup(child, "SIGTERM");
      await ended.catch(() => undefined);
      options.signal?.throwIfAborted();
      if (limit.signal.aborted) throw limit.signal.reason;
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

/** Ends a program that prints or takes too much. */
class Limit {
  readonly #abort = new AbortController();
  readonly #name: string;
  readonly #timer: NodeJS.Timeout;
  #printed = 0;
  #last = "";

  constructor(command: readonly string[], timeoutMs: number) {
    this.#name = command.slice(0, 2).join(" ");
    this.#timer = setTimeout(() => {
      const last = this.#last === "" ? "" : `; the last that it said is "${this.#last}"`;
      this.#abort.abort(
        new TimeLimitError(`Cannot run ${this.#name}: it has not ended within ${inTime(timeoutMs)}${last}`),
      );
    }, timeoutMs);
  }

  /** A line of a step. */
  said(line: string): void {
    if (line.trim() !== "") this.#last = line.trim().slice(0, 200);
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  printed(bytes: number): void {
    this.#printed += bytes;
    if (this.#printed <= MAX_KEPT) return;
    this.#abort.abort(new LimitError(`Cannot run ${this.#name}: it prints more than ${megabytes(MAX_KEPT)}`));
  }

  clear(): void {
    clearTimeout(this.#timer);
  }
}

function start(
  command: readonly string[],
  options: RunOptions,
  limit: Limit,
): { child: ChildProcess; ended: Promise<number> } {
  const [program = "", ...args] = command;
  const signals = [options.signal, limit.signal].filter((signal) => signal !== undefined);
  const signal = AbortSignal.any(signals);
  let child: ChildProcess;
  try {
    signal.throwIfAborted();
    child = spawn(program, args, {
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      env: { ...process.env, ...options.env },
      stdio: ["ignore", "pipe", "pipe"],
      // Ctrl-C on a terminal reaches the whole foreground group. The engine must get one signal only, from us.
      detached: true,
    });
  } catch (error) {
    limit.clear();
    throw error;
  }
  const ended = new Promise<number>((resolve, reject) => {
    const finished = new AbortController();
    const abort = (): void => void end(child, options.gentle === true, finished.signal);
    signal.addEventListener("abort", abort, { once: true });
    const clear = (): void => {
      limit.clear();
      finished.abort();
      signal.removeEventListener("abort", abort);
    };
    child.on("error", (cause) => {
      clear();
      reject(new Error(`Cannot run ${program}: ${cause.message}`, { cause }));
    });
    child.on("close", (code, killed) => {
      clear();
      if (signal.aborted) reject(signal.reason as Error);
      else resolve(code ?? (killed === "SIGKILL" ? 137 : 143));
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
    // A program that left the group may hold the pipes open for ever.
    child.stdout?.destroy();
    child.stderr?.destroy();
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
      const stat = readRegularFileSync(`/proc/${name}/stat`, 64 * 1024).toString();
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
