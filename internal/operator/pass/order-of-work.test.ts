import { describe, expect, test } from "bun:test";
import { firstOf } from "./order-of-work.ts";
import type { NodePlan } from "../rollout/node-plan.ts";
import { planRollout, withoutStarts, type RolloutPlan } from "../rollout/plan.ts";
import { NOW, policy, whole } from "../testing/facts.ts";
import type { NodeState } from "../rollout/states.ts";
import type { StepName } from "../rollout/steps.ts";

function planOf(...steps: [NodeState, StepName][]): RolloutPlan {
  const nodes = steps.map(([state, step], i) => {
    const facts = { name: `n${i}`, want: state === "Unwanted" ? undefined : "v2" };
    return { facts, state, step } as unknown as NodePlan;
  });
  return { nodes, wakeAt: undefined, halted: false, slots: "", stalled: undefined };
}

describe("labels come before objects", () => {
  test.each([
    ["when there is no node", planOf(), "labels"],
    [
      "when nodes are only installed",
      planOf(["New", "Install"], ["LoadingOnload", "Wait"], ["Ready", "None"]),
      "labels",
    ],
    ["but not when a node is taken down", planOf(["New", "Install"], ["Outdated", "UnlabelPlugin"]), "objects"],
    ["but not when a node gets its next version", planOf(["Unloaded", "LabelSfc"]), "objects"],
    ["but not when the plugin starts", planOf(["ModuleReady", "LabelPlugin"]), "objects"],
    ["but not when a plugin is replaced", planOf(["PluginOutdated", "ReplacePlugin"]), "objects"],
    ["but not when a node is cleaned", planOf(["Drained", "UnlabelOnload"]), "objects"],
  ] as const)("%s", (_name, plan, first) => {
    expect(firstOf(plan)).toBe(first);
  });
});

test("nodes that serve stay as they are while objects are missing, and the other nodes go on", () => {
  const plan = planOf(
    ["Outdated", "UnlabelPlugin"],
    ["Outdated", "Inspect"],
    ["PluginOutdated", "ReplacePlugin"],
    ["Draining", "Evict"],
    ["Leaving", "UnlabelPlugin"],
    ["Unwanted", "UnlabelPlugin"],
    ["New", "Install"],
  );
  expect(withoutStarts(plan).nodes.map(({ step }) => step)).toEqual([
    "None",
    "None",
    "None",
    "Evict",
    "UnlabelPlugin",
    "UnlabelPlugin",
    "Install",
  ]);
  expect(plan.nodes[0]!.step).toBe("UnlabelPlugin");
});

test("nodes that wait for the slot of one that does not start wait for the objects too, and nobody is named for it", () => {
  const old = ["n1", "n2"].map((name) => whole("v1", { name }));
  const plan = planRollout(old, policy, NOW);
  expect(plan.nodes.map(({ step }) => step)).toEqual(["UnlabelPlugin", "None"]);
  expect(plan.slots).toContain("n1 (starts now)");
  const { nodes, slots } = withoutStarts(plan);
  expect(nodes.map(({ gate }) => gate)).toEqual(["NotApplied", "NotApplied"]);
  expect(slots).toBe("");
});

test("nodes that wait for another reason keep it while objects are missing", () => {
  const nodes = [whole("v1", { name: "n1" }), whole("v1", { name: "n2", cordoned: true })];
  expect(
    withoutStarts(planRollout(nodes, { ...policy, maxUnavailable: 2 }, NOW)).nodes.map(({ gate }) => gate),
  ).toEqual(["NotApplied", "Cordoned"]);
});
