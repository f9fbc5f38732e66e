import { expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { StepLog } from "./step-log.ts";

test("a log has the beginning and the end of a step that prints without end", () => {
  const folder = mkdtempSync(join(tmpdir(), "step-log-test-"));
  try {
    const log = new StepLog(join(folder, "log"), 1024);
    for (let line = 0; line < 100_000; line++) log.line(`line ${line}`);
    log.ends("the end\n");
    log.close();
    const text = readFileSync(join(folder, "log"), "utf8");
    expect(text).toStartWith("line 0\nline 1\n");
    expect(text).toEndWith("\n(more than 1 kB: only the end of the rest follows)\nthe end\n");
    expect(text.length).toBeLessThan(2048);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("a pipe in its place, which nobody reads, is not waited for", () => {
  const folder = mkdtempSync(join(tmpdir(), "step-log-test-"));
  const path = join(folder, "pipe.log");
  execFileSync("mkfifo", [path]);
  expect(() => new StepLog(path)).toThrow(`Cannot write ${path}: `);
  rmSync(folder, { recursive: true });
});
