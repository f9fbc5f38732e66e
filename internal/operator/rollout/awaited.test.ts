import { describe, expect, test } from "bun:test";
import type { Pod } from "../../api/core.ts";
import { progressOf } from "../cache/pods.ts";
import { trimPod, trimPodWithImages } from "../cache/trim.ts";
import type { NodeFacts } from "../assess/facts.ts";
import { bare, holder, module, NOW, plugin, policy, stepRecord, whole } from "../testing/facts.ts";
import { waitText } from "./awaited.ts";
import type { NodePlan } from "./node-plan.ts";
import { planRollout } from "./plan.ts";

const none = { plugin: undefined, onload: undefined, sfc: undefined };
const planOf = (facts: NodeFacts): NodePlan => planRollout([facts], policy, NOW).nodes[0]!;
const draining = (changes: Partial<NodeFacts>): NodeFacts =>
  bare({
    labels: { ...none, onload: "v1" },
    onload: module("v1"),
    stepRecord: stepRecord("Evict"),
    holders: [holder({ namespace: "a", name: "p" })],
    ...changes,
  });

test.each<[string, NodeFacts, string]>([
  [
    "KMM, with its pod",
    bare({
      labels: { ...none, onload: "v2" },
      onload: { ...module(), progress: "pod ns/x is not scheduled: no room" },
    }),
    "Waits for KMM to load onload: pod ns/x is not scheduled: no room",
  ],
  [
    "KMM, without a pod",
    bare({ labels: { ...none, onload: "v2" } }),
    "Waits for KMM to load onload: it has made no pod yet",
  ],
  [
    "KMM, without an image",
    bare({ labels: { ...none, onload: "v2" }, missingImages: [{ image: "r/m:2", why: undefined }] as never }),
    "Waits for KMM to load onload: it has not found r/m:2; it has made no pod yet",
  ],
  [
    "the DaemonSet controller",
    whole("v2", { plugin: { ...plugin(), present: false, ready: false }, allocatable: 0, stepRecord: stepRecord() }),
    "Waits for the DaemonSet controller to make the device plugin's pod: there is none yet",
  ],
  [
    "the plugin's pod",
    whole("v2", { plugin: { ...plugin(false), progress: "pod ns/y is being started" }, stepRecord: stepRecord() }),
    "Waits for the device plugin's pod to become Ready: pod ns/y is being started",
  ],
  [
    "the kubelet",
    whole("v2", { allocatable: 0, stepRecord: stepRecord() }),
    "Waits for the kubelet to offer amd.com/onload: the device plugin is Ready",
  ],
  [
    "the plugin's pod that ends",
    whole("v1", {
      labels: { ...none, onload: "v1" },
      plugin: { ...plugin(false), progress: "pod ns/y is ending" },
      stepRecord: stepRecord("UnlabelPlugin"),
    }),
    "Waits for the kubelet to end the device plugin's pod: pod ns/y is ending",
  ],
  ["pods that end", draining({ holders: [holder({ terminating: true })] }), "ending"],
  ["pods that were asked", draining({}), "Waits for pods that hold amd.com/onload to leave: a/p (asked to leave)"],
  ["a node that is not Ready", draining({ ready: false }), "Waits for the node to be Ready again"],
])("%s", (_whom, facts, text) => {
  const plan = planOf(facts);
  expect(waitText(plan, "")).toContain(text);
  // Looking for pods meanwhile changes nothing about it.
  expect(waitText({ ...plan, step: "Inspect" }, "")).toContain(text);
});

test("a plugin that refuses is told at once, in its own words", () => {
  const refusing = whole("v2", { allocatable: 0, plugin: { ...plugin(), refusal: "No NIC that Onload supports" } });
  const { problem } = planOf({ ...refusing, stepRecord: stepRecord() });
  expect(problem).toMatchObject({ reason: "NotAllocatable", failed: false });
  expect(problem!.message).toStartWith("The device plugin offers no amd.com/onload: No NIC that Onload supports; see");
  expect(problem!.passing).toBeUndefined();
});

test("after its time, a step that has failed says where it stood", () => {
  const late = bare({
    labels: { ...none, onload: "v2" },
    onload: { ...module(), progress: "pod ns/x is not scheduled: no room" },
    stepRecord: stepRecord("LabelOnload", policy.limits.step),
  });
  expect(planOf(late).problem).toMatchObject({ reason: "ModuleLoadFailed", failed: true });
  expect(planOf(late).problem!.message).toContain("no room");
});

describe("what a pod is at", () => {
  const pod = (
    status: NonNullable<Pod["status"]>,
    changes: Partial<Pod["metadata"]> = {},
    spec: NonNullable<Pod["spec"]> = {},
  ): Pod => ({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { namespace: "ns", name: "x", ...changes },
    spec,
    status,
  });
  const waiting = (reason: string, message?: string): NonNullable<Pod["status"]> => ({
    phase: "Pending",
    containerStatuses: [{ name: "c", state: { waiting: { reason, ...(message ? { message } : {}) } } }],
  });
  const unscheduled = { type: "PodScheduled", status: "False", reason: "Unschedulable", message: "0/3 nodes: no cpu" };
  test.each<[string, Pod, string | undefined]>([
    ["ready", pod({ conditions: [{ type: "Ready", status: "True" }] }), undefined],
    ["done", pod({ phase: "Succeeded" }), undefined],
    ["ending", pod({ phase: "Running" }, { deletionTimestamp: "2026-01-01T00:00:00Z" }), "pod ns/x is ending"],
    [
      "unscheduled",
      pod({ phase: "Pending", conditions: [unscheduled] }),
      "pod ns/x is not scheduled: 0/3 nodes: no cpu",
    ],
    [
      "being started",
      pod(waiting("ContainerCreating"), {}, { containers: [{ name: "c", image: "r/i:1" }] }),
      "pod ns/x is being started, or its image r/i:1 is pulled",
    ],
    [
      "pulling in vain",
      pod(waiting("ErrImagePull", "no such image")),
      "pod ns/x waits in container c: ErrImagePull: no such image",
    ],
    ["running", pod({ phase: "Running" }), "pod ns/x runs, and is not Ready"],
    ["unknown to its kubelet", pod({ phase: "Pending" }), "pod ns/x has not been started"],
  ])("%s", (_what, each, text) => {
    expect(progressOf([each])).toBe(text);
    // The caches keep all that this is made from.
    expect(progressOf([trimPodWithImages(each)])).toBe(text);
  });
  test("one that is not scheduled counts for the node that its DaemonSet has made it for", () => {
    const terms = [{ matchFields: [{ key: "metadata.name", operator: "In", values: ["n7"] }] }];
    const affinity = { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: terms } } };
    expect(trimPod(pod({ phase: "Pending" }, {}, { affinity })).spec?.nodeName).toBe("n7");
  });
});
