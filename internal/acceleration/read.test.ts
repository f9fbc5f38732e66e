import { afterEach, beforeEach, expect, test } from "bun:test";
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
