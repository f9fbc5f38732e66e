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

test("a line is written and has an end, whatever it is told", () => {
  const circle: Record<string, unknown> = {};
  circle["self"] = circle;
  let deep: unknown = 1;
  for (let i = 0; i < 50_000; i++) deep = [deep];
  const long = "x".repeat(1_000_000);
  const fields = {
    text: long,
    error: new Error(long),
    object: { a: long },
    short: { a: [1] },
    list: ["a", ...Array.from({ length: 10_000 }, () => "abc")],
    one: [long, 2],
    circle,
    circles: [circle],
    big: 1n,
    missing: undefined,
  };
  for (const format of ["json", "text"] as const) {
    const { log, out } = lines(format);
    log.info(long, fields);
    expect(out).toHaveLength(1);
    expect(out[0]!.length).toBeLessThan(80_000);
  }
  const { log, out } = lines("json");
  log.info(long, { ...fields, deep });
  const { msg, text, error, object, short, list, one, missing, ...none } = JSON.parse(out[0]!);
  for (const each of [msg, text, error]) expect(each).toBe(`${"x".repeat(8189)}...`);
  expect(object).toStartWith('{"a":"xxx');
  expect(short).toEqual({ a: [1] });
  expect(list.slice(0, 2)).toEqual(["a", "abc"]);
  expect(list.at(-1)).toBe(`... and ${10_001 - list.length + 1} more`);
  expect(one).toEqual([text, "... and 1 more"]);
  expect(missing).toBeUndefined();
  const no = "a value that JSON cannot have";
  expect(none).toMatchObject({ circle: no, circles: [no], deep: [no], big: no });
});
