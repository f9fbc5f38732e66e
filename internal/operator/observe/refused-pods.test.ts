/** When events of refused pods are read, and how; the API server is a list of them. */
import { describe, expect, test } from "bun:test";
import type { DaemonSet } from "../../api/core.ts";
import { Store } from "../../kube/store.ts";
import type { Event } from "../../kube/kinds.ts";
import { secondTime } from "../../kube/times.ts";
import type { ClusterClient } from "../cache/cluster-client.ts";
import { RefusedPods } from "./refused-pods.ts";

const KEY = { namespace: "ns", name: "main" };
const NOW = Date.UTC(2026, 0, 1);
const MINUTE = 60_000;

/** Events of the loader of onload, with these times. */
function looking(times: Partial<Event> = { lastTimestamp: secondTime(NOW) }) {
  const asked: { transform: (event: Event) => Event; timeoutMs?: number }[] = [];
  const event = {
    apiVersion: "v1",
    kind: "Event",
    metadata: { name: "e", namespace: "ns", managedFields: [{}] },
    reason: "FailedCreate",
    message: `Error creating: ${"no ".repeat(100_000)}`,
    involvedObject: { kind: "DaemonSet", name: "main-module-x7k2p" },
    ...times,
  } as Event;
  const kept: Event[] = [];
  const client = {
    list: (_: unknown, options: (typeof asked)[number]) => {
      asked.push(options);
      kept.push(options.transform(event));
      return Promise.resolve({ items: kept.slice(-1), resourceVersion: "1" });
    },
  } as unknown as Pick<ClusterClient, "list">;
  const pods = new RefusedPods();
  const { signal } = new AbortController();
  /** Looks when a pod is awaited for so long. */
  const look = (awaitedMs: number | undefined, monotonic = 0) =>
    pods.look(
      client,
      { daemonSets: { store: new Store<DaemonSet>() } },
      KEY,
      awaitedMs === undefined ? undefined : NOW - awaitedMs,
      NOW,
      monotonic,
      signal,
    );
  return { pods, look, asked, kept };
}

test("a pod that is awaited for a moment is not looked for", async () => {
  const { look, asked } = looking();
  expect(await look(undefined)).toEqual({ changed: false, againMs: undefined });
  expect(await look(1000)).toEqual({ changed: false, againMs: 2000 });
  expect(asked).toEqual([]);
});

test.each([
  [10_000, 5000],
  [2 * MINUTE, MINUTE / 2],
  [24 * 60 * MINUTE, MINUTE],
])("one that is awaited for %d ms is looked for again after %d ms", async (awaitedMs, interval) => {
  const { look, asked } = looking();
  expect(await look(awaitedMs)).toEqual({ changed: true, againMs: interval });
  expect(await look(awaitedMs, interval - 1)).toEqual({ changed: false, againMs: 1 });
  expect(asked).toHaveLength(1);
  await look(awaitedMs, interval);
  expect(asked).toHaveLength(2);
  expect(asked[0]).toMatchObject({
    namespace: "ns",
    fieldSelector: "reason=FailedCreate",
    atMost: 1000,
    timeoutMs: 5000,
  });
});

test("what was said is forgotten as soon as nobody waits for a pod", async () => {
  const { look, pods } = looking();
  await look(MINUTE);
  expect(Object.keys(pods.refusals)).toEqual(["onload"]);
  expect(await look(undefined, 1)).toEqual({ changed: true, againMs: undefined });
  expect(pods.refusals).toEqual({});
});

describe("of an event little is kept, and its time in whichever field it is", () => {
  test.each<[string, Partial<Event>]>([
    ["lastTimestamp", { lastTimestamp: secondTime(NOW) }],
    ["eventTime", { eventTime: secondTime(NOW) }],
    ["firstTimestamp", { firstTimestamp: secondTime(NOW) }],
    ["series", { eventTime: secondTime(NOW - 60 * MINUTE), series: { count: 2, lastObservedTime: secondTime(NOW) } }],
  ])("%s", async (_field, times) => {
    const { look, pods, kept } = looking(times);
    await look(10_000);
    expect(pods.refusals.onload).toStartWith("DaemonSet main-module-x7k2p: no no ");
    expect(JSON.stringify(kept[0]).length).toBeLessThan(5000);
  });
});
