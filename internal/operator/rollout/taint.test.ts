/** Nodes with taints: what is not taken down for a version that could not come up, and what is said of it. */
import { describe, expect, test } from "bun:test";
import type { NodeFacts } from "../assess/facts.ts";
import { bare, holder, module, noModule, NOW, plugin, policy, stepRecord, whole } from "../testing/facts.ts";
import { isDue } from "./patch.ts";
import type { NodePlan, Policy } from "./node-plan.ts";
import { planRollout } from "./plan.ts";

const none = { plugin: undefined, onload: undefined, sfc: undefined };
const dedicated = { text: "dedicated=trading:NoSchedule", passing: false };
const full = { text: "node.kubernetes.io/disk-pressure:NoSchedule", passing: true };
const byKmm = { taints: { kmm: dedicated, plugin: undefined } };
const byPlugin = { taints: { kmm: undefined, plugin: dedicated } };
const KMM_1_POLICY = { ...policy, kmmSkipsCordoned: true };
const plansOf = (facts: NodeFacts[], rules: Policy, now = NOW): NodePlan[] => planRollout(facts, rules, now).nodes;
const planOf = (facts: NodeFacts, rules: Policy, now = NOW): NodePlan => plansOf([facts], rules, now)[0]!;
const record = stepRecord("UnlabelPlugin", 3_600_000);

const KEPT: Record<string, NodeFacts> = {
  Outdated: whole("v1"),
  Draining: bare({ labels: { ...none, onload: "v1" }, onload: module("v1"), holders: [holder()], stepRecord: record }),
  Drained: bare({ labels: { ...none, onload: "v1" }, onload: module("v1"), holders: [], stepRecord: record }),
  OnloadUnloaded: bare({ labels: { ...none, sfc: "v1" }, sfc: module("v1"), stepRecord: record }),
  Unloaded: bare({ stepRecord: record }),
  SfcReady: bare({
    sfcManaged: true,
    labels: { ...none, plugin: "v2", sfc: "v2" },
    sfc: module("v2"),
    stepRecord: record,
  }),
};

describe.each([
  ["that KMM does not tolerate", byKmm, KMM_1_POLICY, "install KMM 2.3 or later"],
  ["that the plugin does not tolerate", byPlugin, policy, "add a toleration"],
])("a node with a taint %s", (_what, taints, rules, remedy) => {
  test.each(Object.entries(KEPT))("stays as it is at %s, and the status names taint and remedy", (state, facts) => {
    const plan = planOf({ ...facts, ...taints }, rules);
    expect(plan).toMatchObject({ state, step: "None", gate: "Tainted" });
    expect(plan.problem).toMatchObject({ reason: "Tainted", failed: false });
    expect(plan.problem!.message).toContain(dedicated.text);
    expect(plan.problem!.message).toContain(remedy);
    expect(plan.problem!.passing).toBeUndefined();
  });
  test.each(Object.entries(KEPT))("goes on at %s once the taint is gone", (state, facts) => {
    const plan = planOf(facts, rules);
    expect(plan).toMatchObject({ state, gate: undefined, problem: undefined });
    expect(plan.step).not.toBe("None");
  });
  test("is not begun with, and holds no slot from others", () => {
    const nodes = [bare({ name: "a", ...taints }), whole("v1", { name: "b" })];
    const [a, b] = plansOf(nodes, rules);
    expect(a).toMatchObject({ state: "Tainted", step: "None", problem: { reason: "Tainted" } });
    expect(b).toMatchObject({ step: "UnlabelPlugin" });
  });
  test("that serves the wanted version is left alone", () => {
    expect(planOf(whole("v2", taints), rules)).toMatchObject({ state: "Ready", problem: undefined });
  });
  test("leaves all the same if it is to run none", () => {
    expect(planOf({ ...KEPT["Drained"]!, want: undefined, ...taints }, rules).step).toBe("UnlabelOnload");
  });
});

test("Kubernetes' own taints pass, so that nothing is degraded by them", () => {
  for (const facts of Object.values(KEPT)) {
    const taints = { kmm: full, plugin: undefined };
    expect(planOf({ ...facts, taints }, KMM_1_POLICY).problem).toMatchObject({ reason: "Tainted", passing: true });
  }
});

describe("a module that KMM was asked for before the taint came", () => {
  const waiting = (changes: Partial<NodeFacts>): NodeFacts =>
    bare({
      labels: { ...none, onload: "v2" },
      onload: noModule,
      stepRecord: stepRecord("LabelOnload", 1e9),
      ...changes,
    });
  test("is waited for without a limit, and with a step's time again and a reminder once the taint is gone", () => {
    const kept = planOf(waiting(byKmm), KMM_1_POLICY);
    expect(kept).toMatchObject({ gate: "Tainted", problem: { failed: false }, renewal: { cordoned: true } });
    const noted = { ...stepRecord("LabelOnload", 1e9), cordoned: true as const };
    expect(isDue(planOf(waiting({ ...byKmm, stepRecord: noted }), KMM_1_POLICY))).toBeFalse();
    expect(planOf(waiting({ stepRecord: noted }), KMM_1_POLICY).renewal).toEqual({ cordoned: false, remind: true });
  });
  test("is timed as ever once KMM has begun", () => {
    const plan = planOf(waiting({ ...byKmm, onload: module() }), KMM_1_POLICY);
    expect(plan.problem).toMatchObject({ reason: "ModuleLoadFailed", failed: true });
  });
  test("is timed as ever where only the plugin does not tolerate it", () => {
    expect(planOf(waiting(byPlugin), policy).problem).toMatchObject({ failed: true });
  });
});

describe("a plugin whose pod is not made because of a taint", () => {
  const starting = (changes: Partial<NodeFacts>): NodeFacts =>
    whole("v2", { allocatable: 0, plugin: { ...plugin(false), present: false }, ...changes });
  test("is waited for without a limit, and with a step's time again once the taint is gone", () => {
    const kept = planOf(starting(byPlugin), policy);
    expect(kept).toMatchObject({
      state: "StartingPlugin",
      gate: "Tainted",
      problem: { reason: "Tainted", failed: false },
    });
    expect(kept.renewal).toEqual({ cordoned: true, remind: false });
    const noted = { ...stepRecord("LabelPlugin", 1e9), cordoned: true as const };
    const freed = planOf(starting({ stepRecord: noted }), policy);
    expect(freed.renewal).toEqual({ cordoned: false, remind: false });
  });
  test("is not replaced by one that could not come", () => {
    const old = whole("v2", { plugin: { ...plugin(), current: false }, ...byPlugin });
    expect(planOf(old, policy)).toMatchObject({ state: "PluginOutdated", step: "None", gate: "Tainted" });
    expect(planOf({ ...old, ...byKmm }, KMM_1_POLICY)).toMatchObject({ step: "ReplacePlugin" });
  });
});
