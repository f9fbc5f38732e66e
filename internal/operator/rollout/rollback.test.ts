/** What an earlier version has left: rollbacks that it has begun, and how it named attempts. */
import { describe, expect, test } from "bun:test";
import { RETRY_ANNOTATION } from "../../api/names.ts";
import { withDefaults, type Onload } from "../../api/onload.ts";
import { imagesOf, KEY } from "../testing/reconciler-bed.ts";
import { formerAttemptFor, standingRollback } from "./rollback.ts";

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

test("an earlier version's attempt is the generation and the annotation's own text, as far as it is read", () => {
  expect(formerAttemptFor(rolledBack())).toBe("7");
  expect(formerAttemptFor(rolledBack({ retry: "again" }))).toBe("7:again");
  expect(formerAttemptFor(rolledBack({ retry: "x".repeat(300) }))).toBe(`7:${"x".repeat(62)}`);
});
