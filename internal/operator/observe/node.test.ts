import { describe, expect, test } from "bun:test";
import type { DeepReadonly, Node, Pod } from "../../api/core.ts";
import { devicePluginName, PLUGIN_NAME_LABEL } from "../../api/names.ts";
import { KMM_1 } from "../testing/kmm.ts";
import { concerns, observeNode, type ResourceContext } from "./node.ts";
import { ownerOf } from "./ownership.ts";

const node = (labels: Record<string, string> = {}): DeepReadonly<Node> => ({
  apiVersion: "v1",
  kind: "Node",
  metadata: { name: "n", labels },
  status: { conditions: [{ type: "Ready", status: "True" }], nodeInfo: { kernelVersion: "5.14.0", bootID: "b1" } },
});

/** What surrounds a node of which nothing but itself matters. */
const CONTEXT: ResourceContext = {
  key: { namespace: "ns", name: "x" },
  version: "v1",
  kmm: KMM_1,
  claims: [],
  machineConfigs: [],
  pools: [],
  refusals: {},
  ownNode: undefined,
};

test("of plugin's pods that go, it is known when the last has to have gone; of one that stays, since when it is there", () => {
  const pod = (metadata: object): DeepReadonly<Pod> => ({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { namespace: "ns", name: "p", labels: { [PLUGIN_NAME_LABEL]: devicePluginName("x") }, ...metadata },
  });
  const seen = (...plugins: DeepReadonly<Pod>[]) =>
    observeNode(
      { node: node(), plugins, kmmPods: [], nmc: undefined, holders: undefined, failureLogs: new Map() },
      CONTEXT,
    ).plugin;
  const going = [5, 9, 7].map((minute) => pod({ deletionTimestamp: `2026-01-01T00:0${minute}:00Z` }));
  const created = "2026-01-01T00:10:00Z";
  expect(seen()).toMatchObject({ present: false, since: undefined, goneBy: undefined });
  expect(seen(...going)).toMatchObject({ present: true, since: undefined, goneBy: Date.UTC(2026, 0, 1, 0, 9) });
  expect(seen(...going, pod({ creationTimestamp: created }))).toMatchObject({
    since: Date.parse(created),
    goneBy: undefined,
  });
});

/** What is seen of a node, with what a test changes. */
const observed = (
  changes: Partial<DeepReadonly<Node>>,
  inputs: { plugins?: DeepReadonly<Pod>[]; failureLogs?: Map<string, string> } = {},
  context: Partial<ResourceContext> = {},
) =>
  observeNode(
    {
      node: { ...node(), ...changes },
      plugins: [],
      kmmPods: [],
      nmc: undefined,
      holders: undefined,
      failureLogs: new Map(),
      ...inputs,
    },
    { ...CONTEXT, ...context },
  );

test.each([
  ["True", true],
  ["False", false],
  // The kubelet is silent, and its pods may run on.
  ["Unknown", false],
])("a node whose condition Ready is %s, since when that is so, and its kernel and system", (status, ready) => {
  const conditions = [
    { type: "DiskPressure", status: "False" },
    { type: "Ready", status, lastTransitionTime: "2026-01-01T00:00:07Z" },
  ];
  const nodeInfo = { kernelVersion: "6.1.0+", operatingSystem: "windows" };
  expect(observed({ status: { conditions, nodeInfo } })).toMatchObject({
    ready,
    readySince: Date.UTC(2026, 0, 1, 0, 0, 7),
    kernel: "6.1.0+",
    operatingSystem: "windows",
  });
  expect(observed({ status: {} })).toMatchObject({ ready: false, readySince: undefined, kernel: "" });
});

test("of its taints those that keep pods away, but not those that say again what the node's state says", () => {
  const [dedicated, gpu] = [
    { key: "dedicated", value: "x", effect: "NoSchedule" as const },
    { key: "gpu", effect: "NoExecute" as const },
  ];
  const others = [
    { key: "soft", effect: "PreferNoSchedule" as const },
    { key: "node.kubernetes.io/unschedulable", effect: "NoSchedule" as const },
    { key: "node.kubernetes.io/not-ready", effect: "NoExecute" as const },
    { key: "node.kubernetes.io/unreachable", effect: "NoSchedule" as const },
  ];
  expect(observed({ spec: { taints: [...others, dedicated, gpu] } }).taints as object[]).toEqual([dedicated, gpu]);
});

test("whether it is the operator's own, and whether KMM has been reminded of it", () => {
  expect(observed({}, {}, { ownNode: "n" }).ownNode).toBeTrue();
  expect(observed({}, {}, { ownNode: "m" }).ownNode).toBeFalse();
  expect(observed({}).reminded).toBeFalse();
  expect(observed(node({ "reminder.onload.amd.com/ns.x": "1" })).reminded).toBeTrue();
  expect(observed(node({ "reminder.onload.amd.com/ns.y": "1" })).reminded).toBeFalse();
});

describe("a node concerns a resource", () => {
  const owner = ownerOf({ namespace: "ns", name: "x" });
  const annotated = (name: string): DeepReadonly<Node> => ({
    ...node(),
    metadata: { name: "n", annotations: { [name]: "" } },
  });
  test.each<[string, DeepReadonly<Node>, boolean, boolean]>([
    ["that selects it", node(), true, true],
    ["that neither selects it nor has anything there", node({ a: "b" }), false, false],
    ["whose step is on record there", annotated("onload.amd.com/ns.x.step"), false, true],
    ["whose failure is on record there", annotated("onload.amd.com/ns.x.failure"), false, true],
    ["of another name", annotated("onload.amd.com/ns.y.failure"), false, false],
    ["whose plugin is to be there", node({ "onload.amd.com/ns.x": "" }), false, true],
    ["that has reminded KMM of it", node({ "reminder.onload.amd.com/ns.x": "1" }), false, true],
    ["whose sfc is to be there", node({ "kmm.node.kubernetes.io/version-module.ns.x-sfcmod": "1" }), false, true],
  ])("%s", (_what, each, selected, expected) => {
    expect(concerns(each, owner, selected)).toBe(expected);
  });
});

describe("the plugin's pod", () => {
  const pod = (status: object, metadata: object = {}): DeepReadonly<Pod> =>
    ({
      apiVersion: "v1",
      kind: "Pod",
      metadata: {
        namespace: "ns",
        name: "p",
        uid: "u",
        labels: { [PLUGIN_NAME_LABEL]: devicePluginName("x") },
        ...metadata,
      },
      status,
    }) as DeepReadonly<Pod>;
  const isReady = (status: "True" | "False"): object => ({ conditions: [{ type: "Ready", status }] });
  const waiting = (reason: string): object => ({
    containerStatuses: [{ name: "c", state: { waiting: { reason, message: "m" } } }],
  });
  const failureLogs = new Map([["u", "No NIC"]]);
  const plugin = (...plugins: DeepReadonly<Pod>[]) => observed({}, { plugins, failureLogs }).plugin;

  test("is that of the resource alone", () => {
    const labels = { [PLUGIN_NAME_LABEL]: devicePluginName("y") };
    expect(plugin(pod(isReady("True"), { labels }))).toMatchObject({ present: false, ready: false });
    expect(plugin(pod(isReady("True"), { namespace: "other" }))).toMatchObject({ present: false, ready: false });
  });
  test("that is Ready and has a word to say offers nothing, for that reason", () => {
    expect(plugin(pod(isReady("True")))).toMatchObject({ ready: true, refusal: "No NIC", failure: undefined });
    expect(plugin(pod(isReady("False")))).toMatchObject({ ready: false, refusal: undefined });
  });
  test("that fails says whether its image or the plugin is the matter", () => {
    const image = plugin(pod(waiting("ImagePullBackOff"))).failure;
    expect(image).toMatchObject({ reason: "ImagePullFailed" });
    expect(image!.message).toBe("Pod p: container c: ImagePullBackOff: m");
    const crash = plugin(pod(waiting("CrashLoopBackOff"))).failure;
    expect(crash).toMatchObject({ reason: "PluginNotReady" });
    expect(crash!.message).toEndWith("; its log ends: No NIC");
  });
  test("that goes hides none that stays, and has not failed", () => {
    const going = pod(waiting("CrashLoopBackOff"), { deletionTimestamp: "2026-01-01T00:00:00Z", name: "old" });
    expect(plugin(going)).toMatchObject({ present: true, ready: false, made: undefined, failure: undefined });
    expect(plugin(going, pod(isReady("True")))).toMatchObject({ ready: true, made: {} });
  });
});

test("allocatable is read as the API server writes it", () => {
  const offered = (amount: string) =>
    observeNode(
      {
        node: { ...node(), status: { allocatable: { "amd.com/onload": amount } } },
        plugins: [],
        kmmPods: [],
        nmc: undefined,
        holders: undefined,
        failureLogs: new Map(),
      },
      CONTEXT,
    ).allocatable;
  expect(offered("100")).toBe(100);
  expect(offered("1k")).toBe(1000);
  expect(offered("many")).toBe(0);
});

test.each([
  ["is not cordoned", undefined, false],
  ["has been cordoned, and is not tainted yet", { unschedulable: true }, true],
  [
    "has been uncordoned, and is still tainted",
    { taints: [{ key: "node.kubernetes.io/unschedulable", effect: "NoSchedule" as const }] },
    true,
  ],
  ["has another taint", { taints: [{ key: "dedicated", effect: "NoSchedule" as const }] }, false],
])("a node that %s", (_name, spec, cordoned) => {
  const { cordoned: seen } = observeNode(
    {
      node: { ...node(), ...(spec ? { spec } : {}) },
      plugins: [],
      kmmPods: [],
      nmc: undefined,
      holders: undefined,
      failureLogs: new Map(),
    },
    CONTEXT,
  );
  expect(seen).toBe(cordoned);
});
