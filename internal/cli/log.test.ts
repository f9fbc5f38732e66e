import { expect, test } from "bun:test";
import { createLogger } from "./log.ts";

function lines(
  format: "text" | "json",
  level?: "debug" | "warn",
): { log: ReturnType<typeof createLogger>; out: string[] } {
  const out: string[] = [];
  const log = createLogger({
    format,
    level,
    write: (line) => out.push(line),
    now: () => Date.UTC(2026, 0, 2, 3, 4, 5),
  });
  return { log, out };
}

test("JSON lines carry level, time, message and fields", () => {
  const { log, out } = lines("json");
  log
    .with({ logger: "operator" })
    .info("Applied Module", { name: "a", error: new Error("Cannot x", { cause: new Error("y") }) });
  expect(out.map((line) => JSON.parse(line))).toEqual([
    {
      level: "info",
      ts: "2026-01-02T03:04:05.000Z",
      msg: "Applied Module",
      logger: "operator",
      name: "a",
      error: "Cannot x: y",
    },
  ]);
});

test("text lines are for people", () => {
  const { log, out } = lines("text");
  log.warn("Lost lease", { holder: "pod 1", after: 15 });
  expect(out).toEqual(['03:04:05 WARN  Lost lease  holder="pod 1"  after=15\n']);
});

test("a level hides what is less severe", () => {
  const { log, out } = lines("json", "warn");
  log.debug("a");
  log.info("b");
  log.warn("c");
  log.error("d");
  expect(out.map((line) => JSON.parse(line).msg)).toEqual(["c", "d"]);
});

test("repeated lines are all written", () => {
  const { log, out } = lines("json");
  for (let i = 0; i < 20; i++) log.info("same");
  expect(out).toHaveLength(20);
});
