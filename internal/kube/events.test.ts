import { expect, test } from "bun:test";
import type { ServerResponse } from "node:http";
import { silentLogger } from "../cli/log.ts";
import type { Event } from "./kinds.ts";
import type { Clock } from "./clock.ts";
import { ConnectionError } from "./errors.ts";
import { EventRecorder, type EventRecorderOptions } from "./events.ts";
import { until } from "./testing/eventually.ts";
import { FakeApiServer, sendStatus } from "./testing/fake-api-server.ts";
import { FakeClock, hurriedClock } from "./testing/fake-clock.ts";

const NODE = { apiVersion: "v1", kind: "Node", name: "n1", uid: "u1" };
const IN_DEFAULT = "/api/v1/namespaces/default/events";

/** A running recorder on a clock that runs a hundred times as fast. */
function start(server: FakeApiServer, clock: Clock = hurriedClock(100), options: Partial<EventRecorderOptions> = {}) {
  const recorder = new EventRecorder({
    client: server.client({ clock }),
    component: "onload-operator",
    instance: "pod-1",
    log: silentLogger,
    clock,
    flushMs: 600_000,
    writeTimeoutMs: 600_000,
    ...options,
  });
  /** Waits until so many events are written. */
  const written = (count: number): Promise<void> => until(() => server.objects(IN_DEFAULT).size >= count);
  const stop = new AbortController();
  const running = recorder.run(stop.signal);
  return {
    recorder,
    written,
    /** Stops; the recorder then writes all that is left. */
    finish: async () => {
      stop.abort();
      await running;
      return [...server.objects(IN_DEFAULT).values()] as Event[];
    },
  };
}

test("an event has every field that is demanded or sorted by, and one about a node is in default", async () => {
  await using server = await FakeApiServer.start();
  const { recorder, finish } = start(server);
  recorder.record(NODE, { type: "Warning", reason: "DrainFailed", note: "A budget forbids it" });
  const [event, ...rest] = await finish();
  expect(rest).toEqual([]);
  expect(event).toMatchObject({
    apiVersion: "v1",
    type: "Warning",
    reason: "DrainFailed",
    action: "DrainFailed",
    message: "A budget forbids it",
    count: 1,
    involvedObject: NODE,
    reportingComponent: "onload-operator",
    reportingInstance: "pod-1",
  });
  expect(event?.firstTimestamp).toBeDefined();
  expect(event?.lastTimestamp).toEqual(event?.firstTimestamp);
  expect(event?.lastTimestamp).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
  expect(event?.eventTime).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
});

test("the same event again becomes a series with a count; another note is another event", async () => {
  await using server = await FakeApiServer.start();
  const { recorder, finish } = start(server);
  for (let i = 0; i < 50; i++) recorder.record(NODE, { type: "Normal", reason: "Ready", note: "The node is ready" });
  recorder.record(NODE, { type: "Normal", reason: "Ready", note: "Another note" });
  const events = await finish();
  expect(events.map((event) => [event.message, event.series?.count]).sort()).toEqual([
    ["Another note", undefined],
    ["The node is ready", 50],
  ]);
  expect(server.requests.length).toBeLessThanOrEqual(4);
});

test("a flood about one object is cut and counted, and events of other objects are still written", async () => {
  await using server = await FakeApiServer.start();
  const { recorder, written, finish } = start(server);
  for (let i = 0; i < 1500; i++) recorder.record(NODE, { type: "Normal", reason: "Flapped", note: `Time ${i}` });
  recorder.record({ ...NODE, name: "n2", uid: "u2" }, { type: "Normal", reason: "Ready", note: "Heard" });
  const kept = 1501 - recorder.dropped;
  expect(kept).toBeLessThan(1200);
  await written(kept);
  const events = await finish();
  expect(events.some((event) => event.message === "Heard")).toBe(true);
  // A thousand requests take their time on a busy machine.
}, 120_000);

test("many events are written one after another, at a pace that leaves the server to others", async () => {
  await using server = await FakeApiServer.start();
  const clock = hurriedClock(100);
  const { recorder, written, finish } = start(server, clock);
  const began = clock.now();
  for (let i = 0; i < 75; i++) recorder.record(NODE, { type: "Normal", reason: "Step", note: `Step ${i}` });
  await written(75);
  // 25 at once, and 50 more at 25 a second.
  expect(clock.now() - began).toBeGreaterThanOrEqual(1900);
  for (let i = 75; i < 150; i++) recorder.record(NODE, { type: "Normal", reason: "Step", note: `Step ${i}` });
  // Who stops writes what is left without waiting.
  expect(await finish()).toHaveLength(150);
});

test("an event is tried again when the server fails, and dropped when it refuses", async () => {
  await using server = await FakeApiServer.start();
  const { recorder, written, finish } = start(server);
  server.fail("POST", /./, 2, (response) => sendStatus(response, 500, "InternalError", "no"));
  recorder.record(NODE, { type: "Normal", reason: "Ready", note: "First" });
  await written(1);
  server.fail("POST", /./, 1, (response) =>
    sendStatus(response, 403, "Forbidden", "the namespace is being terminated"),
  );
  recorder.record(NODE, { type: "Normal", reason: "Ready", note: "Second" });
  recorder.record(NODE, { type: "Normal", reason: "Ready", note: "Third" });
  expect((await finish()).map((event) => event.message)).toEqual(["First", "Third"]);
  expect(recorder.dropped).toBe(1);
});

test("an event that is stored while its answer is lost is not dropped, and its count goes on", async () => {
  await using server = await FakeApiServer.start();
  const clock = hurriedClock(100);
  const client = server.client({ clock });
  const create = client.create.bind(client);
  let tries = 0;
  client.create = async (resource, object, options) => {
    const made = await create(resource, object, options);
    if (tries++ > 0) return made as never;
    recorder.record(NODE, { type: "Normal", reason: "Ready", note: "x" });
    throw new ConnectionError("create an event", server.url, "ETIMEDOUT", "no answer", undefined);
  };
  const { recorder, written, finish } = start(server, clock, { client });
  recorder.record(NODE, { type: "Normal", reason: "Ready", note: "x" });
  await written(1);
  expect(await finish()).toMatchObject([{ count: 2, series: { count: 2 } }]);
  expect(recorder.dropped).toBe(0);
});

test("a long note is cut at 1024 bytes, at a whole character", async () => {
  await using server = await FakeApiServer.start();
  const { recorder, finish } = start(server);
  recorder.record(NODE, { type: "Normal", reason: "Ready", note: "ä".repeat(2000) });
  const [event] = await finish();
  expect(Buffer.byteLength(event!.message!)).toBeLessThanOrEqual(1024);
  expect(event!.message).toMatch(/^ä{500,}…$/);
});

test("a series whose event has expired goes on in a new event, with its count", async () => {
  await using server = await FakeApiServer.start();
  const { recorder, written, finish } = start(server);
  const ready = { type: "Normal", reason: "Ready", note: "The node is ready" } as const;
  recorder.record(NODE, ready);
  await written(1);
  const [expired] = server.objects(IN_DEFAULT).keys();
  server.remove(IN_DEFAULT, expired!);
  recorder.record(NODE, ready);
  const [event, ...rest] = await finish();
  expect(rest).toEqual([]);
  expect(event?.metadata.name).not.toBe(expired);
  expect(event?.series?.count).toBe(2);
});

const unanswered = (): void => undefined;
const busy = (response: ServerResponse): void => {
  response.setHeader("retry-after", "1");
  sendStatus(response, 429, "TooManyRequests", "busy");
};
const failing = (response: ServerResponse): void => sendStatus(response, 500, "InternalError", "no");

test.each<[string, (response: ServerResponse) => void]>([
  ["does not answer", unanswered],
  ["asks to wait", busy],
  ["fails", failing],
])("who stops waits two seconds at most for a server that %s", async (_name, act) => {
  for (const pending of ["before", "when"]) {
    await using server = await FakeApiServer.start();
    const clock = new FakeClock();
    server.fail("POST", /./, 1e9, act);
    const { recorder, finish } = start(server, clock, { flushMs: undefined, writeTimeoutMs: undefined });
    for (let i = 0; i < 40; i++) recorder.record(NODE, { type: "Normal", reason: "Ready", note: `Node ${i}` });
    // A write is under way before the stop, or begins with it.
    if (pending === "before") await until(() => server.requests.length > 0);
    const progress = { ended: false };
    const began = clock.monotonic();
    const finished = finish().then(() => (progress.ended = true));
    while (!progress.ended) {
      await until(() => progress.ended || clock.untilNext !== undefined);
      if (!progress.ended) await clock.advance(Math.min(100, clock.untilNext ?? 100));
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    await finished;
    expect(clock.monotonic() - began).toBeLessThanOrEqual(2000);
    expect(recorder.dropped).toBe(40);
  }
});

test("a wall clock that is set makes no new event of a series, and delays none", async () => {
  await using server = await FakeApiServer.start();
  const clock = new FakeClock();
  const { recorder, written, finish } = start(server, clock);
  const ready = { type: "Normal", reason: "Ready", note: "The node is ready" } as const;
  recorder.record(NODE, ready);
  await written(1);
  for (const ms of [3_600_000, -7_200_000]) {
    clock.step(ms);
    recorder.record(NODE, ready);
    const patched = () => [...server.objects(IN_DEFAULT).values()][0]?.["series"] as { count: number } | undefined;
    // The recorder may set its next timer only after the clock was advanced: it is advanced until the event is written.
    let advancedMs = 0;
    while (patched()?.count !== (ms > 0 ? 2 : 3)) {
      expect(advancedMs).toBeLessThan(30_000);
      await clock.advance(10);
      advancedMs += 10;
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }
  expect((await finish()).length).toBe(1);
});
