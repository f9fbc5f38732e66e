import { afterAll, beforeAll, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, symlinkSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { takeLock } from "./lock.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "lock-test-"));
});
afterAll(() => rm(folder, { recursive: true }));

test("a second run is told which one is under way and where its lock is, and goes when that has ended", async () => {
  const path = join(folder, "a/build.lock");
  const unlock = await takeLock(path);
  await expect(takeLock(path)).rejects.toThrow(
    `Cannot build: another run (process ${process.pid}) is building and holds ${path}; wait for it, or stop it`,
  );
  await unlock();
  await (
    await takeLock(path)
  )();
});

test.each([
  ["a pipe", (path: string) => execFileSync("mkfifo", [path]), "it is a pipe, no regular file"],
  ["a folder", (path: string) => mkdirSync(path), "it is a folder, no regular file"],
  [
    "a link to another file",
    (path: string) => symlinkSync(join(folder, "other"), path),
    "it is a symbolic link, no regular file",
  ],
])("%s in its place is refused, and nothing is written there", async (name, make, reason) => {
  const path = join(folder, name.replaceAll(" ", "-"));
  make(path);
  await writeFile(join(folder, "other"), "x");
  await expect(takeLock(path)).rejects.toThrow(`Cannot lock ${path}: ${reason}`);
  expect(readFileSync(join(folder, "other"), "utf8")).toBe("x");
});

test.each([
  ["of a process that is gone", "999999999 123\n"],
  ["of another process than has its number now", `${process.pid} 1\n`],
  ["without a word in it", ""],
])("a file %s locks nobody out", async (_, content) => {
  const path = join(folder, `${content.length}.lock`);
  await writeFile(path, content);
  await (
    await takeLock(path)
  )();
});

test("of many runs that find what a killed one left, one builds", async () => {
  const path = join(folder, "many.lock");
  for (let round = 0; round < 5; round++) {
    await writeFile(path, "999999999 123\n");
    const runs = await Promise.allSettled(Array.from({ length: 12 }, () => takeLock(path)));
    const winners = runs.filter((run) => run.status === "fulfilled");
    expect(winners).toHaveLength(1);
    for (const run of runs) if (run.status === "rejected") expect(String(run.reason)).toContain("another run");
    await winners[0]!.value();
  }
});

test("a run that is killed releases the lock", async () => {
  const path = join(folder, "killed.lock");
  const code = `await (await import(${JSON.stringify(join(import.meta.dir, "lock.ts"))})).takeLock(${JSON.stringify(path)}); console.log("locked"); setInterval(() => {}, 1000);`;
  const child = Bun.spawn([process.execPath, "-e", code], { stdout: "pipe" });
  await child.stdout.getReader().read();
  await expect(takeLock(path)).rejects.toThrow(`another run (process ${child.pid})`);
  child.kill("SIGKILL");
  await child.exited;
  // The keeper ends a moment after the process that it works for.
  for (;;) {
    const unlock = await takeLock(path).catch(() => undefined);
    if (unlock) return unlock();
  }
});
