/** Texts of nodes, pods, conditions and logs, as hostile as they can be, in what people see. */
import { expect, test } from "bun:test";
import { Terminal } from "../../cli/output.ts";
import { planText, type ResourcePlan } from "./plan-view.ts";
import type { Serving } from "./serving.ts";
import { statusText, type ResourceStatus } from "./status-view.ts";

const HOSTILE = "x\u001b[2J\u001b]0;t\u0007\u009b31m\u202eb\nonload-runtime/other: All is well\r\u2028y";
const SHOWN = "x [2J ]0;t 31m b onload-runtime/other: All is well y";

/** Every text of a value replaced by a hostile one. */
function hostile<T>(value: T): T {
  return JSON.parse(JSON.stringify(value), (_, each: unknown) => (typeof each === "string" ? HOSTILE : each)) as T;
}

/** What a terminal gets. */
function written(text: string): string {
  let all = "";
  new Terminal({ isTTY: true, write: (more) => (all += more) }).write(text);
  return all;
}

const status: ResourceStatus = hostile({
  namespace: "a",
  name: "a",
  version: "a",
  target: "b",
  desired: 1,
  ready: 0,
  status: "a",
  message: "a",
  health: "ready",
  needsPerson: false,
  unprotected: "a",
  created: "a",
  lastReadyVersion: "a",
  operator: { state: "acts", message: "a" },
  attention: ["a"],
  nodes: [],
});
// A state is none of the texts that come from outside.
const node = hostile({
  node: "a",
  version: "a",
  wanted: "b",
  step: "a",
  since: "",
  why: "a",
  failed: true,
  kernel: "a",
});
status.nodes = [{ ...node, state: "Ready" }];
const plan: ResourcePlan = hostile({
  namespace: "a",
  name: "a",
  version: "a",
  target: "b",
  status: "a",
  message: "a",
  maxUnavailable: 1,
  objects: ["a"],
  warnings: [],
  notes: ["a"],
  nodes: [
    {
      turn: 0,
      node: "a",
      from: "a",
      to: "a",
      state: "a",
      next: "a",
      steps: ["a"],
      evict: ["a"],
      leavesService: false,
      blockedBy: ["a"],
    },
  ],
});
const serving = { state: "silent", message: HOSTILE } as unknown as Serving;

test.each([
  ["status", (): string => statusText([status], serving, true, 0)],
  ["plan", (): string => planText([plan])],
])("%s has no character that a terminal obeys, and no line that a resource has made", (_, draw) => {
  const text = draw();
  expect(text).toContain(SHOWN);
  const other = text.split("\n").filter((line) => line.startsWith("onload-runtime/other"));
  expect(other).toEqual([]);
  for (const shown of [text, written(text)])
    expect(shown.replaceAll("\n", "")).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
});
