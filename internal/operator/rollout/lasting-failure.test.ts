/** Failures that come and go, seen from one plan to the next, with what each plan writes on the node. */
import { describe, expect, test } from "bun:test";
import { NODE_REASON } from "../../api/reasons.ts";
import type { NodeFacts } from "../assess/facts.ts";
import { failureRecordAnnotation, parseFailureRecord } from "../observe/failure-record.ts";
import { parseStepRecord, stepRecordAnnotation } from "../observe/step-record.ts";
import { bare, module, NOW, plugin, policy, stepRecord, whole } from "../testing/facts.ts";
import { KMM_1 } from "../testing/kmm.ts";
import { isDue, nodePatch } from "./patch.ts";
import type { NodePlan, Policy } from "./node-plan.ts";
import { planRollout } from "./plan.ts";

const KEY = { namespace: "ns", name: "o" };
const none = { plugin: undefined, onload: undefined, sfc: undefined };
const backOff = { reason: NODE_REASON.ModuleImageMissing, message: "Pod m: container c: ImagePullBackOff" };
const crash = { reason: NODE_REASON.ModuleLoadFailed, message: "Pod m: container c: exit code 1" };
const loading = (changes: Partial<NodeFacts> = {}): NodeFacts =>
  bare({ labels: { ...none, onload: "v2" }, onload: module(), stepRecord: stepRecord("LabelOnload"), ...changes });
const failing = (failure: NodeFacts["onload"]["failure"]): Partial<NodeFacts> => ({
  onload: { ...module(), failure },
});

/** A node whose annotations are written by plans, as the operator does, and read back for the next. */
class Node {
  readonly patches: string[] = [];
  #notes: Pick<NodeFacts, "stepRecord" | "failureRecord">;
  plan!: NodePlan;

  constructor() {
    this.#notes = { stepRecord: stepRecord("LabelOnload"), failureRecord: undefined };
  }

  /** One plan over what is seen, and its patch. */
  see(changes: Partial<NodeFacts>, rules: Partial<Policy> = {}, now = NOW): this {
    const { nodes } = planRollout([loading({ ...changes, ...this.#notes })], { ...policy, ...rules }, now);
    this.plan = nodes[0]!;
    if (!isDue(this.plan)) return this;
    const patch = nodePatch(this.plan, KEY, KMM_1, rules.attempt ?? policy.attempt, now);
    if (!patch) return this;
    const { annotations } = patch.metadata;
    this.patches.push(
      Object.keys(annotations)
        .map((name) => name.replace("onload.amd.com/ns.o.", ""))
        .sort()
        .join(),
    );
    const [step, failure] = [annotations[stepRecordAnnotation(KEY)], annotations[failureRecordAnnotation(KEY)]];
    if (step !== undefined) this.#notes.stepRecord = parseStepRecord(step ?? undefined);
    if (failure !== undefined) this.#notes.failureRecord = parseFailureRecord(failure ?? undefined);
    return this;
  }

  get noted(): NodeFacts["failureRecord"] {
    return this.#notes.failureRecord;
  }
}

describe("a failure that comes and goes", () => {
  test("lasts between two tries, is written once, and keeps its time and its reason", () => {
    const node = new Node();
    for (let i = 0; i < 5; i++) {
      node.see(failing(backOff), {}, NOW + i * 100_000);
      expect(node.plan.problem).toMatchObject({ reason: "ModuleImageMissing", failed: true, since: NOW });
      node.see({}, {}, NOW + i * 100_000 + 50_000);
      expect(node.plan.problem).toMatchObject({ reason: "ModuleImageMissing", failed: true, since: NOW });
    }
    expect(node.patches).toEqual(["failure"]);
  });
  test("keeps its reason when the step's time is over between two tries", () => {
    const node = new Node().see(failing(backOff)).see({}, {}, NOW + policy.limits.step);
    expect(node.plan.problem).toMatchObject({ reason: "ModuleImageMissing", failed: true, since: NOW });
    expect(node.patches).toEqual(["failure"]);
  });
  test("keeps other nodes from starting, and outlives the operator", () => {
    const { noted } = new Node().see(failing(backOff));
    const nodes = [loading({ name: "n1", failureRecord: noted }), whole("v1", { name: "n2" })];
    const plan = planRollout(nodes, { ...policy, maxUnavailable: 2 }, NOW + 1000);
    expect(plan.halted).toBeTrue();
    expect(plan.nodes[1]).toMatchObject({ step: "None", gate: "Halted" });
  });
  test("is over once what failed succeeds: the next step's patch removes the record", () => {
    const node = new Node().see(failing(backOff)).see({ onload: module("v2") });
    expect(node.plan).toMatchObject({ state: "ModuleReady", step: "LabelPlugin", problem: undefined });
    expect(node.patches).toEqual(["failure", "failure,step"]);
    expect(node.noted).toBeUndefined();
  });
  test("is over once what failed succeeds: if no step follows, a patch of its own removes the record", () => {
    const labels = { ...none, plugin: "v2", onload: "v2" };
    const done = { labels, onload: module("v2"), plugin: plugin(), allocatable: 100 };
    const node = new Node()
      .see({ labels, ...failing(crash) })
      .see(done)
      .see(done);
    expect(node.plan).toMatchObject({ state: "Ready", problem: undefined });
    expect(node.patches).toEqual(["failure", "failure"]);
  });
  test("is over once the plugin that ended again and again has run for a minute, and not at each of its starts", () => {
    const labels = { ...none, plugin: "v2", onload: "v2" };
    const crashing = { reason: NODE_REASON.PluginNotReady, message: "Pod p: container c: exit code 1" };
    const ended = { labels, onload: module("v2"), plugin: { ...plugin(false), failure: crashing } };
    const runs = (since: number) => ({ ...ended, plugin: { ...plugin(), since }, allocatable: 100 });
    const node = new Node().see(ended);
    for (const start of [10_000, 60_000, 160_000]) {
      node.see(runs(NOW + start), {}, NOW + start + 20_000);
      expect(node.plan).toMatchObject({
        state: "Ready",
        problem: { reason: "PluginNotReady", failed: true, since: NOW },
      });
      const other = whole("v1", { name: "n2" });
      const facts = [{ ...node.plan.facts, name: "n1" }, other];
      const { halted, nodes, wakeAt } = planRollout(facts, { ...policy, maxUnavailable: 2 }, NOW + start + 20_000);
      expect([halted, nodes[1]!.gate, wakeAt]).toEqual([true, "Halted", NOW + start + 60_000]);
      node.see(ended, {}, NOW + start + 30_000);
    }
    expect(node.patches).toEqual(["failure"]);
    node.see(runs(NOW + 300_000), {}, NOW + 360_000);
    expect(node.plan).toMatchObject({ state: "Ready", problem: undefined });
    expect(node.noted).toBeUndefined();
  });
  test("is not over when the node falls back to an earlier step of the same attempt", () => {
    const labels = { ...none, plugin: "v2", onload: "v2" };
    const broken = { ...plugin(false), failure: { reason: NODE_REASON.ImagePullFailed, message: "m" } };
    const node = new Node().see({ labels, onload: module("v2"), plugin: broken }).see({ labels });
    expect(node.plan).toMatchObject({ state: "LoadingOnload", problem: { reason: "ImagePullFailed", failed: true } });
  });
  test("gives way to another failure that is reported", () => {
    const node = new Node()
      .see(failing(backOff))
      .see(failing(crash), {}, NOW + 60_000)
      .see({}, {}, NOW + 70_000);
    expect(node.plan.problem).toMatchObject({ reason: "ModuleLoadFailed", failed: true });
    expect(node.plan.problem!.message).toContain("exit code 1");
    expect(node.patches).toEqual(["failure", "failure"]);
  });
  test("is over when a retry is asked for, and is another if it is still reported", () => {
    const again = { attempt: "1:0123456789abcdef" };
    expect(new Node().see(failing(backOff)).see({}, again).plan.problem).toBeUndefined();
    const node = new Node().see(failing(backOff)).see(failing(backOff), again).see({}, again);
    expect(node.plan.problem).toMatchObject({ reason: "ModuleImageMissing", failed: true });
    expect(node.patches).toEqual(["failure", "failure,step"]);
  });
  test("begins no rollback until it is known whether the retry has failed too", () => {
    const again = { attempt: "1:0123456789abcdef" };
    const node = new Node().see(failing(backOff)).see(failing(backOff), again);
    const until = NOW + 330_000;
    const seen = (changes: Partial<NodeFacts>, now: number) => node.see(changes, again, now).plan.problem;
    expect(seen(failing(backOff), NOW + 1000)).toMatchObject({ failed: true, retriedUntil: until });
    // Between two tries nothing is reported.
    expect(seen({}, NOW + 2000)).toMatchObject({ failed: true, retriedUntil: NOW + policy.limits.step });
    // A pod that was made since the retry still pulls its image.
    const pulls = { onload: { ...module(), since: NOW + 2500 } };
    expect(seen(pulls, NOW + 2600)).toMatchObject({ failed: true, retriedUntil: NOW + policy.limits.step });
    expect(seen(failing(backOff), until)!.retriedUntil).toBeUndefined();
    // A pod that was made since the retry has failed in it.
    const { onload } = failing(crash) as { onload: NodeFacts["onload"] };
    expect(seen({ onload: { ...onload, since: NOW + 3000 } }, NOW + 4000)!.retriedUntil).toBeUndefined();
  });
  test("is over when another version is wanted, as in a rollback", () => {
    const node = new Node().see(failing(backOff)).see({ want: "v1", holders: [] });
    expect(node.plan).toMatchObject({ state: "Drained", problem: undefined });
    expect(node.noted).toBeUndefined();
  });
  test("that is the node's own is over once the node is Ready", () => {
    const late = { stepRecord: stepRecord("LabelOnload", policy.limits.step) };
    const { failureRecord } = planRollout([loading({ ...late, ready: false })], policy, NOW).nodes[0]!;
    expect(failureRecord).toMatchObject({ reason: "NodeNotReady" });
    const back = loading({ ...late, readySince: NOW, failureRecord: { ...failureRecord!, since: NOW } });
    expect(planRollout([back], policy, NOW).nodes[0]!.problem).toBeUndefined();
  });
  test("by time lasts when the pod that it waits for is made anew", () => {
    const node = new Node().see({}, {}, NOW + policy.limits.step);
    expect(node.plan.problem).toMatchObject({ reason: "ModuleLoadFailed", failed: true });
    const since = NOW + policy.limits.step;
    node.see({ onload: { ...module(), since } }, {}, since + 1000);
    expect(node.plan.problem).toMatchObject({ reason: "ModuleLoadFailed", failed: true });
  });
  test("by time is forgiven by a retry, which gives the step its time again, in one patch", () => {
    const now = NOW + policy.limits.step;
    const node = new Node().see({}, {}, now).see({}, { attempt: "2" }, now).see({}, { attempt: "2" }, now);
    expect(node.plan.problem).toBeUndefined();
    expect(node.patches).toEqual(["failure", "failure,step"]);
  });
  test("on a node without a step record is forgiven by a retry too", () => {
    const old = { reason: NODE_REASON.ModuleLoadFailed, message: "m", state: "LoadingOnload", version: "v2", since: 0 };
    const facts = loading({ stepRecord: undefined, readySince: 0, failureRecord: { ...old, attempt: "1" } });
    const again = { ...policy, attempt: "2" };
    const plan = planRollout([facts], again, NOW).nodes[0]!;
    expect(plan.problem).toBeUndefined();
    expect(nodePatch(plan, KEY, KMM_1, "2", NOW)!.metadata.annotations).toMatchObject({
      [failureRecordAnnotation(KEY)]: null,
      [stepRecordAnnotation(KEY)]: `Wait ${new Date(NOW).toISOString()} 2`,
    });
  });
  test.each([
    ["an unknown state", { state: "Nowhere" }],
    ["a state of no phase", { state: "Ready" }],
    ["another version", { version: "v9" }],
    ["another attempt", { attempt: "9" }],
  ])("is none if a person has made it one of %s", (_what, changes) => {
    const record = { ...backOff, state: "LoadingOnload", version: "v2", attempt: "1", since: NOW, ...changes };
    const plan = planRollout([loading({ failureRecord: record })], policy, NOW).nodes[0]!;
    expect(plan.problem).toBeUndefined();
    expect(plan.failureRecord).toBeNull();
  });
});

describe("a step record of an earlier version, which has the generation for an attempt", () => {
  const timedOut = (attempt: string): NodeFacts =>
    bare({ onload: module("v1"), stepRecord: stepRecord("UnlabelOnload", 2 * policy.limits.step, attempt) });
  const rules = { ...policy, attempt: "0123456789abcdef", formerAttempt: "7:again" };

  test("is of the present attempt: a failure by time goes on, and no other node starts", () => {
    const nodes = [timedOut("7:again"), whole("v1", { name: "node-2" })];
    const plan = planRollout(nodes, { ...rules, maxUnavailable: 2 }, NOW);
    expect(plan.halted).toBe(true);
    expect(plan.nodes[0]).toMatchObject({ problem: { failed: true }, renewal: undefined });
    expect(plan.nodes[0]!.failureRecord).toMatchObject({ attempt: rules.attempt });
    expect(plan.nodes[1]).toMatchObject({ step: "None", gate: "Halted" });
  });
  test.each(["6:again", "7", "7:other"])("is of another one: %s", (attempt) => {
    const plan = planRollout([timedOut(attempt)], rules, NOW).nodes[0]!;
    expect(plan).toMatchObject({ problem: undefined, renewal: { remind: false } });
  });
  test("is no reason to remind KMM", () => {
    const asked = bare({ labels: { ...none, onload: "v2" }, stepRecord: stepRecord("LabelOnload", 0, "7:again") });
    const skips = { ...rules, kmmSkipsCordoned: true };
    expect(planRollout([asked], skips, NOW).nodes[0]!.renewal).toBeUndefined();
  });
});
