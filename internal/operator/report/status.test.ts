/** When a status is written, and what stands in it; the API server is a list of what it was sent. */
import { describe, expect, test } from "bun:test";
import type { Condition } from "../../api/core.ts";
import type { OnloadStatus } from "../../api/onload.ts";
import { REASON } from "../../api/reasons.ts";
import { Store } from "../../kube/store.ts";
import type { RawOnload } from "../cache/caches.ts";
import { refusal } from "../testing/memory-cluster.ts";
import { isTrue, notReadySince, untouchedStatus, writeStatus, type WrittenStatus } from "./status.ts";

const NOW = Date.UTC(2026, 0, 1);
const BEFORE = "2025-12-31T00:00:00Z";

const condition = (type: string, status: "True" | "False", reason = "R", message = "m"): Condition => ({
  type,
  status,
  reason,
  message,
  lastTransitionTime: BEFORE,
});

const OLD: OnloadStatus = {
  observedGeneration: 3,
  version: "v1",
  conditions: [condition("Ready", "False")],
  nodes: { desired: 3, updated: 0, ready: 0, upgrading: 0, failed: 0 },
  selector: { a: "b" },
  lastReady: { version: "v1", time: BEFORE, onload: { version: "v1" } },
};

/** An operator that has written a status just now. */
function writer(status: OnloadStatus | undefined = OLD) {
  const onload = {
    apiVersion: "onload.amd.com/v1alpha1",
    kind: "Onload",
    metadata: { namespace: "ns", name: "o", uid: "u", generation: 3, resourceVersion: "7" },
    ...(status ? { status } : {}),
  } as RawOnload;
  const store = new Store<RawOnload>();
  store.set(onload);
  const sent: { metadata: object; status: OnloadStatus }[] = [];
  const state = { error: undefined as Error | undefined, ms: 0 };
  const memory: WrittenStatus = { statusWrittenAt: 0 };
  const client = {
    apply: (_: unknown, body: (typeof sent)[number]) => {
      sent.push(body);
      return state.error ? Promise.reject(state.error) : Promise.resolve({ ...onload, status: body.status } as never);
    },
  };
  const caches = { onloads: { store, observe: (answer: RawOnload) => void store.set(answer) } };
  const deps = { client: client as never, caches, monotonic: () => state.ms };
  const write = (changes: Partial<OnloadStatus>): Promise<number | undefined> =>
    writeStatus(deps, memory, onload, { ...OLD, ...changes }, new AbortController().signal);
  return { write, sent, state, memory, store, onload };
}

const NODES = { nodes: { ...OLD.nodes!, ready: 1 } };

describe("a status", () => {
  test("that is as it was is not written", async () => {
    const { write, sent } = writer();
    expect([await write({}), await write({ stalledSince: undefined })]).toEqual([undefined, undefined]);
    expect(sent).toEqual([]);
  });
  test("whose counts alone have changed waits for the rest of a second", async () => {
    const { write, sent, state } = writer();
    state.ms = 400;
    expect(await write(NODES)).toBe(600);
    state.ms = 1000;
    expect(await write(NODES)).toBeUndefined();
    expect(sent).toHaveLength(1);
    expect(sent[0]).toMatchObject({ metadata: { namespace: "ns", name: "o", resourceVersion: "7" }, status: NODES });
  });
  test.each<[string, Partial<OnloadStatus>]>([
    ["a condition's status", { conditions: [condition("Ready", "True")] }],
    ["a condition's reason", { conditions: [condition("Ready", "False", "Other")] }],
    ["the selector that holds", { selector: { a: "c" } }],
    ["a selector that is held back", { selectorHeldBack: { a: "c" } }],
    ["a rollback", { rollback: { fromVersion: "v2", toVersion: "v1", observedGeneration: 3, since: BEFORE } }],
    ["the version to go back to", { lastReady: { ...OLD.lastReady!, version: "v2" } }],
    ["the spec that was looked at", { observedGeneration: 4 }],
  ])("is written at once with %s", async (_what, changes) => {
    const { write, sent } = writer();
    expect(await write({ ...NODES, ...changes })).toBeUndefined();
    expect(sent).toHaveLength(1);
  });
  test("of a condition whose message alone is another waits too", async () => {
    const { write, sent } = writer();
    expect(await write({ conditions: [condition("Ready", "False", "R", "another")] })).toBe(1000);
    expect(sent).toEqual([]);
  });
  test("is written at once where there is none", async () => {
    const { write, sent, onload } = writer(undefined);
    delete onload.status;
    expect(await write({})).toBeUndefined();
    expect(sent).toHaveLength(1);
  });
  test("is known as soon as it is written, before the watch brings it", async () => {
    const { write, store } = writer();
    await write({ observedGeneration: 4 });
    expect(store.get("ns/o")?.status).toMatchObject({ observedGeneration: 4 });
  });
  test.each<[string, object | undefined]>([
    ["is gone", undefined],
    ["was made again", { uid: "v" }],
    ["has another spec by now", { generation: 4 }],
  ])("is not written to a resource that %s", async (_what, changes) => {
    const { write, sent, store, onload } = writer();
    if (changes) store.set({ ...onload, metadata: { ...onload.metadata, ...changes } });
    else store.delete("ns/o");
    expect(await write({ observedGeneration: 4 })).toBe(1000);
    expect(sent).toEqual([]);
  });
  test.each([
    [404, "NotFound"],
    [409, "Conflict"],
  ])("that is refused with %d is written later, and is no failure", async (code, reason) => {
    const { write, state, memory } = writer();
    state.error = refusal("apply", code, reason);
    expect(await write({ observedGeneration: 4 })).toBe(1000);
    expect(memory.statusOvertaken).toBe(state.error);
    state.error = undefined;
    expect(await write({ observedGeneration: 4 })).toBeUndefined();
    expect(memory.statusOvertaken).toBeUndefined();
  });
  test("that is refused for another reason is a failure", async () => {
    const { write, state } = writer();
    state.error = refusal("apply", 403, "Forbidden");
    await expect(write({ observedGeneration: 4 })).rejects.toBe(state.error);
  });
  test("moves no cursor, and has the lengths that the CRD takes", async () => {
    const { write, sent } = writer();
    const message = `\u001b[2J\n${"x".repeat(100_000)}`;
    await write({
      conditions: [condition("Ready", "True", "R", message)],
      headline: { reason: "R", message },
      problems: [{ node: "n", step: "s", reason: "R", message }],
      rollback: { fromVersion: "v2", toVersion: "v1", observedGeneration: 3, since: BEFORE, message },
    });
    const { conditions, headline, problems, rollback } = sent[0]!.status;
    const texts = [conditions![0]!.message, headline!.message, problems![0]!.message, rollback!.message!];
    expect(texts.map((text) => text.length)).toEqual([32_768, 32_768, 4096, 4096]);
    for (const text of texts) expect(text).not.toMatch(/\p{Cc}/u);
  });
});

describe("the status of a resource that is not touched", () => {
  const raw = { metadata: { name: "o", generation: 5 }, status: OLD } as unknown as RawOnload;
  test("says why, and keeps what was reported of its nodes", () => {
    const { conditions, headline, observedGeneration, ...rest } = untouchedStatus(
      raw,
      { reason: REASON.InvalidSpec, message: "m" },
      NOW,
    );
    const { conditions: _, observedGeneration: __, ...reported } = OLD;
    expect(rest).toEqual(reported);
    expect(observedGeneration).toBe(5);
    expect(headline).toEqual({ reason: "InvalidSpec", message: "m" });
    expect(conditions!.map((each) => `${each.type}=${each.status} ${each.reason}: ${each.message}`)).toEqual([
      "Ready=False InvalidSpec: m",
      "Progressing=False InvalidSpec: No node is touched until the spec is corrected",
      "Degraded=True InvalidSpec: m",
      "Stalled=True InvalidSpec: m",
    ]);
    expect(conditions!.map(({ lastTransitionTime }) => lastTransitionTime)).toEqual([
      BEFORE,
      ...Array<string>(3).fill("2026-01-01T00:00:00Z"),
    ]);
  });
  test("does not say that it is stalled for what ends by itself", () => {
    const { conditions } = untouchedStatus(raw, { reason: REASON.AnotherOperator, message: "m" }, NOW);
    expect(conditions!.map(({ type, message }) => `${type}: ${message}`)).toEqual([
      "Ready: m",
      "Progressing: No node is touched until that is resolved",
      "Degraded: m",
    ]);
  });
});

test("a resource is not Ready since its condition became False, and only while that is so", () => {
  const since = (status?: string) =>
    notReadySince(status === undefined ? undefined : { conditions: [condition("Ready", status as "True")] });
  expect([since("False"), since("True"), since("Unknown"), since()]).toEqual([
    Date.parse(BEFORE),
    undefined,
    undefined,
    undefined,
  ]);
});

test("a condition is True if it is there and says so", () => {
  const status = { conditions: [condition("Ready", "True"), condition("Degraded", "False")] };
  expect(["Ready", "Degraded", "Stalled"].map((type) => isTrue(status, type))).toEqual([true, false, false]);
});
