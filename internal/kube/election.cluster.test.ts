import { afterAll, beforeAll, expect, test } from "bun:test";
import { sharedControlPlane, type Cluster } from "../testcluster/index.ts";
import { poll } from "../testcluster/lib/poll.ts";
import { silentLogger } from "../cli/log.ts";
import type { Client } from "./client.ts";
import { connect } from "./connect.ts";
import type { Event, Lease } from "./kinds.ts";
import { referenceTo } from "./event.ts";
import { EventRecorder } from "./events.ts";
import { lead } from "./lease.ts";
import type { KubeObject } from "../api/core.ts";
import { CONFIG_MAPS, EVENTS, LEASES, NODES } from "./resource.ts";

let cluster: Cluster;
let client: Client;
let namespace: string;

beforeAll(async () => {
  cluster = await sharedControlPlane();
  client = await connect({ kubeconfig: cluster.kubeconfigPath });
  namespace = await cluster.createNamespace("election");
}, 120_000);

afterAll(async () => {
  await cluster.request("DELETE", `/api/v1/namespaces/${namespace}`);
  client.transport.close();
});

/** Work that lasts until its signal aborts; `began` and `ended` say when. */
function worker() {
  const began = Promise.withResolvers<void>();
  const state = { active: false };
  const work = async (signal: AbortSignal): Promise<void> => {
    state.active = true;
    began.resolve();
    if (!signal.aborted) await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
    state.active = false;
  };
  return { began: began.promise, state, work };
}

test("leadership goes from one candidate to the next: at once when released, after the Lease's duration when not", async () => {
  const options = (identity: string) => ({
    client,
    lease: { namespace, name: "leader" },
    identity,
    log: silentLogger,
    leaseDurationMs: 60_000,
    renewDeadlineMs: 40_000,
    retryPeriodMs: 300,
  });
  const leaseOf = async () => (await client.get<Lease>(LEASES, { namespace, name: "leader" }))?.spec;
  const [first, second, third] = [worker(), worker(), worker()];
  const [stopFirst, stopSecond, stopThird] = [new AbortController(), new AbortController(), new AbortController()];
  const leadFirst = lead(options("first"), stopFirst.signal, first.work);
  await first.began;
  const leadSecond = lead(options("second"), stopSecond.signal, second.work);
  const renewed = (await leaseOf())?.renewTime;
  await poll(async () => (await leaseOf())?.renewTime !== renewed, { what: "A renewal" });
  expect([first.state.active, second.state.active]).toEqual([true, false]);

  const released = performance.now();
  stopFirst.abort();
  await leadFirst;
  await second.began;
  expect(performance.now() - released).toBeLessThan(30_000);
  expect(await leaseOf()).toMatchObject({ holderIdentity: "second", leaseTransitions: 1 });
  stopSecond.abort();
  await leadSecond;

  // As a leader that crashed leaves it.
  const spec = {
    holderIdentity: "crashed",
    leaseDurationSeconds: 3,
    renewTime: new Date().toISOString().replace("Z", "000Z"),
  };
  await client.mergePatch(LEASES, { namespace, name: "leader" }, { spec });
  const crashed = performance.now();
  const short = { leaseDurationMs: 3000, renewDeadlineMs: 2000 };
  const leadThird = lead({ ...options("third"), ...short }, stopThird.signal, third.work);
  await third.began;
  expect(performance.now() - crashed).toBeGreaterThanOrEqual(2900);
  stopThird.abort();
  await leadThird;
});

test("events are accepted by the API server, aggregated, and shown by kubectl describe", async () => {
  const recorder = new EventRecorder({ client, component: "onload-operator", instance: "pod-1", log: silentLogger });
  const stop = new AbortController();
  const running = recorder.run(stop.signal);
  const nodeName = `node-${namespace}`;
  const node = await client.create<KubeObject>(NODES, { metadata: { name: nodeName } });
  const configMap = await client.create<KubeObject>(CONFIG_MAPS, { metadata: { name: "subject", namespace } });
  const onNode = referenceTo(NODES, node);
  for (let i = 0; i < 5; i++)
    recorder.record(onNode, { type: "Warning", reason: "UnloadFailed", note: "The module is in use" });
  recorder.record(referenceTo(CONFIG_MAPS, configMap), {
    type: "Normal",
    reason: "Checked",
    action: "Check",
    note: "All is well",
    related: onNode,
  });
  stop.abort();
  await running;
  expect(recorder.dropped).toBe(0);
  const inDefault = await client.list<Event>(EVENTS, {
    namespace: "default",
    fieldSelector: `involvedObject.name=${nodeName}`,
  });
  expect(inDefault.items.map(({ reason, series }) => [reason, series?.count])).toEqual([["UnloadFailed", 5]]);
  const shown = await cluster.kubectl(["describe", "node", nodeName]);
  expect(shown).toMatch(/Warning\s+UnloadFailed\s+.*\(x5 over .*onload-operator.*The module is in use/);
  const other = await cluster.kubectl(["describe", "configmap", "subject", "-n", namespace]);
  expect(other).toMatch(/Normal\s+Checked\s+.*onload-operator.*All is well/);
  await client.delete(NODES, { name: nodeName });
});

test("a series that goes on is patched, and begun anew when its event has expired", async () => {
  const recorder = new EventRecorder({
    client,
    component: "onload-operator",
    instance: "pod-1",
    log: silentLogger,
    // By the clock below: two seconds.
    flushMs: 200_000,
    // Series are written every ten seconds: every tenth of one here.
    clock: {
      now: () => Date.now(),
      monotonic: () => performance.now(),
      after: (ms, fn) => {
        const timer = setTimeout(fn, ms / 100);
        return () => clearTimeout(timer);
      },
    },
  });
  const stop = new AbortController();
  const running = recorder.run(stop.signal);
  const subject = referenceTo(
    CONFIG_MAPS,
    await client.create<KubeObject>(CONFIG_MAPS, { metadata: { name: "series", namespace } }),
  );
  const record = (): void => recorder.record(subject, { type: "Normal", reason: "Again", note: "The same" });
  const events = async (): Promise<Event[]> =>
    (await client.list<Event>(EVENTS, { namespace, fieldSelector: "involvedObject.name=series" })).items;
  record();
  await poll(async () => (await events()).length === 1, { what: "The event" });
  record();
  record();
  stop.abort();
  await running;
  const [event] = await events();
  expect(event?.series?.count).toBe(3);
  await client.delete(EVENTS, event!.metadata as { name: string; namespace: string });
  record();
  const again = new AbortController();
  again.abort();
  await recorder.run(again.signal);
  expect((await events()).map(({ series }) => series?.count)).toEqual([4]);
});
