/** Pods that the API server refuses: what the status says of them, when it is read, and what that costs. */
import { beforeEach, describe, expect, test } from "bun:test";
import type { KubeObject } from "../api/core.ts";
import { pluginLabel } from "../api/names.ts";
import type { NodeProblem, OnloadStatus } from "../api/onload.ts";
import { EVENTS } from "../kube/resource.ts";
import { secondTime } from "../kube/times.ts";
import { KEY, PLUGIN_REF, ReconcilerBed } from "./testing/reconciler-bed.ts";

const QUOTA = 'pods "x" is forbidden: exceeded quota: none, requested: pods=1, used: pods=0, limited: pods=0';
const STEP_MS = 60_000;

let bed: ReconcilerBed;
beforeEach(() => {
  bed = new ReconcilerBed();
  bed.putOnload({ upgrade: { stepTimeoutSeconds: STEP_MS / 1000 } });
  bed.putNode("n1", { onload: "yes" });
});

function putEvent(name: string, message = QUOTA): void {
  bed.cluster.put<KubeObject>(EVENTS, {
    apiVersion: "v1",
    kind: "Event",
    metadata: { namespace: KEY.namespace, name: `${name}.1` },
    reason: "FailedCreate",
    message: `Error creating: ${message}`,
    involvedObject: { kind: "DaemonSet", name, namespace: KEY.namespace },
    lastTimestamp: secondTime(bed.now),
  } as KubeObject);
}
/** Passes until the time has come. */
async function wait(ms: number): Promise<void> {
  const end = bed.now + ms;
  while (bed.now < end) {
    const { requeueAfterMs = 10_000 } = await bed.reconcile();
    bed.now = Math.min(end, bed.now + Math.max(1, requeueAfterMs));
  }
  await bed.settle();
}
const status = (): OnloadStatus => bed.onload!.status!;
const problem = (): NodeProblem | undefined => status().problems?.[0];
const reads = (): number => bed.cluster.calls.filter(({ what }) => what === "events").length;

describe("a module loader that is refused", () => {
  test("is no problem for a moment, is quoted at once then, and fails only when the step's time is over", async () => {
    await bed.settle();
    putEvent("main-module-x7k2p");
    await wait(2000);
    expect(problem()).toBeUndefined();
    expect(reads()).toBe(0);
    await wait(3000);
    const message = `KMM's pod for onload is refused: DaemonSet main-module-x7k2p: ${QUOTA}; raise that ResourceQuota`;
    expect(problem()).toMatchObject({ node: "n1", reason: "PodRefused" });
    expect(problem()!.message).toStartWith(message);
    const degraded = status().conditions!.find(({ type }) => type === "Degraded")!;
    expect(degraded).toMatchObject({ status: "True", reason: "NodesNotReady" });
    expect(degraded.message).toContain(QUOTA);
    expect(status().nodes!.failed).toBe(0);
    expect(bed.events.filter(({ reason }) => reason === "PodRefused")).toHaveLength(1);
    await wait(STEP_MS);
    expect(status().nodes!.failed).toBe(1);
    expect(problem()!.message).toStartWith("KMM has not loaded onload after 60 s: KMM's pod for onload is refused: ");
  });
  test("is forgotten once the pod is there", async () => {
    await bed.settle();
    putEvent("main-module-x7k2p");
    await wait(5000);
    bed.putLoader("n1", "v1", { phase: "Pending" });
    await wait(5000);
    expect(problem()).toBeUndefined();
    const before = reads();
    await wait(20_000);
    expect(reads()).toBe(before);
  });
});

test("events are read once in a while, and those of the resource's namespace only", async () => {
  await bed.settle();
  await wait(STEP_MS / 2);
  const calls = bed.cluster.calls.filter(({ what }) => what === "events");
  expect(calls.length).toBeGreaterThan(2);
  expect(calls.length).toBeLessThan(8);
  expect(calls[0]!.options).toMatchObject({
    namespace: KEY.namespace,
    fieldSelector: "reason=FailedCreate",
    atMost: 1000,
  });
});

test("without the right to read events it goes on, and says of the pod that there is none", async () => {
  bed.cluster.before = ({ what }) => {
    if (what === "events") throw new Error("forbidden");
  };
  await bed.settle();
  await wait(STEP_MS + 10_000);
  expect(problem()).toMatchObject({ reason: "ModuleLoadFailed" });
  expect(problem()!.message).toContain("KMM has made no pod for it on this node");
});

test("what was refused before, of a resource of that name that is gone, is not quoted", async () => {
  putEvent("main-module-x7k2p");
  bed.now += 18 * 60_000;
  await bed.settle();
  await wait(20_000);
  expect(reads()).toBeGreaterThan(0);
  expect(problem()).toBeUndefined();
  // What refuses the pod now is.
  putEvent("main-module-x7k2p", "no");
  await wait(20_000);
  expect(problem()!.message).toStartWith("KMM's pod for onload is refused: DaemonSet main-module-x7k2p: no; ");
});

test("what was read for one node is not quoted for the next, which came to its step later", async () => {
  await bed.settle();
  putEvent("main-module-x7k2p");
  await wait(4000);
  expect(problem()).toMatchObject({ reason: "PodRefused" });
  bed.putLoader("n1", "v1", { phase: "Pending" });
  bed.now += 10_000;
  bed.putNode("n2", { onload: "yes" });
  await bed.settle();
  await wait(4000);
  expect(problem()).toBeUndefined();
});

describe("a device plugin that is refused", () => {
  test("is quoted, and one of a DaemonSet of the same name that is gone is not", async () => {
    await bed.settle();
    bed.putLoader("n1", "v1");
    await bed.settle();
    expect(bed.labels("n1")).toHaveProperty([pluginLabel(KEY)], "v1");
    putEvent(PLUGIN_REF.name);
    await wait(8000);
    expect(problem()).toBeUndefined();
    const { uid } = bed.cluster.object<KubeObject>({ plural: "daemonsets" } as never, PLUGIN_REF)!.metadata;
    bed.cluster.edit<KubeObject & { involvedObject: object }>(
      EVENTS,
      { namespace: KEY.namespace, name: `${PLUGIN_REF.name}.1` },
      (event) => Object.assign(event.involvedObject, { uid }),
    );
    await wait(8000);
    expect(problem()).toMatchObject({ reason: "PodRefused" });
    expect(problem()!.message).toStartWith(`The device plugin's pod is refused: DaemonSet ${PLUGIN_REF.name}: pods`);
  });
});
