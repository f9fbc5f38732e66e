/** A rollout in which nothing moves, through whole passes and a new process. */
import { expect, test } from "bun:test";
import { pluginLabel } from "../api/names.ts";
import { KEY, ReconcilerBed } from "./testing/reconciler-bed.ts";

const STEP_MS = 900_000;

test("is degraded after a step's time, counted from when it began to stand still", async () => {
  const bed = new ReconcilerBed();
  bed.putOnload();
  await bed.settle();
  bed.putServingNode("n1");
  bed.now += 1000;
  await bed.settle();
  expect(bed.condition("Ready")).toStartWith("Ready=True");

  // The plugin's template changes, and no DaemonSet controller sees it.
  bed.environment.ownImage = "registry/onloadctl:2";
  await bed.settle();
  const began = bed.now;
  expect(bed.status?.stalledSince).toBe(new Date(began).toISOString());
  expect(bed.condition("Progressing")).toBe(
    "Progressing=False NodesNotReady: 1 node still to be upgraded: 1 TemplateNotSeen",
  );
  bed.now += STEP_MS - 1;
  bed.restart();
  await bed.settle();
  expect(bed.condition("Degraded")).toBe("Degraded=False AsExpected: Nothing is wrong");
  expect(await bed.reconcile()).toMatchObject({ requeueAfterMs: 2 });

  bed.now = began + STEP_MS;
  await bed.settle();
  expect(bed.condition("Degraded")).toStartWith(
    'Degraded=True NodesNotReady: Node "n1": The DaemonSet controller has not seen the present template',
  );
  expect(bed.labels("n1")[pluginLabel(KEY)]).toBe("v1");

  bed.seeTemplate();
  bed.now += 2000;
  await bed.settle();
  expect(bed.status?.stalledSince).toBeUndefined();
  expect(bed.condition("Degraded")).toBe("Degraded=False AsExpected: Nothing is wrong");
});
