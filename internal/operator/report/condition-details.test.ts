/** What a status says beside which conditions hold: counts, times, and the words of its messages. */
import { describe, expect, test } from "bun:test";
import { withDefaults } from "../../api/onload.ts";
import type { OnloadStatus } from "../../api/onload.ts";
import { NODE_REASON, REASON } from "../../api/reasons.ts";
import type { NodeFacts } from "../assess/facts.ts";
import { planRollout, type RolloutPlan } from "../rollout/plan.ts";
import { bare, module, NOW, policy, stepRecord, whole } from "../testing/facts.ts";
import { waited, type Given } from "../testing/situations.ts";
import { statusOf } from "./conditions.ts";

const BEFORE = "2025-12-31T00:00:00Z";
const none = { plugin: undefined, onload: undefined, sfc: undefined };
const labels = { plugin: "v2", onload: "v2", sfc: undefined };
const failure = { reason: NODE_REASON.ModuleLoadFailed, message: "modprobe: no" };

const loading = (changes: Partial<NodeFacts> = {}): NodeFacts =>
  bare({ labels, onload: module(), stepRecord: stepRecord("Install"), ...changes });
const failed = (name: string): NodeFacts => loading({ name, onload: { ...module(), failure } });
/** A node of another version that gives up its place. */
const leaving = bare({
  name: "left",
  want: undefined,
  labels: { ...none, onload: "v1" },
  onload: module("v1"),
  holders: [],
  stepRecord: stepRecord("UnlabelPlugin"),
});

const statusFor = (given: Given): OnloadStatus => waited(given).status!;
const condition = (given: Given, type: string): string => {
  const { reason, message } = statusFor(given).conditions!.find((each) => each.type === type)!;
  return `${reason}: ${message}`;
};

describe("counts", () => {
  const counts = (...nodes: NodeFacts[]) => statusFor({ nodes }).nodes!;
  test("a node is updated once it has all labels, before it is ready", () => {
    expect(counts(loading())).toMatchObject({ desired: 1, updated: 1, ready: 0, upgrading: 1 });
    expect(counts(loading({ labels: { ...labels, plugin: "v1" } }))).toMatchObject({ updated: 0 });
  });
  test("of them that of sfc, if it is managed", () => {
    const sfcManaged = true;
    expect(counts(whole("v2", { sfcManaged }))).toMatchObject({ updated: 0, ready: 0 });
    const sfc = { sfcManaged, sfc: module("v2"), labels: { ...labels, sfc: "v2" } };
    expect(counts(whole("v2", sfc))).toMatchObject({ updated: 1, ready: 1 });
  });
  test("a node that is let go is none of those that are to run the version", () => {
    expect(counts(leaving)).toEqual({ desired: 0, updated: 0, ready: 0, upgrading: 1, failed: 0 });
  });
  test("a problem is no failure unless the node has failed", () => {
    expect(counts(failed("a"), whole("v1", { cordoned: true }))).toMatchObject({ failed: 1 });
  });
});

describe("times", () => {
  test("a problem says since when it is there", () => {
    const { problems } = statusFor({ nodes: [failed("a"), bare({ name: "b", mapped: false })] });
    expect(problems!.map(({ node, since }) => [node, since])).toEqual([
      ["a", new Date(NOW).toISOString()],
      ["b", undefined],
    ]);
  });
  test("a condition keeps its time while its status is the same, whatever its reason", () => {
    const before = {
      type: "Ready",
      status: "False" as const,
      reason: "Other",
      message: "",
      lastTransitionTime: BEFORE,
    };
    const times = (given: Given): string[] =>
      statusFor({ ...given, status: { conditions: [before] } }).conditions!.map((each) => each.lastTransitionTime);
    expect(times({ nodes: [loading()] })[0]).toBe(BEFORE);
    expect(times({})[0]).toBe("2026-01-01T12:00:00Z");
  });
  test("each condition says which spec it is about", () => {
    const { conditions, observedGeneration } = statusFor({ nodes: [failed("a")] });
    expect(conditions!.map((each) => each.observedGeneration)).toEqual([3, 3, 3, 3]);
    expect(observedGeneration).toBe(3);
  });
  test.each<[RolloutPlan["stalled"], string | undefined, string | undefined]>([
    ["noted", BEFORE, BEFORE],
    ["noted", undefined, new Date(NOW).toISOString()],
    // What an earlier standstill has left cannot be believed.
    ["unnoted", BEFORE, new Date(NOW).toISOString()],
    [undefined, BEFORE, undefined],
  ])("nothing moves, %s, before since %s: %s", (stalled, stalledSince, expected) => {
    const images = { version: "v2", userImage: "u", kernelMappings: [{ regexp: ".*", kernelModuleImage: "m:1" }] };
    const onload = withDefaults({
      apiVersion: "onload.amd.com/v1alpha1",
      kind: "Onload",
      metadata: { namespace: "ns", name: "o" },
      spec: { selector: { a: "b" }, serviceAccountName: "sa", onload: images },
      status: { stalledSince },
    } as never);
    const plan = { ...planRollout([], policy, NOW), stalled };
    const rest = { selector: undefined, problems: [], rollback: undefined, lastReady: undefined };
    expect(statusOf({ onload, version: "v2", plan, now: NOW, ...rest }).stalledSince).toBe(expected);
  });
});

describe("Ready", () => {
  test("is False for a spec that cannot work, although every node is ready", () => {
    expect(condition({ problems: [{ reason: REASON.InvalidSpec, message: "m" }] }, "Ready")).toBe("InvalidSpec: m");
  });
  test("says how many nodes are", () => {
    expect(condition({ nodes: [whole("v2"), loading({ name: "b" })] }, "Ready")).toBe(
      "NodesNotReady: 1 of 2 nodes are ready with version v2",
    );
  });
  test("names who keeps the nodes, or says that there are none", () => {
    const kept = bare({ name: "n1", want: undefined, keptBy: "ns/other" });
    expect(condition({ nodes: [kept] }, "Ready")).toBe(
      "NoMatchingNodes: Every node that has the labels of spec.selector is kept by another Onload resource: n1",
    );
    expect(condition({ nodes: [] }, "Ready")).toBe("NoMatchingNodes: No node has the labels of spec.selector");
  });
});

describe("Progressing", () => {
  const rollback = { fromVersion: "v3", toVersion: "v2", observedGeneration: 3, since: BEFORE };
  const lastReady = { version: "v1", time: BEFORE, onload: {} };
  test.each<[string, Given, string]>([
    ["a first version", { nodes: [loading()] }, "Installing"],
    [
      "the same version again",
      { nodes: [loading()], status: { lastReady: { ...lastReady, version: "v2" } } },
      "Installing",
    ],
    ["another version", { nodes: [loading()], status: { lastReady } }, "Upgrading"],
    ["the way back", { nodes: [loading()], status: { lastReady }, rollback }, "RollingBack"],
    ["nodes that leave", { nodes: [leaving] }, "LettingGo"],
    ["nodes that leave and others that come", { nodes: [leaving, loading()] }, "Installing"],
  ])("says what is under way: %s", (_what, given, reason) => {
    expect(condition(given, "Progressing")).toStartWith(`${reason}: `);
  });
  test("names nodes that move, and neither those that have failed nor those that are kept as they are", () => {
    const rules = { kmmSkipsCordoned: true, maxUnavailable: 9 };
    const cordoned = bare({ name: "c", labels, cordoned: true, stepRecord: stepRecord("Install") });
    const given = { nodes: [failed("a"), loading({ name: "b" }), cordoned], rules };
    expect(condition(given, "Progressing")).toEndWith("; now: b LoadingOnload");
  });
  test("says why nodes wait, and who has the slots", () => {
    const away = whole("v2", { name: "away", ready: false, readySince: NOW - 1000 });
    const text = condition({ nodes: [away, whole("v1", { name: "b" })] }, "Progressing");
    expect(text).toStartWith("NodesNotReady: 2 nodes not ready: 1 NodeNotReady, 1 NoFreeSlot; ");
    expect(text).toContain("away");
  });
  test("says that nodes are still to be upgraded if all of them need a slot, and else that they are not ready", () => {
    const old = [whole("v1", { name: "a", cordoned: true }), whole("v1", { name: "b", cordoned: true })];
    expect(condition({ nodes: old }, "Progressing")).toStartWith("NodesNotReady: 2 nodes still to be upgraded: ");
  });
});

describe("Degraded", () => {
  test("names the first node that failed, and how many more there are", () => {
    const text = (...names: string[]) => condition({ nodes: names.map(failed) }, "Degraded");
    expect(text("a")).toStartWith('NodesFailed: Node "a" failed at LoadingOnload: modprobe: no');
    expect(text("a")).not.toContain("more node");
    expect(text("a", "b")).toEndWith(" (and 1 more node)");
    expect(text("a", "b", "c")).toEndWith(" (and 2 more nodes)");
  });
  test("has the reason of what is wrong with the whole resource, and tells both", () => {
    const problems = [{ reason: REASON.ServiceAccountMissing, message: "no account" }];
    const text = condition({ nodes: [failed("a")], problems }, "Degraded");
    expect(text).toStartWith('ServiceAccountMissing: no account. Node "a" failed at LoadingOnload: ');
  });
});

test("what is known of protection is one more condition", () => {
  const plan = planRollout([whole("v2")], policy, NOW);
  const protection = { type: "Protected", status: "False", reason: "Unprotected", message: "m" } as never;
  const onload = { metadata: { namespace: "ns", name: "o" }, spec: { upgrade: { paused: false } } } as never;
  const rest = { selector: undefined, problems: [], rollback: undefined, lastReady: undefined };
  const made = statusOf({ onload, version: "v2", plan, now: NOW, protection, ...rest });
  expect(made.conditions!.map(({ type }) => type)).toEqual(["Ready", "Progressing", "Degraded", "Protected"]);
  expect(made.headline!.reason).toBe("AllNodesReady");
});
