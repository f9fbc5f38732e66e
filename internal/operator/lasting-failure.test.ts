/** A failure that comes and goes while the kubelet tries again, through whole passes and a new process. */
import { expect, test } from "bun:test";
import type { Pod } from "../api/core.ts";
import { onloadModuleLabel, pluginLabel } from "../api/names.ts";
import { imagesOf, KEY, ReconcilerBed } from "./testing/reconciler-bed.ts";

function waiting(reason: string): Pod["status"] {
  const state = { waiting: { reason, message: "registry/onload-module:v2" } };
  return { phase: "Pending", containerStatuses: [{ name: "c", state }] } as Pod["status"];
}

test("is reported and counted once, and keeps the next node from starting until it is over", async () => {
  const bed = new ReconcilerBed();
  bed.putOnload({ onload: imagesOf("v2"), upgrade: { maxUnavailable: 2 } });
  await bed.settle();
  bed.seeTemplate();
  bed.putNode("n1", { [onloadModuleLabel(KEY)]: "v2" }, "LabelOnload");
  bed.putLoader("n1", "v2", waiting("ImagePullBackOff"));
  await bed.settle();
  bed.putServingNode("n2", "v1");
  const since = (): unknown => bed.status?.problems?.find(({ node }) => node === "n1")?.since;
  await bed.settle();
  const first = since();
  for (const reason of ["ErrImagePull", "ImagePullBackOff", "ErrImagePull", "ImagePullBackOff", "ErrImagePull"]) {
    bed.now += 60_000;
    bed.putLoader("n1", "v2", waiting(reason));
    await bed.settle();
    expect(bed.condition("Degraded")).toStartWith('Degraded=True NodesFailed: Node "n1" failed at LoadingOnload');
    expect(bed.labels("n2")[pluginLabel(KEY)]).toBe("v1");
    expect(since()).toBe(first);
  }
  const told = bed.events.filter(({ reason }) => reason === "ModuleImageMissing");
  expect(told).toHaveLength(1);
  expect(await bed.metric("onload_operator_node_failures_total")).toEqual([1]);
  const patches = bed.cluster.take().filter((call) => call === "mergePatch nodes n1");
  expect(patches).toHaveLength(1);

  bed.restart();
  await bed.settle();
  expect(bed.condition("Degraded")).toStartWith("Degraded=True NodesFailed");
  expect(bed.labels("n2")[pluginLabel(KEY)]).toBe("v1");

  bed.putLoader("n1", "v2");
  await bed.settle();
  expect(bed.labels("n1")[pluginLabel(KEY)]).toBe("v2");
  expect(bed.condition("Degraded")).toBe("Degraded=False AsExpected: Nothing is wrong");
  expect(bed.labels("n2")[pluginLabel(KEY)]).toBeUndefined();
});
