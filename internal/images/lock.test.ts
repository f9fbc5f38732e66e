import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { takeLock } from "./lock.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "lock-test-"));
});
afterAll(() => rm(folder, { recursive: true }));

test("a second run is told which one is under way, and goes when that has ended", async () => {
  const path = join(folder, "a/build.lock");
  const unlock = await takeLock(path);
  expect(takeLock(path)).rejects.toThrow(`another run (process ${process.pid}) is building`);
  await unlock();
  await (
    await takeLock(path)
  )();
});

test("a run that was killed does not lock out the next", async () => {
  const path = join(folder, "b.lock");
  const child = Bun.spawn(["true"]);
  await child.exited;
  await writeFile(path, `${child.pid} 123\n`);
  await (
    await takeLock(path)
  )();
});

test("nor does one whose number another process has by now", async () => {
  const path = join(folder, "c.lock");
  await writeFile(path, `${process.pid} 1\n`);
  const unlock = await takeLock(path);
  expect(await readFile(path, "utf8")).not.toBe(`${process.pid} 1\n`);
  await unlock();
});
