import { expect, test } from "bun:test";
import { Lines } from "./stacks.ts";
import { captureCommand, isLineOf, stackdumpCommand, VIEWS } from "./views.ts";

test("a view is of the pod's stacks only", () => {
  expect(stackdumpCommand("lots", [3, 12])).toEqual(["onload_stackdump", "3", "12", "lots"]);
  expect(captureCommand([3, 12])).toEqual(["onload_tcpdump.bin", "3", "12"]);
  // The list is of the whole node.
  expect(stackdumpCommand("stacks", [3])).toEqual(["onload_stackdump", "stacks"]);
  const lines = ["#stack-id stack-name      pids", "3         trader            77", "12        feed  3", ""];
  expect(lines.filter((line) => isLineOf("stacks", [3], line))).toEqual([lines[0]!, lines[1]!, lines[3]!]);
  expect(lines.filter((line) => isLineOf("lots", [3], line))).toEqual(lines);
});

test("no view changes a stack", () => {
  for (const each of ["kill", "lock", "set_opt", "clear_stats", "poll", "wake", "rxpost", "env"]) {
    expect(VIEWS).not.toContain(each);
  }
});

test("lines are made of pieces that end anywhere, and have a bound", () => {
  const taken: string[] = [];
  const lines = new Lines((line) => taken.push(line));
  const bytes = Buffer.from("a\u00e4b\ncd\n\nrest");
  for (const byte of bytes) lines.add(Buffer.from([byte]));
  expect(taken).toEqual(["a\u00e4b", "cd", ""]);
  lines.end();
  expect(taken.at(-1)).toBe("rest");
  lines.add(Buffer.alloc(1_000_000, 97));
  lines.end();
  expect(taken.at(-1)!.length).toBeLessThanOrEqual(65_536);
});
