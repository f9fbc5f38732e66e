/** Runs one of Onload's tools for somebody who is connected by way of the API server, and ends it with the connection. */
import { spawn } from "node:child_process";
import { constants } from "node:os";
import { ONLOAD_DIR } from "../api/plugin-pod.ts";
import { STOP_WORD } from "../api/run-tool.ts";
import { errorText } from "../cli/errors.ts";

export interface RunToolConfig {
  command: readonly string[];
  /** The caller says something at least this often, in milliseconds; otherwise it is gone. */
  silenceMs: number;
  /** How long the tool has to end by itself. */
  graceMs: number;
}

/** Where Onload's tools and those that they call are in a user image. */
const FOLDERS = ["usr/bin", "usr/sbin", "bin", "sbin"];
/** Where they are looked for, as in $PATH. */
export const TOOL_PATH = [ONLOAD_DIR, "/usr/local", ""]
  .flatMap((root) => FOLDERS.map((folder) => `${root}/${folder}`))
  .join(":");

/**
 * Runs a tool until it ends. It has none of our environment: Onload's tools must not have Onload's library preloaded. A
 * runtime leaves a program alone when its caller goes away, so this ends the tool when standard input ends, is
 * silent for too long, or asks for it; first by SIGINT, by which tcpdump writes what it still has, and then by SIGKILL.
 *
 * @param input standard input
 * @returns its exit code; 128+n if signal n ended it
 * @throws Error "Cannot run PROGRAM: reason"
 */
export function runTool(
  { command, silenceMs, graceMs }: RunToolConfig,
  input: NodeJS.ReadableStream,
  signal: AbortSignal,
): Promise<number> {
  const [program = "", ...args] = command;
  return new Promise((resolve, reject) => {
    // In a group of its own, because tools are scripts that start others.
    const child = spawn(program, args, {
      env: { PATH: TOOL_PATH },
      stdio: ["ignore", "inherit", "inherit"],
      detached: true,
    });
    const send = (name: "SIGINT" | "SIGKILL"): void => {
      try {
        if (child.pid !== undefined) process.kill(-child.pid, name);
      } catch {
        // It has ended already.
      }
    };
    let killing: NodeJS.Timeout | undefined;
    const stop = (): void => {
      if (killing !== undefined) return;
      send("SIGINT");
      killing = setTimeout(() => send("SIGKILL"), graceMs);
    };
    let silence = setTimeout(stop, silenceMs);
    const heard = (bytes: Buffer | string): void => {
      clearTimeout(silence);
      silence = setTimeout(stop, silenceMs);
      if (bytes.toString().includes(STOP_WORD)) stop();
    };
    input.on("data", heard).on("end", stop).on("close", stop).on("error", stop);
    signal.addEventListener("abort", stop, { once: true });
    if (signal.aborted) stop();
    const done = (): void => {
      clearTimeout(silence);
      clearTimeout(killing);
      signal.removeEventListener("abort", stop);
      input.off("data", heard).off("end", stop).off("close", stop).off("error", stop);
    };
    child.on("error", (error: NodeJS.ErrnoException) => {
      done();
      const why = error.code === "ENOENT" ? "the user image does not have it" : errorText(error);
      reject(new Error(`Cannot run ${program}: ${why}`, { cause: error }));
    });
    child.on("exit", (code, name) => {
      done();
      // What it has started may live on.
      send("SIGKILL");
      resolve(code ?? 128 + (name === null ? 0 : constants.signals[name]));
    });
  });
}
