import { expect, test } from "bun:test";
import { join } from "node:path";
import { silentLogger } from "../cli/log.ts";
import { EventRecorder } from "../kube/events.ts";
import { Informer } from "../kube/informer.ts";
import { LeaseFence } from "../kube/lease-fence.ts";
import { NODES } from "../kube/resource.ts";
import { until } from "../kube/testing/eventually.ts";
import { FakeApiServer, sendStatus } from "../kube/testing/fake-api-server.ts";
import { FakeClock, hurriedClock } from "../kube/testing/fake-clock.ts";
import { selfSigned } from "../probes/self-signed.ts";
import { ProbeServer } from "../probes/server.ts";
import { Controller, type Reconcile } from "./controller.ts";
import { Manager, type ManagerOptions, type MetricsSecurity } from "./manager.ts";
import { ControllerMetrics } from "./metrics.ts";

const LOCAL = { host: "127.0.0.1", port: 0 };

/** A manager with one informer of nodes and one controller over it. */
function build(server: FakeApiServer, reconcile: Reconcile, options: Partial<ManagerOptions> = {}) {
  const metrics = new ControllerMetrics();
  const manager = new Manager({
    log: silentLogger,
    metrics,
    metricsAddress: LOCAL,
    healthProbeAddress: LOCAL,
    ...options,
  });
  const client = server.client({ onRequest: metrics.onRequest });
  const clock = hurriedClock(100);
  const informer = manager.addInformer(new Informer({ client, resource: NODES, log: silentLogger, clock }));
  const controller = new Controller({ name: "node", reconcile, metrics, log: silentLogger });
  controller.watch(informer, ({ key }) => [key]);
  manager.addController(controller);
  return { manager, informer, metrics };
}

async function get(port: number | undefined, path: string): Promise<{ status: number; body: string }> {
  const response = await fetch(`http://127.0.0.1:${port}${path}`);
  return { status: response.status, body: await response.text() };
}

test("objects that were there before and changes after reach the controller, and all of it can be looked at", async () => {
  await using server = await FakeApiServer.start();
  server.put("/api/v1/nodes", { metadata: { name: "a" } });
  const seen: string[] = [];
  const { manager } = build(server, async (key) => void seen.push(key));
  const stop = new AbortController();
  const running = manager.run(stop.signal);
  await until(() => seen.length === 1);
  server.put("/api/v1/nodes", { metadata: { name: "b" } });
  await until(() => seen.length === 2);
  expect(seen).toEqual(["a", "b"]);
  expect(await get(manager.ports.health, "/healthz")).toEqual({ status: 200, body: "ok" });
  expect(await get(manager.ports.health, "/readyz?verbose")).toEqual({ status: 200, body: "ok" });
  let note: string | undefined;
  manager.addReadyNote(() => note);
  expect((await get(manager.ports.health, "/readyz")).body).toBe("ok");
  note = "Another operator acts";
  expect(await get(manager.ports.health, "/readyz")).toEqual({ status: 200, body: "ok\nAnother operator acts" });
  expect((await get(manager.ports.health, "/nothing")).status).toBe(404);
  const { body } = await get(manager.ports.metrics, "/metrics");
  expect(body).toContain('controller_runtime_reconcile_total{controller="node",result="success"} 2');
  expect(body).toMatch(/rest_client_requests_total\{code="200",method="GET",host="127\.0\.0\.1:\d+"\} 2/);
  for (const name of ["cpu_seconds_total", "resident_memory_bytes", "start_time_seconds", "open_fds"]) {
    expect(Number(new RegExp(`^process_${name} (.*)$`, "m").exec(body)?.[1])).toBeGreaterThan(0);
  }
  stop.abort();
  await running;
  await expect(fetch(`http://127.0.0.1:${manager.ports.metrics}/metrics`)).rejects.toThrow();
});

test("until the caches are filled nothing is reconciled, and /readyz says why", async () => {
  await using server = await FakeApiServer.start();
  server.put("/api/v1/nodes", { metadata: { name: "a" } });
  server.fail("GET", /./, 1e9, (response) => sendStatus(response, 403, "Forbidden", "nodes is forbidden"));
  const seen: string[] = [];
  const { manager } = build(server, async (key) => void seen.push(key));
  manager.addReadyCheck("webhook", () => undefined);
  const stop = new AbortController();
  const running = manager.run(stop.signal);
  await until(
    async () =>
      (await get(manager.ports.health, "/readyz").catch(() => undefined))?.body.includes("forbidden") ?? false,
  );
  const ready = await get(manager.ports.health, "/readyz");
  expect(ready).toEqual({ status: 500, body: "nodes: Cannot list nodes: nodes is forbidden\n" });
  expect((await get(manager.ports.health, "/healthz")).status).toBe(200);
  expect(seen).toEqual([]);
  server.heal();
  await until(() => seen.length === 1);
  expect((await get(manager.ports.health, "/readyz")).status).toBe(200);
  stop.abort();
  await running;
});

test("a standby is ready with a warm cache and reconciles nothing; when the leader stops it drains, releases, and hands over", async () => {
  await using server = await FakeApiServer.start();
  const events: string[] = [];
  const inFlight = Promise.withResolvers<void>();
  const start = (identity: string) => {
    const client = server.client();
    const leaderElection = { client, lease: { namespace: "ns", name: "op" }, identity, clock: hurriedClock(20) };
    const reconcile: Reconcile = async (key) => {
      events.push(`${identity} began ${key}`);
      if (key === "slow") await inFlight.promise;
      events.push(`${identity} ended ${key}`);
    };
    const built = build(server, reconcile, { leaderElection });
    const stop = new AbortController();
    return { ...built, stop, running: built.manager.run(stop.signal) };
  };
  const first = start("first");
  await until(async () => (await first.metrics.metrics()).includes('leader_election_master_status{name="op"} 1'));
  const second = start("second");
  await until(() => second.informer.hasSynced);
  server.put("/api/v1/nodes", { metadata: { name: "slow" } });
  await until(() => events.length === 1 && second.informer.store.size === 1);
  expect((await get(second.manager.ports.health, "/readyz")).status).toBe(200);
  expect(await second.metrics.metrics()).toContain('leader_election_master_status{name="op"} 0');
  first.stop.abort();
  // The first still works on its key, and so still leads.
  for (let i = 0; i < 10; i++) await second.informer.synced(second.stop.signal);
  expect(events).toEqual(["first began slow"]);
  inFlight.resolve();
  await first.running;
  await until(() => events.includes("second ended slow"));
  expect(events).toEqual(["first began slow", "first ended slow", "second began slow", "second ended slow"]);
  second.stop.abort();
  await second.running;
});

test("a reconcile that does not end in time is left behind", async () => {
  await using server = await FakeApiServer.start();
  server.put("/api/v1/nodes", { metadata: { name: "a" } });
  let began = false;
  const never: Reconcile = async () => {
    began = true;
    await new Promise(() => undefined);
  };
  const { manager } = build(server, never, { gracefulShutdownMs: 50 });
  const stop = new AbortController();
  const running = manager.run(stop.signal);
  await until(() => began);
  stop.abort();
  await running;
});

test("caches that can no longer follow the server make /readyz say so, after a while", async () => {
  await using server = await FakeApiServer.start();
  const { manager, informer } = build(server, async () => undefined);
  const stop = new AbortController();
  const running = manager.run(stop.signal);
  const ready = () => get(manager.ports.health, "/readyz");
  await until(() => informer.hasSynced);
  server.fail("GET", /nodes/, 1e9, (response) => sendStatus(response, 500, "InternalError", "etcd is full"));
  server.dropWatches();
  await until(() => informer.problem !== undefined);
  expect((await ready()).status).toBe(200);
  await until(async () => (await ready()).status === 500);
  expect((await ready()).body).toMatch(/^nodes: Cannot (watch|list) nodes: etcd is full\n$/);
  server.heal();
  await until(async () => (await ready()).status === 200);
  stop.abort();
  await running;
});

test("a shutdown in which nothing goes well ends before the kubelet kills the Deployment's pod", async () => {
  const deployment = await Bun.file(join(import.meta.dir, "../manifests/manager/deployment.yaml")).text();
  const graceMs = 1000 * Number(/terminationGracePeriodSeconds: (\d+)/.exec(deployment)![1]);
  await using server = await FakeApiServer.start();
  const clock = new FakeClock();
  const client = server.client({ clock });
  const leaderElection = { client, lease: { namespace: "ns", name: "op" }, identity: "a", clock };
  const progress = { began: false, ended: false };
  const never: Reconcile = async () => {
    progress.began = true;
    await new Promise(() => undefined);
  };
  const { manager } = build(server, never, { leaderElection, clock });
  const events = new EventRecorder({ client, component: "c", instance: "i", log: silentLogger, clock });
  manager.addRunnable(events);
  const stop = new AbortController();
  const running = manager.run(stop.signal).finally(() => (progress.ended = true));
  server.put("/api/v1/nodes", { metadata: { name: "a" } });
  await until(() => progress.began);
  server.fail("PATCH", /./, 1e9, () => undefined);
  server.fail("POST", /./, 1e9, () => undefined);
  events.record({ kind: "Node", name: "a" }, { type: "Normal", reason: "Ready", note: "The node is ready" });
  const began = clock.monotonic();
  stop.abort();
  while (!progress.ended) {
    await clock.advance(Math.min(clock.untilNext ?? 0, 100));
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  await running;
  expect(clock.monotonic() - began).toBeLessThan(graceMs - 500);
});

test("events that are still to be sent when a leader stops go before its Lease does", async () => {
  await using server = await FakeApiServer.start();
  const client = server.client();
  const fence = new LeaseFence();
  const leaderElection = { client, lease: { namespace: "ns", name: "op" }, identity: "a", fence };
  // They are recorded when everything is stopping already.
  const stop = new AbortController();
  const { manager } = build(
    server,
    async () => {
      stop.abort();
      events.record({ kind: "Node", name: "a" }, { type: "Normal", reason: "Ready", note: "The node is ready" });
    },
    { leaderElection },
  );
  const recorder = { client: client.fencedBy(fence), component: "c", instance: "i", log: silentLogger };
  const events = new EventRecorder(recorder);
  manager.addRunnable(events);
  server.put("/api/v1/nodes", { metadata: { name: "a" } });
  await manager.run(stop.signal);
  const writes = server.requests
    .filter((line) => !line.startsWith("GET"))
    .map((line) => /events|leases/.exec(line)?.[0]);
  expect(writes).toEqual(["leases", "events", "leases"]);
});

test("metrics by TLS are for those whom the guard lets through; probes stay as they are", async () => {
  await using server = await FakeApiServer.start();
  const guard: MetricsSecurity["guard"] = (handler) => (request) =>
    request.token === "good" ? handler(request) : { status: 401, body: "" };
  const metricsSecurity = { certificate: await selfSigned("a"), guard };
  const { manager, informer } = build(server, async () => undefined, { metricsSecurity });
  const stop = new AbortController();
  const running = manager.run(stop.signal);
  await until(() => informer.hasSynced);
  const url = `127.0.0.1:${manager.ports.metrics}/metrics`;
  await expect(fetch(`http://${url}`)).rejects.toThrow();
  const status = async (headers: Record<string, string>): Promise<number> =>
    (await fetch(`https://${url}`, { headers, tls: { rejectUnauthorized: false } })).status;
  expect(await status({})).toBe(401);
  expect(await status({ authorization: "Bearer bad" })).toBe(401);
  expect(await status({ authorization: "Bearer good" })).toBe(200);
  expect(await status({ Authorization: "bearer  good" })).toBe(200);
  expect(await status({ "x-authorization": "Bearer good", authorization: "Basic good" })).toBe(401);
  expect((await get(manager.ports.health, "/healthz")).status).toBe(200);
  stop.abort();
  await running;
});

test("a port that is taken ends the start with one line; 0 listens on nothing", async () => {
  await using server = await FakeApiServer.start();
  const taken = await ProbeServer.listen({ host: "127.0.0.1", port: 0 }, {});
  const { manager } = build(server, async () => undefined, { metricsAddress: { ...LOCAL, port: taken.port } });
  await expect(manager.run(new AbortController().signal)).rejects.toThrow(
    `Cannot listen on 127.0.0.1:${taken.port}: the port is in use`,
  );
  await taken.close();
  const off = build(server, async () => undefined, { metricsAddress: undefined, healthProbeAddress: undefined });
  const stop = new AbortController();
  const running = off.manager.run(stop.signal);
  await until(() => off.informer.hasSynced);
  expect(off.manager.ports).toEqual({ metrics: undefined, health: undefined });
  stop.abort();
  await running;
});
