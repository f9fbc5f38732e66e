import { describe, expect, test } from "bun:test";
import { NODE_REASON } from "../../api/reasons.ts";
import { bare, holder, module, NOW, plugin, policy, stepRecord, whole } from "../testing/facts.ts";
import type { NodeFacts } from "../assess/facts.ts";
import type { Policy } from "./node-plan.ts";
import { waitText } from "./awaited.ts";
import { planRollout } from "./plan.ts";
import { resolveMaxUnavailable } from "./slots.ts";

const none = { plugin: undefined, onload: undefined, sfc: undefined };

function starters(nodes: NodeFacts[], changes: Partial<Policy> = {}): string[] {
  const plan = planRollout(nodes, { ...policy, ...changes }, NOW);
  return plan.nodes.filter(({ step }) => step === "UnlabelPlugin" || step === "ReplacePlugin").map((p) => p.facts.name);
}

const old = (name: string, changes: Partial<NodeFacts> = {}): NodeFacts => whole("v1", { name, ...changes });
const moving = (name: string): NodeFacts =>
  bare({ name, labels: { ...none, onload: "v2" }, onload: module(), stepRecord: stepRecord("LabelOnload") });

const replaced = (name: string, failure: NodeFacts["plugin"]["failure"]): NodeFacts =>
  whole("v2", { name, plugin: { ...plugin(false), current: false, failure } });

const POD = holder();
const letGo = (name: string, holders: NodeFacts["holders"], changes: Partial<NodeFacts> = {}): NodeFacts =>
  old(name, { want: undefined, holders, ...changes });
const leaving = (name: string, holders: NodeFacts["holders"], changes: Partial<NodeFacts> = {}): NodeFacts => {
  const step = stepRecord("Evict");
  return bare({ name, want: undefined, labels: { ...none, onload: "v1" }, stepRecord: step, holders, ...changes });
};

/** An upgrade had unloaded its module when it lost its labels. */
const interrupted = (name: string, changes: Partial<NodeFacts> = {}): NodeFacts => {
  const step = stepRecord("UnlabelOnload");
  return bare({ name, want: undefined, stepRecord: step, holders: [], ...changes });
};

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

test("a node that an upgrade has out is kept where it is while a person has to confirm that labels were lost", () => {
  const step = (nodes: NodeFacts[], letGoConfirmed: boolean) => {
    const [first] = planRollout(nodes, { ...policy, letGoConfirmed }, NOW).nodes;
    return [first!.step, first!.gate];
  };
  const serving = letGo("n2", [POD]);
  expect(step([interrupted("n1"), serving], true)).toEqual(["ClearMark", undefined]);
  expect(step([interrupted("n1"), serving], false)).toEqual(["None", "NotConfirmed"]);
  // It is looked at, until it is known whether the others lose anything.
  expect(step([interrupted("n1"), letGo("n2", undefined)], false)).toEqual(["Inspect", undefined]);
  expect(step([interrupted("n1", { ready: false }), serving], false)).toEqual(["ClearMark", undefined]);
});

describe("slots", () => {
  const cases: Record<string, [NodeFacts[], Partial<Policy>, string[]]> = {
    "one at a time, in their order": [[old("n1"), old("n9"), old("n10")], {}, ["n1"]],
    "three at a time": [[old("n1"), old("n2"), old("n3"), old("n4")], { maxUnavailable: 3 }, ["n1", "n2", "n3"]],
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
    "a node that is let go holds one while pods are made to leave it": [[leaving("n1", [POD]), old("n2")], {}, []],
    "a node that is let go and not Ready holds none": [[leaving("n1", [POD], { ready: false }), old("n2")], {}, ["n2"]],
    "a node that is let go holds none once it is empty": [[leaving("n1", []), old("n2")], {}, ["n2"]],
    "nodes that are let go, with pods": [[letGo("n1", [POD]), letGo("n2", [POD]), letGo("n3", [POD])], {}, ["n1"]],
    "more nodes that serve pods have lost their labels than may be out": [
      [letGo("n1", [POD]), letGo("n2", [POD]), letGo("n3", [])],
      { letGoConfirmed: false },
      ["n3"],
    ],
    "one that an upgrade has out counts too": [[interrupted("n1"), letGo("n2", [POD])], { letGoConfirmed: false }, []],
    "one that an upgrade has out, while it is not known whether pods would lose anything": [
      [interrupted("n1"), letGo("n2", undefined)],
      { letGoConfirmed: false },
      [],
    ],
    "one that was let go before does not count": [
      [interrupted("n1", { stepRecord: { ...stepRecord("UnlabelOnload"), letGo: true } }), letGo("n2", [POD])],
      { letGoConfirmed: false },
      ["n2"],
    ],
    "nodes that an upgrade has out, and nobody loses anything": [
      [interrupted("n1"), interrupted("n2"), letGo("n3", [])],
      { letGoConfirmed: false },
      ["n3"],
    ],
    "a node whose last PATCH was not answered holds the slot, and gets it again": [
      [old("n1"), old("n2")],
      { unanswered: ["n2"] },
      ["n2"],
    ],
    "such a node that is let go": [[old("n1"), letGo("n2", [POD])], { unanswered: ["n2"] }, ["n2"]],
    "such a node that is let go, and one that serves nobody": [
      [letGo("n1", [POD]), letGo("n2", [POD]), letGo("n3", [])],
      { unanswered: ["n2"] },
      ["n2", "n3"],
    ],
    "such a node, and one that is out": [[old("n1", { cordoned: true }), old("n2")], { unanswered: ["n2"] }, []],
    "such a node while the resource is paused": [[old("n1"), old("n2")], { unanswered: ["n2"], paused: true }, []],
    "two slots, and one such node": [
      [old("n1"), old("n2"), old("n3"), old("n4")],
      { unanswered: ["n3"], maxUnavailable: 2 },
      ["n1", "n3"],
    ],
    "as many as may be out": [
      [letGo("n1", [POD]), letGo("n2", [POD]), letGo("n3", [POD], { ready: false })],
      { letGoConfirmed: false, maxUnavailable: 2 },
      ["n1", "n2"],
    ],
    "nodes that are let go, without pods": [
      [letGo("n1", []), letGo("n2", []), letGo("n3", [POD])],
      {},
      ["n1", "n2", "n3"],
    ],
    "a node that is let go waits for one in between": [[moving("n1"), letGo("n2", [POD]), letGo("n3", [])], {}, ["n3"]],
    "a node that is let go counts for the next upgrade": [[letGo("n1", [POD]), old("n2")], {}, ["n1"]],
    "nodes that are let go although cordoned": [
      [letGo("n1", [POD], { cordoned: true }), letGo("n2", [POD], { cordoned: true })],
      {},
      ["n1"],
    ],
    "a node that is let go, not Ready and with pods": [
      [letGo("n1", [POD], { ready: false }), letGo("n2", [POD])],
      {},
      ["n2"],
    ],
    "nodes that are let go, although the rollout is paused": [
      [letGo("n1", [POD]), old("n2")],
      { paused: true },
      ["n1"],
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
    "nodes that never worked but hold pods go one after another": [
      [1, 2, 3].map((i) => old(`n${i}`, { onload: module(), allocatable: 0, holders: [{} as never] })),
      {},
      ["n1"],
    ],
    "nodes that never worked and still offer amd.com/onload go one after another": [
      [1, 2, 3].map((i) => old(`n${i}`, { onload: module(), allocatable: 100, holders: [] })),
      {},
      ["n1"],
    ],
    "the next of them waits for the one that has begun": [
      [moving("n1"), ...[2, 3].map((i) => old(`n${i}`, { onload: module() }))],
      {},
      [],
    ],
    "and for one that is cordoned": [
      [old("n1", { cordoned: true }), old("n2", { onload: module(), holders: [{} as never] })],
      {},
      [],
    ],
    "a node on which pods can be placed comes after one that serves nobody": [
      [old("n1", { onload: module() }), old("n2", { plugin: plugin(false), allocatable: 0, holders: [] })],
      {},
      ["n2"],
    ],
    "and waits while it is looked whether pods are there": [
      [old("n1", { onload: module() }), old("n2", { plugin: plugin(false), allocatable: 0, holders: undefined })],
      {},
      [],
    ],
    "a node that serves waits for all that do not": [
      [old("n1"), old("n2", { onload: module() }), old("n3", { onload: module() })],
      { maxUnavailable: 2 },
      ["n2", "n3"],
    ],
    "plugin pods that fail need no slot to be replaced": [
      [1, 2, 3].map((i) => replaced(`n${i}`, { reason: NODE_REASON.ImagePullFailed, message: "m" })),
      {},
      ["n1", "n2", "n3"],
    ],
    "plugin pods that are not ready for a moment are replaced one after another": [
      [1, 2, 3].map((i) => replaced(`n${i}`, undefined)),
      {},
      ["n1"],
    ],
    "plugin pods are not replaced before the DaemonSet controller has seen the new template": [
      [whole("v2", { plugin: { ...plugin(), current: false } })],
      { templateSeen: false },
      [],
    ],
    "nothing is given up while there is no image for the plugin": [[old("n1")], { pluginImageKnown: false }, []],
    "nothing is given up while nobody can tell whether it is paused": [[old("n1")], { pauseKnown: false }, []],
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

test("nodes whose module never loaded are inspected before they start without a slot", () => {
  const nodes = [1, 2].map((i) => old(`n${i}`, { onload: module(), plugin: plugin(false), allocatable: 0 }));
  expect(planRollout(nodes, policy, NOW).nodes.map(({ step }) => step)).toEqual(["Inspect", "Inspect"]);
});

describe("who holds the slots is said", () => {
  const slots = (nodes: NodeFacts[], changes: Partial<Policy> = {}): string =>
    planRollout(nodes, { ...policy, ...changes }, NOW).slots;
  test.each<[string, NodeFacts[], Partial<Policy>, string]>([
    ["nobody waits for one", [old("n1")], {}, ""],
    ["one starts now", [old("n1"), old("n2")], {}, "The slot is held by n1 (starts now)"],
    ["one is in between", [moving("n1"), old("n2")], {}, "The slot is held by n1 (LoadingOnload)"],
    [
      "several are out",
      [
        old("n1", { cordoned: true }),
        old("n2", { ready: false }),
        whole("v2", { name: "n3", cordoned: true }),
        moving("n4"),
        old("n5"),
      ],
      { maxUnavailable: 2 },
      "The 2 slots are held by n1 (cordoned), n2 (not Ready), n3 (cordoned) and 1 more",
    ],
    [
      "one that somebody can give back, among many that are out of service and wait for it",
      [
        ...["a", "b", "c", "d"].map((name) => old(name, { plugin: plugin(false) })),
        old("n57", { cordoned: true, plugin: plugin(false) }),
      ],
      {},
      "The slot is held by n57 (cordoned), a (out of service), b (out of service) and 2 more",
    ],
  ])("%s", (_what, nodes, changes, text) => {
    expect(slots(nodes, changes)).toBe(text);
  });
  test("on every node that waits", () => {
    const { nodes, slots: held } = planRollout([moving("n1"), old("n2"), old("n3")], policy, NOW);
    expect(nodes.map((node) => waitText(node, held))).toEqual([
      "Waits for KMM to load onload",
      ...Array(2).fill("The slot is held by n1 (LoadingOnload)"),
    ]);
  });
});
