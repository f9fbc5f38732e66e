import { describe, expect, test } from "bun:test";
import type { RawOnload } from "./cache/caches.ts";
import { mergePatch } from "../kube/testing/merge-patch.ts";
import { pause, resume, retry, rollback, type Request } from "./requests.ts";

const NOW = Date.UTC(2026, 0, 1);
const old = {
  version: "v1",
  userImage: "u:1",
  kernelMappings: [{ regexp: "a" }],
  controlPlane: { parameters: ["-K"] },
};

function resource(spec: object = {}, status: object = {}): RawOnload {
  const onload = { version: "v2", userImage: "u:2", imagePullPolicy: "Always", controlPlane: { crictlPath: "/x" } };
  const metadata = { namespace: "ns", name: "o", resourceVersion: "7", annotations: { theirs: "1" } };
  return { apiVersion: "v", kind: "Onload", metadata, spec: { onload, upgrade: {}, ...spec }, status } as RawOnload;
}

/** What the API server makes of it. */
function after(before: RawOnload, { patch }: Request): RawOnload {
  return patch === undefined ? before : (mergePatch(before, patch) as unknown as RawOnload);
}

describe("a request", () => {
  test("to pause and to resume", () => {
    const paused = after(resource(), pause(resource()));
    expect(paused.spec).toMatchObject({ upgrade: { paused: true }, onload: { version: "v2" } });
    expect(pause(paused)).toEqual({ patch: undefined, what: "is paused already" });
    const resumed = after(paused, resume(paused));
    expect(resumed.spec).toMatchObject({ upgrade: { paused: false } });
    expect(resume(resumed).patch).toBeUndefined();
  });
  test("to try again", () => {
    const { metadata, spec } = after(resource(), retry(resource(), NOW));
    expect(metadata.annotations).toEqual({ theirs: "1", "onload.amd.com/retry": "2026-01-01T00:00:00.000Z" });
    expect(spec).toEqual(resource().spec);
  });
  test("to roll back gives exactly what was Ready", () => {
    const failed = resource({}, { lastReady: { version: "v1", time: "", onload: old } });
    const request = rollback(failed);
    expect(request.what).toBe("goes from version v2 back to v1");
    const back = after(failed, request);
    expect((back.spec as { onload: object }).onload).toEqual(old);
    expect(rollback(back).patch).toBeUndefined();
  });
  test("to roll back needs something to go back to", () => {
    expect(() => rollback(resource())).toThrow('Cannot roll back Onload "ns/o": no version has been Ready');
  });
  test("says nothing of a resource that is being deleted that does not come true", () => {
    const deleted = resource({ upgrade: { paused: true } }, { lastReady: { version: "v1", time: "", onload: old } });
    deleted.metadata.deletionTimestamp = "2026-01-01T00:00:00Z";
    const why =
      'Onload "ns/o": it is being deleted, and its nodes are cleaned whatever it says; `onloadctl status o -n ns` says what is left';
    expect(() => pause(deleted)).toThrow(`Cannot pause ${why}`);
    expect(() => resume(deleted)).toThrow(`Cannot resume ${why}`);
    expect(() => rollback(deleted)).toThrow(`Cannot roll back ${why}`);
    expect(retry(deleted, NOW)).toMatchObject({
      patch: { metadata: { annotations: { "onload.amd.com/retry": "2026-01-01T00:00:00.000Z" } } },
      what: "is cleaned from the nodes: what has failed is tried again",
    });
  });
  test("is about the resource as it was read", () => {
    const ready = resource({}, { lastReady: { version: "v1", time: "", onload: old } });
    for (const { patch } of [pause(ready), retry(ready, NOW), rollback(ready)]) {
      expect(patch).toMatchObject({ metadata: { resourceVersion: "7" } });
    }
  });
});
