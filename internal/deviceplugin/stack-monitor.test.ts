import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Registry } from "../probes/prom-client.ts";
import type { ContainerFacts } from "../acceleration/facts.ts";
import { serveLooks, type ServeConfig } from "../acceleration/serve.ts";
import { STACK_COUNTERS } from "../acceleration/stack-counters.ts";
import { silentLogger } from "../cli/log.ts";
import { poll } from "../testcluster/lib/poll.ts";
import type { LookedInto } from "./pod-metrics.ts";
import { StackMetrics } from "./stack-metrics.ts";
import { StackMonitor } from "./stack-monitor.ts";

let folder: string;
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), "onload-stacks-"))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** A container of pod `pod-NUMBER` with these stacks, as a look finds it. */
function container(number: number, ...stackIds: number[]): LookedInto {
  const podUid = `0000000${number}-4e5f-6071-8293-a4b5c6d7e8f9`;
  const facts: ContainerFacts = {
    podUid,
    container: "app",
    processes: { mapped: 1 },
    stacks: stackIds.length,
    stackIds,
    sockets: [],
    interfaces: [],
    interfacesCut: false,
    settings: null,
    cut: { processes: 0, descriptors: 0, tables: 0 },
  };
  return { holder: { namespace: "trading", pod: `pod-${number}`, container: "app", podUid }, facts };
}

/** A monitor and the worker that it asks, until they are disposed of. */
function monitoring(readStacks: ServeConfig["readStacks"]) {
  const registry = new Registry();
  const stop = new AbortController();
  const socket = join(folder, "look.sock");
  const monitor = new StackMonitor(socket, silentLogger, new StackMetrics(registry));
  const done = [
    monitor.run(stop.signal),
    serveLooks({ socket, procDir: folder, readStacks }, silentLogger, stop.signal),
  ];
  return {
    monitor,
    /** Lines of series, without those of help. */
    series: async (start: string) => (await registry.metrics()).split("\n").filter((line) => line.startsWith(start)),
    metrics: () => registry.metrics(),
    async [Symbol.asyncDispose]() {
      stop.abort();
      await Promise.all(done);
    },
  };
}

/** Looks again and again, as the pods' monitor does, until it holds. */
async function lookingUntil(
  { monitor }: { monitor: StackMonitor },
  found: readonly LookedInto[],
  holds: () => Promise<boolean>,
): Promise<void> {
  await poll(
    async () => {
      monitor.looked(found);
      return await holds();
    },
    { what: "What the metrics show", intervalMs: 20 },
  );
}

const seriesOf = (pod: number, stack: number): string =>
  `{namespace="trading",pod="pod-${pod}",container="app",stack="${stack}"}`;

test("each stack's counters are series of the container that has it, and go with it", async () => {
  const asked: number[][] = [];
  await using run = monitoring((wanted) => {
    asked.push([...wanted]);
    const stacks = [...wanted].map((id) => ({
      id,
      values: { tcp_retransmits: id * 10, udp_overflow_drops: 1, odd: 1 },
    }));
    return Promise.resolve({ total: 5, stacks });
  });
  const both = [container(0, 3), container(1, 12, 7)];
  await lookingUntil(run, both, async () => (await run.series("onload_stack_tcp_retransmits_total")).length === 3);
  expect(await run.series("onload_stack_")).toEqual([
    `onload_stack_udp_overflow_drops${seriesOf(0, 3)} 1`,
    `onload_stack_udp_overflow_drops${seriesOf(1, 12)} 1`,
    `onload_stack_udp_overflow_drops${seriesOf(1, 7)} 1`,
    `onload_stack_tcp_retransmits_total${seriesOf(0, 3)} 30`,
    `onload_stack_tcp_retransmits_total${seriesOf(1, 12)} 120`,
    `onload_stack_tcp_retransmits_total${seriesOf(1, 7)} 70`,
  ]);
  expect(await run.series("onload_deviceplugin_stacks{")).toEqual([
    'onload_deviceplugin_stacks{shown="true"} 3',
    'onload_deviceplugin_stacks{shown="false"} 2',
  ]);
  expect(asked[0]).toEqual([3, 12, 7]);
  // The stack's number belongs to another pod now: what was read of the first is not that of the second.
  run.monitor.looked([container(1, 3)]);
  expect(await run.series("onload_stack_")).toEqual([]);
  run.monitor.looked([]);
  expect(await run.series("onload_deviceplugin_stacks{")).toEqual([]);
  const many = await run.metrics();
  for (const { name, type, help } of STACK_COUNTERS) {
    const metric = `onload_stack_${name}${type === "counter" ? "_total" : ""}`;
    expect(many).toContain(`# HELP ${metric} ${help}\n# TYPE ${metric} ${type}\n`);
  }
});

test("programs are told what was read of a container's stacks, and what has grown since the reading before", async () => {
  let read = 0;
  await using run = monitoring(() => {
    read++;
    return Promise.resolve({
      total: 2,
      stacks: [{ id: 3, values: { wakeups: read * 100, no_filter: 1, udp_overflow_drops: 9 - read } }],
    });
  });
  const [one, other] = [container(0, 3), container(1, 4)];
  await lookingUntil(run, [one, other], () => Promise.resolve(run.monitor.stacksOf(one.holder).length === 1));
  expect(run.monitor.stacksOf(one.holder)).toEqual([
    { id: 3, values: { wakeups: 100, no_filter: 1, udp_overflow_drops: 8 }, recent: undefined },
  ]);
  expect(run.monitor.stacksOf(other.holder)).toEqual([]);
  await lookingUntil(run, [one, other], () =>
    Promise.resolve(run.monitor.stacksOf(one.holder)[0]?.recent !== undefined),
  );
  const { values, recent } = run.monitor.stacksOf(one.holder)[0]!;
  expect(recent!.grown).toEqual({ wakeups: 100 });
  expect(recent!.seconds).toBeGreaterThan(0);
  expect(values["wakeups"]! % 100).toBe(0);
  expect(run.monitor.problem).toBeUndefined();
  run.monitor.looked([other]);
  expect(run.monitor.stacksOf(one.holder)).toEqual([]);
});

test("a node with very many stacks has series of some, and says how many are left out", async () => {
  let most = 0;
  await using run = monitoring((wanted) => {
    most = Math.max(most, wanted.size);
    return Promise.resolve({ total: 400, stacks: [...wanted].map((id) => ({ id, values: { sleeps: 1 } })) });
  });
  const ids = Array.from({ length: 400 }, (_, i) => i);
  const crowd = [0, 1, 2, 3, 4, 5, 6, 7].map((pod) => container(pod, ...ids.slice(pod * 50, pod * 50 + 50)));
  await lookingUntil(run, crowd, async () => (await run.series("onload_stack_sleeps_total")).length === 256);
  expect(most).toBe(256);
  expect(await run.series("onload_deviceplugin_stacks{")).toContain('onload_deviceplugin_stacks{shown="false"} 144');
});

test("what was read is shown through a failure, and forgotten when it lasts", async () => {
  let fails = false;
  await using run = monitoring((wanted) =>
    fails
      ? Promise.reject(new Error("it does not end within 5 s"))
      : Promise.resolve({ total: 1, stacks: [...wanted].map((id) => ({ id, values: { sleeps: 4 } })) }),
  );
  const found = [container(0, 3)];
  const sleeps = async (): Promise<number> => (await run.series("onload_stack_sleeps_total")).length;
  const errors = async (): Promise<number> =>
    Number(/reads_total\{result="error"\} (\d+)/.exec(await run.metrics())![1]);
  await lookingUntil(run, found, async () => (await sleeps()) === 1);
  const before = await errors();
  fails = true;
  await lookingUntil(run, found, async () => (await errors()) > before);
  if ((await errors()) === before + 1) expect(await sleeps()).toBe(1);
  await lookingUntil(run, found, async () => (await sleeps()) === 0);
  expect((await errors()) - before).toBeGreaterThanOrEqual(3);
  fails = false;
  await lookingUntil(run, found, async () => (await sleeps()) === 1);
});

test("nobody is asked while no pod holds Onload", async () => {
  let asked = 0;
  await using run = monitoring(() => {
    asked++;
    return Promise.resolve({ total: 0, stacks: [] });
  });
  run.monitor.looked([]);
  // Its first reading is of this look, not of the one before.
  await lookingUntil(run, [container(0)], async () => asked > 0);
  expect(await run.series("onload_stack_")).toEqual([]);
  run.monitor.looked([]);
  expect(await run.series("onload_deviceplugin_stacks{")).toEqual([]);
});

test("the counters of a stack that several containers have are told of each", async () => {
  await using run = monitoring((wanted) =>
    Promise.resolve({ total: 1, stacks: [...wanted].map((id) => ({ id, values: { tcp_retransmits: 4 } })) }),
  );
  const [first, second, other] = [container(0, 3), container(1, 3), container(2)];
  const all = [first, second, other];
  await lookingUntil(run, all, async () => (await run.series("onload_stack_tcp_retransmits_total")).length === 1);
  for (const { holder } of [first, second])
    expect(run.monitor.stacksOf(holder)).toMatchObject([{ id: 3, values: { tcp_retransmits: 4 } }]);
  expect(run.monitor.stacksOf(other.holder)).toEqual([]);
});
