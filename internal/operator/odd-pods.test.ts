/** Pods and nodes that are not simple, as the operator sees them. */
import { describe, expect, test } from "bun:test";
import type { DeepReadonly, Node, Pod } from "../api/core.ts";
import { ONLOAD_RESOURCE } from "../api/names.ts";
import { NODES } from "../kube/resource.ts";
import { holderOf } from "./cache/holders.ts";
import { ReconcilerBed } from "./testing/reconciler-bed.ts";

const NO_FORCE = { asked: false, mayIn: () => false };
const terminated = { terminated: { exitCode: 143 } };

function leaving(status: object, initContainers: object[] = []): DeepReadonly<Pod> {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      namespace: "apps",
      name: "p",
      uid: "u",
      deletionTimestamp: "2026-01-01T00:00:00Z",
      finalizers: ["example.com/wait"],
    },
    spec: {
      nodeName: "n1",
      containers: [{ name: "a", resources: { limits: { [ONLOAD_RESOURCE]: 1 } } }, { name: "b" }],
      initContainers,
    },
    status: { phase: "Running", ...status },
  } as unknown as DeepReadonly<Pod>;
}

describe("a pod that a finalizer keeps although it is to go", () => {
  const both = [
    { name: "a", state: terminated },
    { name: "b", state: terminated },
  ];
  test.each([
    ["holds nothing once the kubelet says that it has ended", leaving({ phase: "Failed" }), false],
    ["holds nothing once every container has ended", leaving({ containerStatuses: both }), false],
    ["holds the driver while one of them runs", leaving({ containerStatuses: [both[0], { name: "b" }] }), true],
    ["holds the driver while a sidecar may run", leaving({ containerStatuses: both }, [{ name: "s" }]), true],
    ["holds the driver while nothing is known", leaving({}), true],
  ])("%s", (_what, pod, holds) => {
    expect(holderOf(pod, NO_FORCE) !== undefined).toBe(holds);
  });
  test("a pod that is not to go holds the driver between two tries of its containers", () => {
    const { deletionTimestamp: _, ...metadata } = leaving({}).metadata;
    expect(holderOf({ ...leaving({ containerStatuses: both }), metadata }, NO_FORCE)).toBeDefined();
  });
});

test("a selector that is changed to an equal set of nodes takes no pod and no label, on nodes with long names too", async () => {
  const bed = new ReconcilerBed();
  const name = `node-${"x".repeat(58)}.${"y".repeat(6)}`;
  expect(name.length).toBe(70);
  bed.putOnload();
  await bed.settle();
  bed.seeTemplate();
  bed.putServingNode(name);
  bed.cluster.edit<Node>(NODES, { name }, ({ metadata }) => (metadata.labels!["pool"] = "trading"));
  bed.now += 1000;
  await bed.settle();
  bed.putHolder("app", name);
  const before = bed.labels(name);
  bed.cluster.take();
  bed.putOnload({ selector: { pool: "trading" } }, { generation: 2 });
  await bed.settle();
  expect(bed.status?.selector).toEqual({ pool: "trading" });
  expect(bed.holders()).toEqual(["app"]);
  expect(bed.labels(name)).toEqual(before);
  expect(bed.cluster.take().filter((call) => call.includes("Patch nodes") || call.startsWith("evict"))).toEqual([]);
});
