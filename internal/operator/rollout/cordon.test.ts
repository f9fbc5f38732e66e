/** Nodes that a person cordons while they are in between, with a KMM that skips cordoned nodes and is not woken by an uncordon. */
import { describe, expect, test } from "bun:test";
import { NODE_REASON } from "../../api/reasons.ts";
import type { NodeFacts } from "../assess/facts.ts";
import { reminderLabel } from "../kmm/reminder.ts";
import { parseStepRecord, stepRecordAnnotation } from "../observe/step-record.ts";
import { bare, holder, module, noModule, NOW, policy, stepRecord, whole } from "../testing/facts.ts";
import { KMM_1 } from "../testing/kmm.ts";
import { isDue, nodePatch, type NodePatch } from "./patch.ts";
import type { NodePlan, Policy } from "./node-plan.ts";
import { planRollout } from "./plan.ts";
import { isAvailable, isDone } from "./slots.ts";

const KEY = { namespace: "ns", name: "o" };
const none = { plugin: undefined, onload: undefined, sfc: undefined };
const skips = { ...policy, kmmSkipsCordoned: true };
const planOf = (facts: NodeFacts, rules: Policy = skips, now = NOW): NodePlan =>
  planRollout([facts], rules, now).nodes[0]!;
const patchOf = (plan: NodePlan, rules: Policy = skips): NodePatch | undefined =>
  isDue(plan) ? nodePatch(plan, KEY, KMM_1, rules.attempt, NOW) : undefined;
const cordoned = (changes: Partial<NodeFacts>): NodeFacts =>
  bare({ cordoned: true, stepRecord: stepRecord("UnlabelPlugin", 3_600_000), ...changes });

/** Nodes on their way from v1 to v2. */
const ON_THE_WAY: Record<string, NodeFacts> = {
  Draining: cordoned({ labels: { ...none, onload: "v1" }, onload: module("v1"), holders: [holder()] }),
  Drained: cordoned({ labels: { ...none, onload: "v1" }, onload: module("v1"), holders: [] }),
  OnloadUnloaded: cordoned({ labels: { ...none, sfc: "v1" }, sfc: module("v1") }),
  Unloaded: cordoned({}),
  SfcReady: cordoned({ sfcManaged: true, labels: { ...none, plugin: "v2", sfc: "v2" }, sfc: module("v2") }),
  SfcUnlabelled: cordoned({
    sfcManaged: true,
    labels: { ...none, onload: "v2" },
    onload: module(),
    sfc: module("v2"),
  }),
};

describe("a cordoned node that is to run a version stays as it is", () => {
  test.each(Object.entries(ON_THE_WAY))("at %s", (state, facts) => {
    const plan = planOf(facts);
    expect(plan).toMatchObject({ state, step: "None", gate: "Cordoned", deadline: undefined, renewal: undefined });
    expect(plan.problem).toMatchObject({ reason: "Cordoned", failed: false, passing: true });
    expect(plan.problem!.message).toContain("until uncordoned");
    expect(patchOf(plan)).toBeUndefined();
  });
  test.each(Object.entries(ON_THE_WAY))("at %s, and goes on once it is uncordoned", (state, facts) => {
    const plan = planOf({ ...facts, cordoned: false });
    expect(plan).toMatchObject({ state, gate: undefined, problem: undefined });
    expect(plan.step).not.toBe("None");
  });
  test.each(Object.entries(ON_THE_WAY))("at %s, but not if KMM loads on cordoned nodes", (_state, facts) => {
    expect(planOf(facts, policy)).toMatchObject({ gate: undefined });
  });
  test.each(["Draining", "Drained", "OnloadUnloaded"])("at %s, but not if it is to run none", (state) => {
    expect(planOf({ ...ON_THE_WAY[state]!, want: undefined })).toMatchObject({ state, gate: undefined });
  });
  test("and what is unloading already ends", () => {
    const facts = cordoned({ onload: module("v1"), stepRecord: stepRecord("UnlabelOnload", policy.limits.step) });
    expect(planOf(facts)).toMatchObject({ state: "UnloadingOnload", step: "Wait", problem: { failed: true } });
  });
});

describe("a node that is cordoned while its pods are asked to leave", () => {
  const long = stepRecord("Evict", policy.limits.drain + policy.limits.step);
  const draining = (changes: Partial<NodeFacts>): NodeFacts => ({ ...ON_THE_WAY["Draining"]!, ...changes });
  const noted = (since = NOW): NodeFacts["stepRecord"] => ({ step: "Evict", since, attempt: "1", cordoned: true });
  const record = (patch: NodePatch | undefined): NodeFacts["stepRecord"] =>
    parseStepRecord(patch?.metadata.annotations[stepRecordAnnotation(KEY)] ?? undefined);

  test("is noted once", () => {
    const patch = patchOf(planOf(draining({ stepRecord: long })));
    expect(patch!.metadata.labels).toBeUndefined();
    expect(record(patch)).toEqual(noted());
    const next = planOf(draining({ stepRecord: noted() }), skips, NOW + 1e9);
    expect(next.problem).toMatchObject({ reason: "Cordoned", since: NOW });
    expect(patchOf(next)).toBeUndefined();
  });
  test.each([true, false])("has a drain's time again once it is uncordoned, whichever KMM there is (%p)", (skipped) => {
    const rules = { ...policy, kmmSkipsCordoned: skipped, limits: { ...policy.limits, force: true } };
    const back = draining({ cordoned: false, stepRecord: noted(NOW - 1e9) });
    const plan = planOf(back, rules);
    expect(plan).toMatchObject({ step: "Evict", problem: undefined, forceAt: undefined });
    const patch = patchOf(plan, rules);
    expect(patch!.metadata.labels).toBeUndefined();
    expect(record(patch)).toEqual({ step: "Evict", since: NOW, attempt: "1" });
    const next = planOf({ ...back, stepRecord: record(patch) }, rules);
    expect(next).toMatchObject({ step: "Evict", problem: undefined, forceAt: NOW + policy.limits.drain });
    expect(patchOf(next, rules)).toBeUndefined();
  });
  test.each([true, false])("has it too if it is to run no version any more, cordoned or not (%p)", (still) => {
    const rules = { ...skips, limits: { ...policy.limits, force: true } };
    const plan = planOf(draining({ cordoned: still, want: undefined, stepRecord: noted(NOW - 1e9) }), rules);
    expect(plan).toMatchObject({ step: "Evict", problem: undefined, forceAt: undefined });
    expect(record(patchOf(plan))).toEqual({ step: "Evict", since: NOW, attempt: "1" });
  });
});

describe("a node that KMM has been asked to load on", () => {
  const waiting = (changes: Partial<NodeFacts> = {}): NodeFacts =>
    bare({ labels: { ...none, onload: "v2" }, onload: noModule, stepRecord: stepRecord("LabelOnload"), ...changes });
  const record = (patch: NodePatch | undefined): NodeFacts["stepRecord"] =>
    parseStepRecord(patch?.metadata.annotations[stepRecordAnnotation(KEY)] ?? undefined);
  const long = stepRecord("LabelOnload", 10 * policy.limits.step);

  test("is noted once when it is cordoned, has no time limit then, and is no failure", () => {
    const plan = planOf(waiting({ cordoned: true, stepRecord: long }));
    expect(plan).toMatchObject({ gate: "Cordoned", problem: { reason: "Cordoned", failed: false, passing: true } });
    const patch = patchOf(plan);
    expect(patch).toEqual({ metadata: { annotations: { [stepRecordAnnotation(KEY)]: expect.any(String) } } });
    expect(record(patch)).toEqual({ step: "LabelOnload", since: NOW, attempt: "1", cordoned: true });
    const next = planOf(waiting({ cordoned: true, stepRecord: record(patch) }), skips, NOW + 1e9);
    expect(next).toMatchObject({ gate: "Cordoned", problem: { reason: "Cordoned", failed: false } });
    expect(patchOf(next)).toBeUndefined();
  });
  test("KMM is reminded of once when it is uncordoned, and has a step's time again", () => {
    const noted = { ...long, cordoned: true as const };
    const patch = patchOf(planOf(waiting({ stepRecord: noted })));
    expect(patch!.metadata.labels).toEqual({ [reminderLabel(KEY)]: String(NOW) });
    expect(record(patch)).toEqual({ step: "LabelOnload", since: NOW, attempt: "1" });
    const next = planOf(waiting({ stepRecord: record(patch), reminded: true }));
    expect(next).toMatchObject({ step: "Wait", gate: undefined, problem: undefined });
    expect(next.deadline).toBe(NOW + policy.limits.step);
    expect(patchOf(next)).toBeUndefined();
  });
  test("KMM is reminded of once by a retry", () => {
    const retry = { ...skips, attempt: "1:0123456789abcdef" };
    const patch = patchOf(planOf(waiting(), retry), retry);
    expect(patch!.metadata.labels).toEqual({ [reminderLabel(KEY)]: String(NOW) });
    expect(patchOf(planOf(waiting({ stepRecord: record(patch) }), retry), retry)).toBeUndefined();
  });
  test("KMM is not reminded of if it has begun, or needs no reminder", () => {
    const noted = { ...stepRecord("LabelOnload"), cordoned: true as const };
    expect(patchOf(planOf(waiting({ stepRecord: noted, onload: module() })))).toBeUndefined();
    expect(patchOf(planOf(waiting({ stepRecord: noted }), policy))).toBeUndefined();
    expect(patchOf(planOf(waiting({ cordoned: true, onload: module() })))).toBeUndefined();
  });
  test("and that has a loader is timed although it is cordoned", () => {
    const plan = planOf(waiting({ cordoned: true, onload: module(), stepRecord: long }));
    expect(plan.problem).toMatchObject({ reason: "ModuleLoadFailed", failed: true });
  });
  test("a failure that is reported there is one although it is cordoned", () => {
    const failure = { reason: NODE_REASON.ModuleLoadFailed, message: "m" };
    expect(planOf(waiting({ cordoned: true, onload: { ...noModule, failure } })).problem).toMatchObject({
      failed: true,
    });
  });
  test("a reboot while it was cordoned is noted although no step was taken", () => {
    const rebooted = whole("v2", { cordoned: true, onload: noModule, allocatable: 0, stepRecord: undefined });
    expect(record(patchOf(planOf(rebooted)))).toMatchObject({ step: "Wait", cordoned: true });
  });
});

test("the reminder goes with the next step, and from a node that is cleared", () => {
  const ready = bare({
    labels: { ...none, onload: "v2" },
    onload: module("v2"),
    stepRecord: stepRecord(),
    reminded: true,
  });
  expect(patchOf(planOf(ready))!.metadata.labels).toMatchObject({ [reminderLabel(KEY)]: null });
  const left = bare({ want: undefined, reminded: true });
  const plan = planOf(left);
  expect(plan.step).toBe("ClearMark");
  expect(patchOf(plan)!.metadata.labels).toEqual({ [reminderLabel(KEY)]: null });
});

describe("a node whose sfc KMM has taken away under onload", () => {
  const lost = (changes: Partial<NodeFacts> = {}): NodeFacts =>
    whole("v2", { sfcManaged: true, labels: { plugin: "v2", onload: "v2", sfc: "v2" }, ...changes });
  const reminder = reminderLabel(KEY);

  test("says so and what to do, and is not ready", () => {
    const { problem, state } = planOf(lost());
    expect({ state, ...problem }).toMatchObject({ state: "SfcMissing", reason: "SfcMissing", failed: false });
    expect(problem!.passing).toBeUndefined();
    expect(problem!.message).toBe(
      "Onload is loaded, and KMM has unloaded sfc under it; KMM is asked to load it again; if it does not come back, move the pods away and reboot the node, or change spec.onload.version",
    );
    expect(isDone(planOf(lost()))).toBeFalse();
    expect(isAvailable(planOf(lost()))).toBeFalse();
  });
  test("is shown to KMM once, and once more in a retry", () => {
    expect(patchOf(planOf(lost()))).toMatchObject({ metadata: { labels: { [reminder]: String(NOW) } } });
    expect(patchOf(planOf(lost({ reminded: true })))).toBeUndefined();
    const again = { ...skips, attempt: "2" };
    expect(patchOf(planOf(lost({ reminded: true }), again), again)).toBeDefined();
  });
  test.each<[string, Partial<NodeFacts>, Policy]>([
    ["it is cordoned", { cordoned: true }, skips],
    ["it is not Ready", { ready: false, readySince: NOW }, skips],
    ["KMM does so by itself", {}, policy],
    ["something of sfc is there", { sfc: module() }, skips],
  ])("is not shown to KMM while %s", (_when, changes, rules) => {
    expect(patchOf(planOf(lost(changes), rules), rules)).toBeUndefined();
  });
  test("loses the reminder once sfc is back", () => {
    const back = lost({ reminded: true, sfc: module("v2") });
    expect(patchOf(planOf(back))).toMatchObject({ metadata: { labels: { [reminder]: null } } });
    expect(patchOf(planOf({ ...back, reminded: false }))).toBeUndefined();
  });
  test("has a step's time while sfc is loaded again, and says why that fails", () => {
    const loading = lost({ sfc: { ...module(), since: NOW } });
    expect(planOf(loading)).toMatchObject({ problem: { passing: true }, deadline: NOW + policy.limits.step });
    expect(planOf(loading, skips, NOW + policy.limits.step).problem!.passing).toBeUndefined();
    const failure = { reason: NODE_REASON.ModuleLoadFailed, message: "Module sfc is in use" };
    const { problem } = planOf(lost({ sfc: { ...module(), since: NOW, failure } }));
    expect(problem).toMatchObject({ reason: "SfcMissing", failed: false });
    expect(problem!.message).toContain("Module sfc is in use");
    expect(problem!.passing).toBeUndefined();
  });
  test("is shown to KMM too if it has rebooted since, and onload waits for sfc", () => {
    const rebooted = lost({ onload: module(), allocatable: 0 });
    expect(planOf(rebooted)).toMatchObject({ state: "LoadingOnload", renewal: { remind: true } });
  });
});
