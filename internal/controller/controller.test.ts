import { expect, test } from "bun:test";
import { silentLogger } from "../cli/log.ts";
import { FakeClock, settled } from "../kube/testing/fake-clock.ts";
import { Controller, TerminalError, type Reconcile } from "./controller.ts";
import { ControllerMetrics } from "./metrics.ts";

/** A running controller on a clock that stands still. */
function start(reconcile: Reconcile, maxConcurrentReconciles = 1) {
  const clock = new FakeClock();
  const metrics = new ControllerMetrics();
  const controller = new Controller({
    name: "test",
    reconcile,
    maxConcurrentReconciles,
    metrics,
    log: silentLogger,
    clock,
  });
  const stop = new AbortController();
  const running = controller.run(stop.signal);
  /** Value of a series in the text that Prometheus reads. */
  async function metric(series: string): Promise<number | undefined> {
    const line = (await metrics.metrics()).split("\n").find((text) => text.startsWith(`${series} `));
    return line === undefined ? undefined : Number(line.slice(series.length + 1));
  }
  return { clock, controller, metric, stop: () => stop.abort(), running };
}

test("a failed reconcile is tried again with growing delays, and its next failure after a success waits shortly", async () => {
  const times: number[] = [];
  let failures = 4;
  const { clock, controller, metric, stop, running } = start(async () => {
    times.push(clock.now());
    if (failures-- > 0) throw new Error("not yet");
  });
  controller.enqueue("ns/a");
  await clock.advance(10_000);
  expect(times.slice(1).map((time, i) => time - times[i]!)).toEqual([5, 10, 20, 40]);
  expect(await metric('controller_runtime_reconcile_total{controller="test",result="error"}')).toBe(4);
  expect(await metric('controller_runtime_reconcile_errors_total{controller="test"}')).toBe(4);
  expect(await metric('controller_runtime_reconcile_total{controller="test",result="success"}')).toBe(1);
  expect(await metric('workqueue_retries_total{name="test",controller="test"}')).toBe(4);
  failures = 1;
  controller.enqueue("ns/a");
  await clock.advance(5);
  expect(times.length).toBe(7);
  stop();
  await running;
});

test("a terminal error is not tried again until the next event", async () => {
  let runs = 0;
  const { clock, controller, metric, stop, running } = start(async () => {
    runs++;
    throw new TerminalError("never");
  });
  controller.enqueue("a");
  await clock.advance(10_000_000);
  expect(runs).toBe(1);
  expect(await metric('controller_runtime_terminal_reconcile_errors_total{controller="test"}')).toBe(1);
  controller.enqueue("a");
  await settled();
  expect(runs).toBe(2);
  stop();
  await running;
});

test("requeueAfterMs brings the key back without an event", async () => {
  const times: number[] = [];
  const { clock, controller, metric, stop, running } = start(async () => {
    times.push(clock.now());
    return times.length < 3 ? { requeueAfterMs: 1000 } : {};
  });
  const begin = clock.now();
  controller.enqueue("a");
  await clock.advance(60_000);
  expect(times.map((time) => time - begin)).toEqual([0, 1000, 2000]);
  expect(await metric('controller_runtime_reconcile_total{controller="test",result="requeue_after"}')).toBe(2);
  stop();
  await running;
});

test("restMs lets events share a reconcile", async () => {
  const times: number[] = [];
  const { clock, controller, stop, running } = start(async () => {
    times.push(clock.now());
    return { restMs: 10 };
  });
  const begin = clock.now();
  for (let i = 0; i < 30; i++) {
    controller.enqueue("a");
    await clock.advance(1);
  }
  await clock.advance(60_000);
  expect(times.map((time) => time - begin)).toEqual([0, 10, 20, 30]);
  stop();
  await running;
});

test("keys are reconciled side by side up to the limit, one key never twice at once", async () => {
  const active = new Map<string, () => void>();
  const { controller, metric, stop, running } = start((key) => {
    expect(active.has(key)).toBe(false);
    const { promise, resolve } = Promise.withResolvers<void>();
    active.set(key, resolve);
    return promise.finally(() => active.delete(key));
  }, 2);
  for (const key of ["a", "b", "c", "a"]) controller.enqueue(key);
  await settled();
  controller.enqueue("a");
  await settled();
  expect([...active.keys()]).toEqual(["a", "b"]);
  expect(await metric('controller_runtime_active_workers{controller="test"}')).toBe(2);
  expect(await metric('workqueue_depth{name="test",controller="test"}')).toBe(1);
  active.get("a")!();
  await settled();
  expect([...active.keys()]).toEqual(["b", "c"]);
  active.get("b")!();
  await settled();
  expect([...active.keys()]).toEqual(["c", "a"]);
  for (const finish of active.values()) finish();
  stop();
  await running;
});

test("stopping waits for reconciles under way, tells them, and counts none of it as an error", async () => {
  let ended = false;
  const { controller, metric, stop, running } = start(async (_key, signal) => {
    const { promise, reject } = Promise.withResolvers<void>();
    signal.addEventListener("abort", () => reject(signal.reason));
    await promise.finally(() => (ended = true));
  });
  controller.enqueue("a");
  controller.enqueue("b");
  await settled();
  stop();
  await running;
  expect(ended).toBe(true);
  expect(await metric('controller_runtime_reconcile_errors_total{controller="test"}')).toBe(0);
});

test("every series is 0 before anything happens, and an error in the program counts as a panic", async () => {
  const { clock, controller, metric, stop, running } = start(async () => {
    (undefined as unknown as { fail(): void }).fail();
  });
  for (const series of [
    'controller_runtime_reconcile_total{controller="test",result="success"}',
    'controller_runtime_reconcile_total{controller="test",result="requeue"}',
    'controller_runtime_reconcile_panics_total{controller="test"}',
    'controller_runtime_reconcile_time_seconds_count{controller="test"}',
    'workqueue_adds_total{name="test",controller="test"}',
    'workqueue_queue_duration_seconds_count{name="test",controller="test"}',
    'workqueue_work_duration_seconds_count{name="test",controller="test"}',
    'workqueue_unfinished_work_seconds{name="test",controller="test"}',
    'workqueue_longest_running_processor_seconds{name="test",controller="test"}',
  ]) {
    expect([series, await metric(series)]).toEqual([series, 0]);
  }
  expect(await metric('controller_runtime_max_concurrent_reconciles{controller="test"}')).toBe(1);
  controller.enqueue("a");
  await clock.advance(1);
  expect(await metric('controller_runtime_reconcile_panics_total{controller="test"}')).toBe(1);
  stop();
  await running;
});
