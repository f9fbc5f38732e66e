/** An admission webhook, such as one that keeps nodes tidy, takes back what the operator writes on a node. */
import { expect, test } from "bun:test";
import type { KubeObject } from "../api/core.ts";
import { onloadModuleLabel, pluginLabel } from "../api/names.ts";
import { stepRecordAnnotation } from "./observe/step-record.ts";
import { KEY, ReconcilerBed } from "./testing/reconciler-bed.ts";

const without =
  (kind: "labels" | "annotations", key: string) =>
  (object: KubeObject): KubeObject => {
    const { [key]: _, ...rest } = object.metadata[kind] ?? {};
    return { ...object, metadata: { ...object.metadata, [kind]: rest } };
  };

/** A bed whose objects are applied, with a webhook, and a node that is free, or has its module already. */
async function bedWith(mutate: (object: KubeObject) => KubeObject, isLoaded: boolean): Promise<ReconcilerBed> {
  const bed = new ReconcilerBed();
  bed.putOnload();
  await bed.settle();
  bed.seeTemplate();
  bed.now += 1000;
  await bed.settle();
  bed.cluster.mutate = mutate;
  if (isLoaded) {
    bed.putNode("n1", { [onloadModuleLabel(KEY)]: "v1" }, "LabelOnload");
    bed.putLoader("n1", "v1");
  } else {
    bed.putNode("n1");
  }
  bed.cluster.take();
  return bed;
}

/** Half a minute of passes; gives how often the node was patched. */
async function halfMinute(bed: ReconcilerBed): Promise<number> {
  for (let i = 0; i < 60; i++) {
    await bed.reconcile().catch(() => undefined);
    bed.now += 500;
  }
  return bed.cluster.take().filter((call) => call === "mergePatch nodes n1").length;
}

test.each([
  ["a label of ours", "labels", pluginLabel(KEY), true],
  ["KMM's label", "labels", onloadModuleLabel(KEY), false],
  ["the step record", "annotations", stepRecordAnnotation(KEY), false],
] as const)("that it takes %s is told, with what was taken", async (_name, kind, key, isLoaded) => {
  const bed = await bedWith(without(kind, key), isLoaded);
  expect(await halfMinute(bed)).toBeLessThanOrEqual(31);
  const told = bed.condition("Degraded");
  expect(told).toStartWith("Degraded=True StepFailed: ");
  expect(told).toContain(`node "n1"`);
  expect(told).toContain(key);
  expect(told).toContain("admission webhook");
  // It is put right.
  bed.cluster.mutate = (object) => object;
  await halfMinute(bed);
  expect(bed.labels("n1")).toMatchObject({ [pluginLabel(KEY)]: "v1", [onloadModuleLabel(KEY)]: "v1" });
  expect(bed.condition("Degraded")).not.toContain("StepFailed");
});
