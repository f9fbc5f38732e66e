/** Whatever writes a file names it if it cannot, and says what to do. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { errorText } from "../internal/cli/errors.ts";
import { silentLogger } from "../internal/cli/log.ts";
import { takeLock } from "../internal/images/lock.ts";
import { writeBills } from "../internal/images/sbom.ts";
import { StepLog } from "../internal/images/step-log.ts";
import { writeRendered } from "../internal/machineconfig/output.ts";
import { fileOutput } from "../internal/stack/capture.ts";
import { writeFiles } from "./shared/manifests.ts";

let folder: string;
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), "onloadctl-writing-"))));
afterEach(() => rmSync(folder, { recursive: true }));

/** The text of the error with which something fails. */
async function failure(work: () => unknown): Promise<string> {
  try {
    await work();
  } catch (error) {
    return errorText(error);
  }
  return "";
}

async function captureInto(path: string): Promise<void> {
  const output = await fileOutput(path);
  try {
    await output.write(new Uint8Array(9));
  } finally {
    await output.close();
  }
}

test("it names the file, and what decides where that is", async () => {
  const file = join(folder, "file");
  writeFileSync(file, "");
  const full = join(folder, "full");
  symlinkSync("/dev/full", full);
  const below = join(file, "below");
  const texts: Record<string, string> = {
    lock: await failure(() => takeLock(join(below, "lock"))),
    bills: await failure(() => writeBills([], below, "1")),
    log: await failure(() => new StepLog(join(file, "log"))),
    manifests: await failure(() => writeFiles(below, { a: "" }, "chart", silentLogger)),
    "manifests on a full disk": await failure(() => writeFiles(folder, { full: "text" }, "chart", silentLogger)),
    capture: await failure(() => fileOutput(join(file, "a.pcap"))),
    "capture on a full disk": await failure(() => captureInto(full)),
  };
  for (const [what, text] of Object.entries(texts)) {
    const remedy = what.includes("full") ? "free space there, or choose another place" : "choose another place";
    const form = new RegExp(`^Cannot write ${folder}/[^:]*: [a-z ]*; ${remedy} with (?:--[a-z]+|\\$[A-Z_]+)$`);
    expect([what, text]).toEqual([what, expect.stringMatching(form)]);
  }
  const rendered = { text: "a".repeat(9), files: [] } as never;
  expect(await failure(() => writeRendered("/proc/sys/a.yaml", rendered, false))).toStartWith(
    "Cannot write /proc/sys/a.yaml: ",
  );
});

test("a full disk ends the log of a step, and not the step", () => {
  const path = join(folder, "log");
  symlinkSync("/dev/full", path);
  const log = new StepLog(path);
  log.line("a");
  log.line("b");
  log.ends("c");
  log.close();
  expect(log.problem).toBe("no space left on device");
  const whole = new StepLog("/dev/null");
  whole.line("a");
  whole.close();
  expect(whole.problem).toBeUndefined();
});
