import { describe, expect, test } from "bun:test";
import { bare, stepRecord, module, NOW, plugin, policy, whole } from "../testing/facts.ts";
import type { NodeFacts } from "../assess/facts.ts";
import { planRollout, type Policy } from "./plan.ts";
import { resolveMaxUnavailable } from "./slots.ts";

const none = { plugin: undefined, onload: undefined, sfc: undefined };

function starters(nodes: NodeFacts[], changes: Partial<Policy> = {}): string[] {
  const plan = planRollout(nodes, { ...policy, ...changes }, NOW);
  return plan.nodes.filter(({ step }) => step === "UnlabelPlugin" || step === "ReplacePlugin").map((p) => p.facts.name);
}

const old = (name: string, changes: Partial<NodeFacts> = {}): NodeFacts => whole("v1", { name, ...changes });
const moving = (name: string): NodeFacts =>
  bare({ name, labels: { ...none, onload: "v2" }, onload: module(), stepRecord: stepRecord("LabelOnload") });

test.each([
  [1, 10, 1],
  [3, 10, 3],
  ["10%", 100, 10],
  ["10%", 19, 1],
  ["10%", 5, 1],
  ["100%", 7, 7],
  ["50%", 0, 1],
] as const)("maxUnavailable %p of %p nodes is %p", (value, total, count) => {
  expect(resolveMaxUnavailable(value, total)).toBe(count);
});

describe("slots", () => {
  const cases: Record<string, [NodeFacts[], Partial<Policy>, string[]]> = {
    "one at a time, in the order people count": [[old("n10"), old("n9"), old("n1")], {}, ["n1"]],
    "three at a time": [[old("n3"), old("n1"), old("n2"), old("n4")], { maxUnavailable: 3 }, ["n1", "n2", "n3"]],
    "a node in between holds the slot": [[moving("n1"), old("n2")], {}, []],
    "a new node that is not done holds the slot": [[bare({ name: "n1" }), old("n2")], {}, []],
    "a cordoned node holds the slot": [[old("n1", { cordoned: true }), old("n2")], {}, []],
    "a cordoned node that is done holds the slot": [[whole("v2", { name: "n1", cordoned: true }), old("n2")], {}, []],
    "a node that is not Ready holds the slot": [[old("n1", { ready: false }), old("n2")], {}, []],
    "two slots, one held by a cordoned node": [
      [old("n1", { cordoned: true }), old("n2"), old("n3")],
      { maxUnavailable: 2 },
      ["n2"],
    ],
    "nodes that are not wanted hold none": [
      [moving("n1"), old("n2")].map((n, i) => (i ? n : { ...n, want: undefined })),
      {},
      ["n2"],
    ],
    "a node that no kernel mapping is for holds none": [[bare({ name: "n1", mapped: false }), old("n2")], {}, ["n2"]],
    "a node that lost its kernel mapping half-way holds one": [
      [bare({ name: "n1", mapped: false, stepRecord: stepRecord("UnlabelOnload") }), old("n2")],
      {},
      [],
    ],
    "a node that another resource has not left holds none": [
      [bare({ name: "n1", blockedBy: "a/b" }), old("n2")],
      {},
      ["n2"],
    ],
    paused: [[old("n1")], { paused: true }, []],
    "no mapping for the kernel": [[old("n1", { mapped: false })], {}, []],
    "the operator's own node comes last": [[old("n1", { ownNode: true }), old("n2")], {}, ["n2"]],
    "the operator's own node, alone": [[old("n1", { ownNode: true })], {}, ["n1"]],
    "a node that is out already comes first": [[old("n1"), old("n2", { plugin: plugin(false) })], {}, ["n2"]],
    "nodes that never worked and hold no pods need no slot": [
      [1, 2, 3].map((i) => old(`n${i}`, { onload: module(), allocatable: 0, holders: [] })),
      {},
      ["n1", "n2", "n3"],
    ],
    "nodes that never worked but hold pods wait": [
      [1, 2, 3].map((i) => old(`n${i}`, { onload: module(), allocatable: 0, holders: [{} as never] })),
      {},
      [],
    ],
    "an outdated plugin pod takes a slot": [
      [whole("v2", { name: "n1", plugin: { ...plugin(), current: false } }), old("n2")],
      {},
      ["n1"],
    ],
    "a failed node halts all": [
      [{ ...moving("n1"), stepRecord: stepRecord("LabelOnload", 601_000) }, old("n2")],
      { maxUnavailable: 5 },
      [],
    ],
    "a failed node of an earlier attempt gets its time again": [
      [{ ...moving("n1"), stepRecord: stepRecord("LabelOnload", 601_000) }, old("n2")],
      { maxUnavailable: 5, attempt: "2" },
      ["n2"],
    ],
  };
  test.each(Object.entries(cases))("%s", (_name, [nodes, changes, expected]) => {
    expect(starters(nodes, changes)).toEqual(expected);
  });
});

test("nodes whose module never loaded are looked at before they start without a slot", () => {
  const nodes = [1, 2].map((i) => old(`n${i}`, { onload: module(), plugin: plugin(false), allocatable: 0 }));
  expect(planRollout(nodes, policy, NOW).nodes.map(({ step }) => step)).toEqual(["Inspect", "Inspect"]);
});
