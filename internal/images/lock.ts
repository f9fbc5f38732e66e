import { spawn } from "node:child_process";
import { lstat, mkdir, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { kindOf, readRegularFile } from "../cli/regular-file.ts";
import { writing } from "../cli/writing.ts";
import { CACHE_VARIABLE } from "./limits.ts";

/**
 * Makes sure that only one run at a time builds for this user. The returned function releases the lock.
 *
 * The lock is the kernel's (flock), and a small keeper process holds it. The keeper ends as soon as its pipe to this
 * process is closed, so a run that was killed does not lock out the next one. The file is never removed. Its content,
 * the number of the process that builds, serves only the error message.
 *
 * @throws Error naming the run that is under way
 */
export async function takeLock(path: string): Promise<() => Promise<void>> {
  await writing(dirname(path), CACHE_VARIABLE, () => mkdir(dirname(path), { recursive: true }));
  await checkFile(path);
  // The keeper has a process group of its own, so that Ctrl-C does not end it while this process still cleans up.
  const keeper = spawn("flock", ["-n", path, "sh", "-c", "echo locked; read -r _"], { detached: true });
  const ended = new Promise<number | null>((resolve) => keeper.once("close", resolve));
  let complaint = "";
  keeper.stderr.on("data", (chunk: Buffer) => (complaint += chunk.toString()));
  const locked = await new Promise<boolean>((resolve, reject) => {
    keeper.once("error", (cause) =>
      reject(new Error(`Cannot lock ${path}: flock is missing; install util-linux`, { cause })),
    );
    keeper.stdout.once("data", () => resolve(true));
    void ended.then(() => resolve(false));
  });
  if (!locked && complaint !== "") throw new Error(`Cannot lock ${path}: ${complaint.trim()}`);
  if (!locked) {
    const pid = /^\d+/.exec((await readRegularFile(path, 1024).catch(() => "")).toString())?.[0];
    throw new Error(
      `Cannot build: another run${pid === undefined ? "" : ` (process ${pid})`} is building and holds ${path}; wait for it, or stop it`,
    );
  }
  try {
    await writing(path, CACHE_VARIABLE, () => writeFile(path, `${process.pid}\n`));
  } catch (error) {
    keeper.stdin.end();
    throw error;
  }
  keeper.stdin.on("error", () => undefined);
  return async () => {
    await writeFile(path, "");
    keeper.stdin.end();
    await ended;
  };
}

/** flock waits for ever for a pipe, and what a link leads to is somebody else's file. */
async function checkFile(path: string): Promise<void> {
  const found = await lstat(path).catch(() => undefined);
  if (found === undefined || found.isFile()) return;
  throw new Error(`Cannot lock ${path}: it is a ${kindOf(found)}, no regular file; remove it`);
}
