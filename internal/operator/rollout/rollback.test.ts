/** What an earlier version has left: rollbacks that it has begun, and how it named attempts. */
import { describe, expect, test } from "bun:test";
import { onloadModuleLabel, RETRY_ANNOTATION } from "../../api/names.ts";
import { withDefaults, type Onload } from "../../api/onload.ts";
import { ONLOADS } from "../../api/resources.ts";
import type { RawOnload } from "../cache/caches.ts";
import { crashing, imagesOf, KEY, ReconcilerBed } from "../testing/reconciler-bed.ts";
import { effectiveOnload, formerAttemptFor, standingRollback } from "./rollback.ts";

function rolledBack(changes: { paused?: boolean; retry?: string; generation?: number } = {}): Onload {
  const { paused = false, retry, generation = 7 } = changes;
  const onload = withDefaults({
    apiVersion: "onload.amd.com/v1alpha1",
    kind: "Onload",
    metadata: { ...KEY, generation, ...(retry === undefined ? {} : { annotations: { [RETRY_ANNOTATION]: retry } }) },
    spec: { selector: { a: "b" }, serviceAccountName: "sa", onload: imagesOf("v2"), upgrade: { paused } },
  } as Parameters<typeof withDefaults>[0]);
  const time = "2026-01-01T00:00:00Z";
  const rollback = { fromVersion: "v2", toVersion: "v1", observedGeneration: 7, since: time, message: "m" };
  return { ...onload, status: { rollback, lastReady: { version: "v1", time, onload: { ...imagesOf("v1") } } } };
}

describe("a rollback without a digest of what it goes back from", () => {
  test("holds for the generation that it was begun in", () => {
    expect(standingRollback(rolledBack({ generation: 8 }))).toBeUndefined();
  });
  test("gets the digest, so that it outlives an edit of anything else", () => {
    const rollback = standingRollback(rolledBack())!;
    const edited = rolledBack({ generation: 8, paused: true });
    edited.status!.rollback = rollback;
    expect(standingRollback(edited)).toEqual(rollback);
    edited.spec.onload.userImage = "registry/user:corrected";
    expect(standingRollback(edited)).toBeUndefined();
  });
});

describe("a last Ready version that cannot be read", () => {
  const { kernelMappings, ...withoutMappings } = imagesOf("v1");
  const UNREADABLE: Record<string, unknown> = {
    "of another form": withoutMappings,
    "with a number for an image": { ...withoutMappings, kernelMappings, userImage: 5 },
    "of another version": imagesOf("v0"),
    "that is no object": "v1",
    "that is nothing": null,
  };

  test.each(Object.entries(UNREADABLE))("is nothing to go back to: one %s", async (_, onload) => {
    const back = rolledBack();
    back.status!.lastReady!.onload = onload as Record<string, unknown>;
    expect(standingRollback(back)).toBeUndefined();
    expect(effectiveOnload(back)).toBe(back);

    const bed = new ReconcilerBed();
    bed.putOnload({ onload: imagesOf("v2"), upgrade: { onFailure: "Rollback" } });
    bed.cluster.edit<RawOnload>(ONLOADS, KEY, (raw) => (raw.status = back.status));
    bed.putNode("n1");
    await bed.settle();
    expect(bed.status?.version).toBe("v2");
    expect(bed.status?.rollback).toBeUndefined();
    expect(bed.condition("Ready")).toStartWith("Ready=False NodesNotReady");
    bed.putNode("n1", { [onloadModuleLabel(KEY)]: "v2" }, "LabelOnload");
    bed.putLoader("n1", "v2", crashing(3));
    await bed.settle();
    expect(bed.condition("Degraded")).toStartWith("Degraded=True NodesFailed");
    expect(bed.status?.rollback).toBeUndefined();
  });
  test.each(Object.entries(UNREADABLE))("keeps no resource of that version from working: one %s", async (_, onload) => {
    const bed = new ReconcilerBed();
    bed.putOnload();
    const lastReady = { version: "v1", time: "2026-01-01T00:00:00Z", onload };
    bed.cluster.edit<RawOnload>(ONLOADS, KEY, (raw) => (raw.status = { lastReady }));
    bed.putNode("n1");
    await bed.settle();
    expect(bed.module?.spec.moduleLoader.container.version).toBe("v1");
  });
});

test("an earlier version's attempt is the generation and the annotation's own text, as far as it is read", () => {
  expect(formerAttemptFor(rolledBack())).toBe("7");
  expect(formerAttemptFor(rolledBack({ retry: "again" }))).toBe("7:again");
  expect(formerAttemptFor(rolledBack({ retry: "x".repeat(300) }))).toBe(`7:${"x".repeat(62)}`);
});
