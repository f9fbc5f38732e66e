import { afterEach, beforeEach, expect, spyOn, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { closeSync, constants, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { poll } from "../testcluster/lib/poll.ts";
import { HangingThreads, PatientReader } from "./read.ts";

let folder: string;
let pipe: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "onload-read-"));
  [pipe, file] = [join(folder, "pipe"), join(folder, "file")];
  // Its reader waits for a writer.
  execFileSync("mkfifo", [pipe]);
  writeFileSync(file, "text");
});
afterEach(() => {
  release();
  rmSync(folder, { recursive: true });
});

function release(): void {
  closeSync(openSync(pipe, constants.O_RDWR | constants.O_NONBLOCK));
}

const impatient = (hanging: HangingThreads): PatientReader => new PatientReader({ timeoutMs: 50, hanging });

const textOf = async (reader: PatientReader): Promise<string | undefined> =>
  (await reader.read(file, 100))?.bytes.toString();

test("while a file hangs, its reader reads nothing more, and other readers do", async () => {
  const hanging = new HangingThreads(2);
  const [one, other] = [impatient(hanging), impatient(hanging)];
  expect(await one.read(pipe, 100)).toBeUndefined();
  expect(await textOf(one)).toBeUndefined();
  expect(await textOf(other)).toBe("text");
  release();
  await poll(async () => (await textOf(one)) === "text", { what: "The end of the reading that hangs" });
  expect(hanging.count).toBe(0);
});

test("no more threads hang than may, of whatever readers", async () => {
  const hanging = new HangingThreads(1);
  const [one, other] = [impatient(hanging), impatient(hanging)];
  expect(await one.read(pipe, 100)).toBeUndefined();
  expect(await textOf(other)).toBeUndefined();
});

test("all files together have a time, and the next ones another", async () => {
  const reader = new PatientReader({ timeoutMs: 10_000, hanging: new HangingThreads(1) });
  reader.begin(50);
  const begun = performance.now();
  expect(await reader.read(pipe, 100)).toBeUndefined();
  expect(performance.now() - begun).toBeLessThan(2000);
  release();
  await poll(() => !reader.isSpent || reader.begin(1000), { what: "Another time" });
  expect(await textOf(reader)).toBe("text");
});

test("of a file that comes in many pieces each is read once, up to the bound", async () => {
  const reader = new PatientReader({ hanging: new HangingThreads(1) });
  const writer = Bun.spawn(["sh", "-c", 'for i in $(seq 3000); do printf "%064d" $i; done > "$1"', "sh", pipe]);
  const text = Array.from({ length: 3000 }, (_, i) => String(i + 1).padStart(64, "0")).join("");
  const bound = 150_000;
  expect(await reader.read(pipe, bound)).toEqual({ bytes: Buffer.from(text.slice(0, bound)), cut: true });
  writer.kill();
  await writer.exited;
});

test("a table that the kernel gives page by page takes no more memory than its own", async () => {
  const reader = new PatientReader({ hanging: new HangingThreads(1) });
  const allocate = spyOn(Buffer, "alloc");
  try {
    // The longest one that every process has.
    const piece = await reader.read("/proc/self/smaps", 1024 * 1024);
    const taken = allocate.mock.calls.reduce((sum, [size]) => sum + size, 0);
    expect(piece!.bytes.length).toBeGreaterThan(16 * 1024);
    expect(taken - piece!.bytes.length).toBeLessThanOrEqual(64 * 1024);
  } finally {
    allocate.mockRestore();
  }
});
