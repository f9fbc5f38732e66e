import { spawn } from "node:child_process";

/** How to run a program; the defaults are the caller's environment and working folder. */
export interface CommandOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly input?: string;
  readonly signal?: AbortSignal;
  /** Returns instead of throwing when the program exits with another code than 0. */
  readonly allowFailure?: boolean;
}

/** The result of a program. After a signal the code is 128 + the number of the signal, as in a shell. */
export interface CommandResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs a program to its end and returns what it wrote.
 * Throws an error with the end of its standard error if it cannot be started or fails.
 */
export function run(command: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
  const [program = "", ...args] = command;
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
      stdio: ["pipe", "pipe", "pipe"],
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    child.stdout.on("data", (chunk: Buffer) => out.push(chunk));
    child.stderr.on("data", (chunk: Buffer) => err.push(chunk));
    child.on("error", (cause) => reject(new Error(`Cannot run ${program}: ${cause.message}`, { cause })));
    child.on("close", (code, signal) => {
      const result = {
        code: code ?? 128 + (signal === "SIGKILL" ? 9 : 15),
        stdout: Buffer.concat(out).toString(),
        stderr: Buffer.concat(err).toString(),
      };
      if (result.code === 0 || options.allowFailure === true) {
        resolve(result);
        return;
      }
      const told = (result.stderr.trim() || result.stdout.trim()).slice(-2000);
      reject(new Error(`Cannot run "${command.join(" ")}": exit code ${result.code}: ${told}`));
    });
    // A program that exits without reading its input closes the pipe; its exit code says what matters.
    child.stdin.on("error", () => {});
    child.stdin.end(options.input ?? "");
  });
}

/** Runs a program and returns its standard output without the line end. */
export async function output(command: readonly string[], options: CommandOptions = {}): Promise<string> {
  return (await run(command, options)).stdout.trimEnd();
}
