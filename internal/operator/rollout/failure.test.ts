import { describe, expect, test } from "bun:test";
import { NODE_REASON } from "../../api/reasons.ts";
import { bare, holder, module, NOW, plugin, policy, stepRecord, whole } from "../testing/facts.ts";
import type { NodeFacts } from "../assess/facts.ts";
import { formatFailureRecord, parseFailureRecord } from "../observe/failure-record.ts";
import { deadlineOf, forceAt, type NodeAtStep } from "./deadlines.ts";
import { problemOf, withRemedy, type Problem } from "./failure.ts";
import { stateOf } from "./state-of.ts";
import { stepFor } from "./states.ts";

const none = { plugin: undefined, onload: undefined, sfc: undefined };
const { limits } = policy;
const at = (facts: NodeFacts): NodeAtStep => {
  const state = stateOf(facts);
  return { facts, state, step: stepFor(state, facts) };
};
const problem = (node: NodeFacts): Problem | undefined => problemOf(at(node), limits, NOW);
const loading = (changes: Partial<NodeFacts> = {}): NodeFacts =>
  bare({ labels: { ...none, onload: "v2" }, onload: module(), stepRecord: stepRecord("LabelOnload"), ...changes });
const draining = (ageMs: number): NodeFacts =>
  whole("v1", {
    labels: { ...none, onload: "v1" },
    plugin: bare().plugin,
    stepRecord: stepRecord("Evict", ageMs),
    holders: [holder({ refusal: "The disruption budget b" })],
  });

describe("time", () => {
  test("a step within its time is no problem", () => {
    expect(problem(loading({ stepRecord: stepRecord("LabelOnload", limits.step - 1) }))).toBeUndefined();
  });
  test("a step past its time has failed, since it began", () => {
    const node = loading({ stepRecord: stepRecord("LabelOnload", limits.step) });
    expect(problem(node)).toMatchObject({ reason: "ModuleLoadFailed", failed: true, since: NOW - limits.step });
    expect(problem(node)!.message).toStartWith("KMM has not loaded onload after 600 s; ");
  });
  test("a pod that KMM leaves behind, which pulls an image that nobody wants any more, is named", () => {
    const progress = "pod ns/kmm-worker-n-m waits in container image: ImagePullBackOff";
    const node = bare({ onload: { ...module(), progress }, stepRecord: stepRecord("UnlabelOnload", limits.step) });
    expect(stateOf(node)).toBe("UnloadingOnload");
    expect(problem(node)!.message).toStartWith(`KMM has not unloaded onload after 600 s: ${progress}; `);
  });
  test("a node that was done waits since it changed, not since our last step", () => {
    const old = stepRecord("LabelPlugin", 30 * 24 * 3600_000);
    const rebooted = whole("v2", { stepRecord: old, onload: module(), readySince: NOW - 5000 });
    expect(problem(rebooted)).toBeUndefined();
    expect(deadlineOf(at(rebooted), limits)).toBe(NOW - 5000 + limits.step);
    const crashed = whole("v2", { stepRecord: old, plugin: { ...plugin(false), since: NOW - 1000 } });
    expect(problem(crashed)).toBeUndefined();
  });
  test("nothing observed says since when: nothing is timed", () => {
    expect(problem(loading({ stepRecord: undefined }))).toBeUndefined();
  });
  test("eviction has its own time, and names the pods and what holds them", () => {
    // Who refuses is said at once, and it is no failure yet.
    expect(problem(draining(limits.drain - 1))).toMatchObject({
      reason: "EvictionBlocked",
      message: expect.stringContaining("a/p (The disruption budget b)"),
      failed: false,
      passing: true,
    });
    const failed = problem(draining(limits.drain))!;
    expect(failed).toMatchObject({ reason: "EvictionBlocked", failed: true });
    expect(failed.message).toStartWith("Pods still hold amd.com/onload (a/p (The disruption budget b)) after 300 s; ");
  });
  test("with force, pods are deleted after that time and have a step's time more", () => {
    const force = { ...limits, force: true };
    const forceable = (ageMs: number): NodeFacts => {
      const node = draining(ageMs);
      return { ...node, holders: node.holders!.map((holder) => ({ ...holder, forceable: true })) };
    };
    const node = forceable(limits.drain);
    expect(forceAt(node, "Draining", force)).toBe(NOW);
    expect(problemOf(at(node), force, NOW)).toMatchObject({ failed: false, passing: true });
    expect(problemOf(at(forceable(limits.drain + limits.step)), force, NOW)?.failed).toBeTrue();
    // Where nobody has agreed to force, there is nothing more to wait for.
    expect(problemOf(at(draining(limits.drain)), force, NOW)?.failed).toBeTrue();
  });
  test("a node that is not Ready is the reason of its own lateness", () => {
    expect(problem(loading({ ready: false, stepRecord: stepRecord("LabelOnload", limits.step) }))?.reason).toBe(
      "NodeNotReady",
    );
  });
  test("a plugin that runs and offers nothing has a reason of its own", () => {
    const node = whole("v2", { allocatable: 0, stepRecord: stepRecord("LabelPlugin", limits.step) });
    expect(problem(node)?.reason).toBe("NotAllocatable");
  });
});

describe("reports", () => {
  const failure = { reason: NODE_REASON.ModuleImageMissing, message: "Pod x: container y: ImagePullBackOff" };
  test("what KMM reports fails the node at once, with a remedy", () => {
    const node = loading({ onload: { ...module(), failure } });
    expect(problem(node)).toMatchObject({ reason: "ModuleImageMissing", failed: true });
    expect(problem(node)!.message).toContain("ImagePullBackOff; build and push the image");
  });
  test("a broken node of the older version is listed but halts nothing", () => {
    const node = whole("v1", { onload: { ...module(), failure } });
    expect(problem(node)).toMatchObject({ reason: "ModuleImageMissing", failed: false });
  });
  test("a failing plugin counts once its pod is awaited", () => {
    const broken = { ...plugin(false), failure: { reason: NODE_REASON.ImagePullFailed, message: "m" } };
    expect(problem(whole("v2", { plugin: broken }))).toMatchObject({ reason: "ImagePullFailed", failed: true });
  });
});

test("a kernel without a mapping is named, with what it was compared with", () => {
  const mappingsTried = ["^5\\.14\\.", "\u001b[31mred", "x".repeat(300), "4", "5", "6", "7"];
  const found = problem(bare({ kernel: "6.1.0-42-amd64\u001b[2J", mapped: false, mappingsTried }));
  expect(found?.message).toBe(
    `No entry of spec.onload.kernelMappings matches kernel 6.1.0-42-amd64 [2J (regexp ^5\\.14\\., [31mred, ${"x".repeat(97)}..., 4, 5 and 2 more); add one, or correct one`,
  );
  expect(problem(whole("v1", { mapped: false }))?.message).toBe(
    "No entry of spec.onload.kernelMappings matches kernel 6.1.0; add one, or correct one",
  );
});

test("a kernel at which KMM would end gets nothing, whatever mappings there are", () => {
  const kernelRefused = { why: "KMM gives up at kernel 6.1", remedy: "give the node another kernel" };
  for (const node of [bare({ mapped: false, kernelRefused }), whole("v1", { mapped: false, kernelRefused })]) {
    expect(problem(node)).toMatchObject({
      reason: "NoKernelMapping",
      message: "KMM gives up at kernel 6.1: the node gets nothing; give the node another kernel",
    });
    const stopped = { ...node, kernelRefused: { ...kernelRefused, stopsAll: true as const } };
    expect(problem(stopped)?.message).toBe(
      "KMM gives up at kernel 6.1: no node is begun; give the node another kernel",
    );
  }
});

test("an expression that cannot be evaluated is named", () => {
  const mappingProblem = "kernelMappings[1].regexp cannot be evaluated: missing closing )";
  for (const node of [bare({ mapped: false, mappingProblem }), whole("v1", { mapped: false, mappingProblem })]) {
    expect(problem(node)).toMatchObject({
      reason: "NoKernelMapping",
      message:
        "No kernel module image can be chosen for kernel 6.1.0, because spec.onload.kernelMappings[1].regexp cannot be evaluated: missing closing ); correct it",
    });
  }
});

describe("standing problems are no failures", () => {
  test.each([
    ["Cordoned", bare({ cordoned: true })],
    ["Cordoned", whole("v1", { cordoned: true })],
    ["NodeNotReady", whole("v2", { ready: false })],
    ["NoKernelMapping", bare({ mapped: false })],
    ["NoKernelMapping", whole("v1", { mapped: false })],
    ["SelectedByOther", bare({ want: undefined, keptBy: "a/b" })],
    ["SelectedByOther", bare({ blockedBy: "a/b" })],
  ] as const)("%s", (reason, node) => {
    expect(problem(node)).toMatchObject({ reason, failed: false });
  });
});

test("a failure on record keeps the remedy behind the longest message that the kubelet and modprobe give", () => {
  const quoted = `Required key not available ${"x".repeat(253)}: ${"y".repeat(63)}: ${"z".repeat(600)}`;
  for (const reason of Object.values(NODE_REASON)) {
    const { message } = withRemedy({ reason, message: quoted });
    const written = { state: "LoadingOnload", version: "v2", attempt: "1", reason, message, since: 0 };
    expect(parseFailureRecord(formatFailureRecord(written))).toEqual(written);
  }
});
