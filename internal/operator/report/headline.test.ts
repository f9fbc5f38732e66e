import { expect, test } from "bun:test";
import type { Condition } from "../../api/core.ts";
import { headlineOf } from "./headline.ts";

/** Conditions as `Type=Status Reason`; each has its type as its message. */
const conditionsOf = (...texts: string[]): Condition[] =>
  texts.map((text) => {
    const [, type = "", status = "", reason = ""] = /^(\w+)=(\w+) (\w+)$/.exec(text)!;
    return { type, status, reason, message: `of ${type}`, lastTransitionTime: "" } as Condition;
  });

test.each<[string, string[], string]>([
  [
    "what needs a person, although something is under way",
    ["Ready=False NodesNotReady", "Progressing=True Upgrading", "Degraded=True NodesFailed"],
    "NodesFailed of Degraded",
  ],
  [
    "what is under way",
    ["Ready=False NodesNotReady", "Progressing=True Upgrading", "Degraded=False AsExpected"],
    "Upgrading of Progressing",
  ],
  [
    "why nothing goes on, and not that nodes are not ready",
    ["Ready=False NodesNotReady", "Progressing=False Paused", "Degraded=False AsExpected"],
    "Paused of Progressing",
  ],
  [
    "why it is not ready, where there is nothing to do",
    ["Ready=False NoMatchingNodes", "Progressing=False AsExpected", "Degraded=False AsExpected"],
    "NoMatchingNodes of Ready",
  ],
  [
    "that all is well",
    ["Ready=True AllNodesReady", "Progressing=False AsExpected", "Degraded=False AsExpected"],
    "AllNodesReady of Ready",
  ],
  [
    "what a node waits for although all are ready",
    ["Ready=True AllNodesReady", "Progressing=False NodesNotReady", "Degraded=False AsExpected"],
    "NodesNotReady of Progressing",
  ],
  ["no other condition", ["Protected=False Unprotected", "Ready=True AllNodesReady"], "AllNodesReady of Ready"],
  ["that nobody has looked", [], "Unknown No operator has looked at it yet"],
])("a headline says %s", (_what, conditions, expected) => {
  const { reason, message } = headlineOf(conditionsOf(...conditions));
  expect(`${reason} ${message}`).toStartWith(expected);
});

test("a headline of no conditions at all says that nobody has looked", () => {
  expect(headlineOf(undefined).reason).toBe("Unknown");
});
