/** What is decided on an object must be the same with what is kept of it. */
import { expect, test } from "bun:test";
import type { DaemonSet, Node, Pod } from "../../api/core.ts";
import { ONLOAD_RESOURCE, TEMPLATE_ANNOTATION, VERSION_LABEL } from "../../api/names.ts";
import { podFailure } from "./pods.ts";
import { trimDaemonSet, trimNode, trimPod, trimPodWithImages } from "./trim.ts";

const identity = { name: "x", uid: "u", resourceVersion: "7" };
const CORDON = { key: "node.kubernetes.io/unschedulable", effect: "NoSchedule" };
const TAINTS = [
  { key: "k", value: "v", effect: "NoSchedule", timeAdded: "2026-01-01T00:00:00Z" },
  { key: "soft", effect: "PreferNoSchedule" },
  { key: "node.kubernetes.io/not-ready", effect: "NoExecute" },
  { key: "node.kubernetes.io/unreachable", effect: "NoSchedule" },
  CORDON,
];
const managedFields = [{ manager: "kubelet", operation: "Update" }];
const OUR_ANNOTATIONS = {
  "onload.amd.com/ns.o.step": "s",
  "machineconfiguration.openshift.io/currentConfig": "rendered-a",
  "machineconfiguration.openshift.io/desiredConfig": "rendered-b",
};

test("of a node: labels, our annotations, cordon, Ready, amd.com/onload, kernel and boot, and nothing else", () => {
  const ready = { type: "Ready", status: "True", lastTransitionTime: "2026-01-01T00:00:00Z" };
  const node = {
    apiVersion: "v1",
    kind: "Node",
    metadata: {
      ...identity,
      managedFields,
      labels: { pool: "a" },
      annotations: { ...OUR_ANNOTATIONS, "volumes.kubernetes.io/x": "y" },
    },
    spec: { unschedulable: true, podCIDR: "10.0.0.0/24", taints: TAINTS },
    status: {
      conditions: [
        { type: "MemoryPressure", status: "False" },
        { ...ready, lastHeartbeatTime: "later" },
      ],
      allocatable: { cpu: "4", [ONLOAD_RESOURCE]: "100" },
      nodeInfo: { kernelVersion: "5.14", bootID: "b1", osImage: "RHEL", operatingSystem: "linux" },
      images: [{ names: ["large"] }],
    },
  } as unknown as Node;
  expect(trimNode(node)).toEqual({
    apiVersion: "v1",
    kind: "Node",
    metadata: { ...identity, labels: { pool: "a" }, annotations: OUR_ANNOTATIONS },
    spec: { unschedulable: true, taints: [{ key: "k", value: "v", effect: "NoSchedule" }, CORDON] },
    status: {
      conditions: [ready],
      allocatable: { [ONLOAD_RESOURCE]: "100" },
      nodeInfo: { kernelVersion: "5.14", bootID: "b1", operatingSystem: "linux" },
    },
  } as unknown as Node);
  expect(trimNode({ ...node, spec: {} } as Node).spec).toBeUndefined();
});

test.each<[string, Pod["status"]]>([
  ["a container that crashes", statusOf({ waiting: { reason: "CrashLoopBackOff" } }, { terminated: { exitCode: 1 } })],
  ["an image that is missing", statusOf({ waiting: { reason: "ImagePullBackOff", message: "m" } })],
  ["a login that is missing", statusOf({ waiting: { reason: "ImagePullBackOff", message: "401 Unauthorized" } })],
  ["a container that ended", statusOf({ terminated: { exitCode: 2, message: "no space" } })],
  ["the whole pod", { phase: "Failed", reason: "Evicted", message: "disk pressure" } as Pod["status"]],
])("of a pod: what failed, here %s", (_what, status) => {
  const spec = { nodeName: "n", imagePullSecrets: [{ name: "regcred" }] };
  const pod = { apiVersion: "v1", kind: "Pod", metadata: identity, spec, status } as unknown as Pod;
  expect(podFailure(pod)).toBeDefined();
  expect(podFailure(trimPod(pod))).toEqual(podFailure(pod)!);
});

function statusOf(state: object, lastState: object = {}): Pod["status"] {
  const running = { name: "other", restartCount: 0, state: { running: {} } };
  return { containerStatuses: [running, { name: "c", restartCount: 3, state, lastState }] } as unknown as Pod["status"];
}

test("of a pod: its node, by which labels it was placed, and of KMM's pods the image", () => {
  const nodeSelector = { "latch.onload.amd.com/ns.m": "on" };
  const containers = [{ name: "c", image: "r/m:1", env: [{ name: "A", value: "b" }] }];
  const spec = { nodeName: "n", nodeSelector, containers, tolerations: [{ operator: "Exists" }] };
  const pod = { apiVersion: "v1", kind: "Pod", metadata: { ...identity, managedFields }, spec } as unknown as Pod;
  expect(trimPod(pod).spec as object).toEqual({ nodeName: "n", nodeSelector });
  expect(trimPodWithImages(pod).spec as object).toEqual({
    nodeName: "n",
    nodeSelector,
    containers: [{ name: "c", image: "r/m:1" }],
  });
  expect(trimPod(pod).metadata).not.toHaveProperty("managedFields");
});

test("of a DaemonSet: whether its controller has seen the template, and its tolerations", () => {
  const metadata = { labels: { [VERSION_LABEL]: "v1" }, annotations: { [TEMPLATE_ANNOTATION]: "abc" } };
  const daemonSet = {
    metadata: { ...identity, generation: 3, managedFields },
    spec: { template: { metadata, spec: { containers: [{ name: "large" }], tolerations: [{ key: "k" }] } } },
    status: { observedGeneration: 3, numberReady: 9 },
  } as unknown as DaemonSet;
  const { metadata: kept, spec, status } = trimDaemonSet(daemonSet);
  expect(kept.generation).toBe(3);
  expect(spec.template).toEqual({ metadata, spec: { tolerations: [{ key: "k" }] } });
  expect(status?.observedGeneration).toBe(3);
  expect(JSON.stringify(trimDaemonSet(daemonSet))).not.toMatch(/large|numberReady|managedFields/);
});

test("of a pod that waits: since when it is there, whether it goes, what each container is at, and its Secrets", () => {
  const times = { creationTimestamp: "2026-01-01T00:00:00Z", deletionTimestamp: "2026-01-01T00:01:00Z" };
  const labels = { "kmm.node.kubernetes.io/worker-action": "Load", "kmm.node.kubernetes.io/module.name": "m" };
  const ready = { type: "Ready", status: "False", lastTransitionTime: "2026-01-01T00:00:05Z" };
  const unscheduled = { type: "PodScheduled", status: "False", message: "no node" };
  const crashed = { terminated: { exitCode: 1, message: "m" } };
  const restarted = { name: "b", restartCount: 4, state: { running: {} }, lastState: crashed };
  const waiting = { name: "a", restartCount: 0, state: { waiting: { reason: "ErrImagePull", message: "m" } } };
  const affinity = {
    nodeAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: {
        nodeSelectorTerms: [{ matchFields: [{ key: "metadata.name", operator: "In", values: ["n"] }] }],
      },
    },
  };
  const pod = {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      ...identity,
      ...times,
      namespace: "ns",
      labels: { ...labels, other: "x" },
      annotations: { [TEMPLATE_ANNOTATION]: "abc", other: "y" },
    },
    spec: { affinity, imagePullSecrets: [{ name: "regcred" }] },
    status: {
      phase: "Pending",
      reason: "r",
      message: "m",
      conditions: [{ type: "Initialized", status: "True" }, unscheduled, ready],
      initContainerStatuses: [{ ...waiting, image: "i" }],
      containerStatuses: [
        { ...restarted, image: "i" },
        { name: "c", restartCount: 0, state: { running: {} } },
      ],
    },
  } as unknown as Pod;
  expect(trimPod(pod) as object).toEqual({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { ...identity, ...times, namespace: "ns", labels, annotations: { [TEMPLATE_ANNOTATION]: "abc" } },
    spec: { nodeName: "n", imagePullSecrets: [{ name: "regcred" }] },
    status: {
      phase: "Pending",
      reason: "r",
      message: "m",
      conditions: [ready, unscheduled],
      initContainerStatuses: [waiting],
      containerStatuses: [restarted],
    },
  });
});

test("of a long message of the kubelet: its beginning, and its end, where a hook's words are", () => {
  const message = `begin ${"x".repeat(100_000)} end`;
  const status = { containerStatuses: [{ name: "c", state: { waiting: { reason: "r", message } } }] };
  const kept = trimPod({ metadata: identity, status } as unknown as Pod).status!.containerStatuses![0]!;
  expect(kept.state!.waiting!.message).toMatch(/^begin x+ \.\.\. x+ end$/);
  expect(kept.state!.waiting!.message!.length).toBeLessThan(21_000);
});

test("of a pod as large as the API server takes, which anybody may make, little is kept", () => {
  const many = (count: number, of: (i: number) => string): Record<string, string> =>
    Object.fromEntries(Array.from({ length: count }, (_, i) => [of(i), "x".repeat(60)]));
  const loader = (i: number): string => `beta.kmm.node.kubernetes.io/version-module-loader.ns${i}.m`;
  const containers = Array.from({ length: 500 }, (_, i) => ({ name: `c${i}`, image: "x".repeat(2000) }));
  const large = "x".repeat(200_000);
  // A kubelet says of an image that it cannot read which one that is.
  const waiting = { name: "c0", state: { waiting: { reason: "InvalidImageName", message: large.slice(0, 2000) } } };
  const pod = {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      ...identity,
      labels: { ...many(8000, (i) => `l${i}`), ...many(2000, loader), "kmm.node.kubernetes.io/module.name": "m" },
      annotations: { [TEMPLATE_ANNOTATION]: "x".repeat(250_000), other: "y".repeat(10_000) },
    },
    spec: {
      containers,
      nodeSelector: many(5000, (i) => `s${i}`),
      imagePullSecrets: Array.from({ length: 5000 }, (_, i) => ({ name: `secret-${i}${i === 0 ? large : ""}` })),
    },
    status: { phase: "Pending", message: large, containerStatuses: Array.from({ length: 500 }, () => waiting) },
  } as unknown as Pod;
  expect(JSON.stringify(pod).length).toBeGreaterThan(2_000_000);
  expect(JSON.stringify(trimPodWithImages(pod)).length).toBeLessThan(400_000);
});

test("of a DaemonSet as large as that, too", () => {
  const many = Object.fromEntries(Array.from({ length: 9000 }, (_, i) => [`l${i}`, "x".repeat(60)]));
  const ours = { apiVersion: "onload.amd.com/v1alpha1", kind: "Onload", name: "main", uid: "1" };
  const owners = [...Array.from({ length: 5000 }, (_, i) => ({ ...ours, apiVersion: "v1", name: `o${i}` })), ours];
  const metadata = {
    labels: { ...many, [VERSION_LABEL]: "v1" },
    annotations: { ...many, [TEMPLATE_ANNOTATION]: "abc" },
  };
  const tolerations = Array.from({ length: 9000 }, (_, i) => ({ key: `k${i}`, operator: "Exists" }));
  const daemonSet = {
    metadata: { ...identity, ...metadata, ownerReferences: owners, finalizers: Object.keys(many) },
    spec: { selector: { matchLabels: many }, template: { metadata, spec: { tolerations } } },
  } as unknown as DaemonSet;
  const kept = trimDaemonSet(daemonSet);
  expect(JSON.stringify(daemonSet).length).toBeGreaterThan(2_000_000);
  expect(JSON.stringify(kept).length).toBeLessThan(50_000);
  expect(kept.metadata.labels).toEqual({ [VERSION_LABEL]: "v1" });
  expect(kept.metadata.ownerReferences).toEqual([ours]);
  expect(kept.spec.template.metadata).toEqual({
    labels: { [VERSION_LABEL]: "v1" },
    annotations: { [TEMPLATE_ANNOTATION]: "abc" },
  });
});
