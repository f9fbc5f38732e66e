import { expect, test } from "bun:test";
import net from "node:net";
import { createLogger, silentLogger } from "../cli/log.ts";
import { LeadershipLostError } from "./errors.ts";
import type { Client } from "./client.ts";
import type { Lease } from "./kinds.ts";
import { LeaseFence } from "./lease-fence.ts";
import { lead, type LeaderElectionOptions } from "./lease.ts";
import { NODES, PODS } from "./resource.ts";
import { FakeApiServer, sendStatus } from "./testing/fake-api-server.ts";
import { FakeClock } from "./testing/fake-clock.ts";

const PATH = "/apis/coordination.k8s.io/v1/namespaces/ns/leases";

function options(
  server: FakeApiServer,
  identity: string,
  clock: FakeClock,
  client = server.client(),
): LeaderElectionOptions {
  return {
    client,
    lease: { namespace: "ns", name: "leader" },
    identity,
    log: silentLogger,
    clock,
    random: () => 0,
  };
}

const specOf = (server: FakeApiServer): Lease["spec"] =>
  (server.objects(PATH).get("leader") as Lease | undefined)?.spec;

const annotationsOf = (server: FakeApiServer): unknown =>
  (server.objects(PATH).get("leader") as Lease | undefined)?.metadata.annotations;

/** Goes on with the clock, second by second, until `condition` holds; real requests happen in between. */
async function pass(clock: FakeClock, condition: () => boolean, seconds = 120): Promise<number> {
  const start = clock.now();
  for (let i = 0; i < seconds && !condition(); i++) {
    await clock.advance(1000);
    for (let turn = 0; turn < 20 && !condition(); turn++) await new Promise((resolve) => setTimeout(resolve, 1));
  }
  expect(condition()).toBe(true);
  return (clock.now() - start) / 1000;
}

/** Work that lasts until its signal aborts, and then tries one thing more. */
function worker(last: () => void = () => undefined) {
  const state: { running: boolean; aborted: boolean; onAbort?: unknown } = { running: false, aborted: false };
  const work = async (signal: AbortSignal): Promise<void> => {
    state.running = true;
    if (!signal.aborted) await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
    try {
      last();
    } catch (error) {
      state.onAbort = error;
    }
    state.aborted = true;
    state.running = false;
  };
  return { state, work };
}

test("one of two candidates leads; when it stops it releases the Lease and the other takes it within a retry", async () => {
  await using server = await FakeApiServer.start();
  const clock = new FakeClock();
  const [first, second] = [worker(), worker()];
  const [stopFirst, stopSecond] = [new AbortController(), new AbortController()];
  const leadFirst = lead(options(server, "first", clock), stopFirst.signal, first.work);
  await pass(clock, () => first.state.running);
  const leadSecond = lead(options(server, "second", clock), stopSecond.signal, second.work);
  for (let i = 0; i < 60; i++) await pass(clock, () => !second.state.running, 1).then(() => clock.advance(1000));
  expect(first.state.running).toBe(true);
  expect(specOf(server)).toMatchObject({ holderIdentity: "first", leaseDurationSeconds: 15, leaseTransitions: 0 });
  stopFirst.abort();
  await leadFirst;
  expect(specOf(server)?.holderIdentity).toBe("");
  expect(await pass(clock, () => second.state.running)).toBeLessThanOrEqual(3);
  expect(specOf(server)).toMatchObject({ holderIdentity: "second", leaseTransitions: 1 });
  stopSecond.abort();
  await leadSecond;
});

test("the Lease tells the version of who holds it, its namespaces, and whose they are", async () => {
  await using server = await FakeApiServer.start();
  const clock = new FakeClock();
  const leadOnce = async (identity: string, version?: string, scope: string[] = []): Promise<void> => {
    const { state, work } = worker();
    const stop = new AbortController();
    const leading = lead(
      { ...options(server, identity, clock), ...(version === undefined ? {} : { holder: { version, scope } }) },
      stop.signal,
      work,
    );
    await pass(clock, () => state.running);
    stop.abort();
    await leading;
  };
  await leadOnce("first", "0.1.0");
  expect(annotationsOf(server)).toEqual({ "onload.amd.com/holder": "first 0.1.0 *" });
  await leadOnce("second", "0.2.0", ["a", "b"]);
  expect(annotationsOf(server)).toEqual({ "onload.amd.com/holder": "second 0.2.0 a,b" });
  // One that has no version to tell does not make the other's its own.
  await leadOnce("third");
  expect(annotationsOf(server)).toEqual({ "onload.amd.com/holder": "second 0.2.0 a,b" });
});

test("that nobody led for long is written into the Lease by who takes it, and told to all who follow", async () => {
  await using server = await FakeApiServer.start();
  const clock = new FakeClock();
  const renewTime = new Date(clock.now() - 3_600_000).toISOString().replace("Z", "000Z");
  const spec = { holderIdentity: "", leaseDurationSeconds: 1, renewTime, leaseTransitions: 0 };
  server.put(PATH, { metadata: { name: "leader", namespace: "ns" }, spec });
  const leadOnce = async (identity: string): Promise<number[]> => {
    const { state, work } = worker();
    const stop = new AbortController();
    const told: number[] = [];
    const onAbsence = (until: number): void => void told.push(until);
    const leading = lead({ ...options(server, identity, clock), onAbsence }, stop.signal, work);
    await pass(clock, () => state.running);
    stop.abort();
    await leading;
    return told;
  };
  const taken = clock.now();
  const [until = NaN] = await leadOnce("first");
  expect(until).toBeGreaterThanOrEqual(taken);
  expect(annotationsOf(server)).toEqual({ "onload.amd.com/nobody-led-until": new Date(until).toISOString() });
  // The first may have ended before it did anything; and a pause as between two starts is no absence.
  for (const identity of ["second", "third"]) {
    await clock.advance(330_000);
    expect(await leadOnce(identity)).toEqual([until]);
  }
});

test("a Lease that was renewed not long ago, or does not tell when, tells of no absence", async () => {
  await using server = await FakeApiServer.start();
  const clock = new FakeClock();
  const told: number[] = [];
  const leadOnce = async (identity: string): Promise<void> => {
    const { state, work } = worker();
    const stop = new AbortController();
    const onAbsence = (until: number): void => void told.push(until);
    const leading = lead({ ...options(server, identity, clock), onAbsence }, stop.signal, work);
    await pass(clock, () => state.running);
    stop.abort();
    await leading;
  };
  // It makes the Lease.
  await leadOnce("first");
  await clock.advance(330_000);
  await leadOnce("second");
  expect([told, annotationsOf(server)]).toEqual([[], undefined]);
});

test("a leader that crashed is replaced after the lease's duration, by our own clock and not its", async () => {
  await using server = await FakeApiServer.start();
  const clock = new FakeClock();
  // A renew time far in the future, from a clock that goes wrong.
  const spec = {
    holderIdentity: "crashed",
    leaseDurationSeconds: 15,
    renewTime: "2099-01-01T00:00:00.000000Z",
    leaseTransitions: 4,
  };
  server.put(PATH, { metadata: { name: "leader", namespace: "ns" }, spec });
  const { state, work } = worker();
  const stop = new AbortController();
  const leading = lead(options(server, "next", clock), stop.signal, work);
  const seconds = await pass(clock, () => state.running);
  expect(seconds).toBeGreaterThanOrEqual(15);
  expect(seconds).toBeLessThanOrEqual(18);
  expect(specOf(server)?.leaseTransitions).toBe(5);
  stop.abort();
  await leading;
});

test("a leader that cannot renew for ten seconds stops its work and fails", async () => {
  await using server = await FakeApiServer.start();
  const clock = new FakeClock();
  const { state, work } = worker();
  const leading = lead(options(server, "a", clock), new AbortController().signal, work).catch(
    (error: unknown) => error,
  );
  await pass(clock, () => state.running);
  server.fail("PATCH", /./, 1e9, (response) => sendStatus(response, 500, "InternalError", "no"));
  server.fail("GET", /./, 1e9, (response) => sendStatus(response, 500, "InternalError", "no"));
  const seconds = await pass(clock, () => state.aborted);
  expect(seconds).toBeGreaterThanOrEqual(9);
  expect(seconds).toBeLessThanOrEqual(11);
  expect(await leading).toBeInstanceOf(LeadershipLostError);
});

test("a leader whose Lease was taken stops at its next renewal", async () => {
  await using server = await FakeApiServer.start();
  const clock = new FakeClock();
  const { state, work } = worker();
  const leading = lead(options(server, "a", clock), new AbortController().signal, work).catch(
    (error: unknown) => error,
  );
  await pass(clock, () => state.running);
  const lease = server.objects(PATH).get("leader")!;
  server.put(PATH, { ...lease, spec: { ...(lease["spec"] as object), holderIdentity: "thief" } });
  expect(await pass(clock, () => state.aborted)).toBeLessThanOrEqual(4);
  expect(((await leading) as Error).message).toBe('Cannot keep Lease "ns/leader": thief took it');
  expect(specOf(server)?.holderIdentity).toBe("thief");
});

test("a short outage of the API server does not cost the leadership", async () => {
  await using server = await FakeApiServer.start();
  const clock = new FakeClock();
  const { state, work } = worker();
  const stop = new AbortController();
  const leading = lead(options(server, "a", clock), stop.signal, work);
  await pass(clock, () => state.running);
  server.fail("PATCH", /./, 3, (response) => sendStatus(response, 500, "InternalError", "no"));
  for (let i = 0; i < 30; i++) await pass(clock, () => true, 1).then(() => clock.advance(1000));
  const before = specOf(server)?.renewTime;
  await pass(clock, () => specOf(server)?.renewTime !== before);
  expect(state.running).toBe(true);
  stop.abort();
  await leading;
});

const HOUR_MS = 3_600_000;

test.each([HOUR_MS, -HOUR_MS])("a wall clock set by %d ms neither makes nor spares a takeover", async (step) => {
  await using server = await FakeApiServer.start();
  const clock = new FakeClock();
  const spec = { holderIdentity: "crashed", leaseDurationSeconds: 15, leaseTransitions: 0 };
  server.put(PATH, { metadata: { name: "leader", namespace: "ns" }, spec });
  const { state, work } = worker();
  const stop = new AbortController();
  const leading = lead(options(server, "next", clock), stop.signal, work);
  const began = clock.monotonic();
  await pass(clock, () => server.requests.length > 1);
  clock.step(step);
  await pass(clock, () => state.running);
  expect(clock.monotonic() - began).toBeGreaterThanOrEqual(15_000);
  expect(clock.monotonic() - began).toBeLessThanOrEqual(18_000);
  stop.abort();
  await leading;
});

test.each([HOUR_MS, -HOUR_MS])(
  "a leader whose wall clock is set by %d ms during a renewal leads for ten seconds more, and no longer",
  async (step) => {
    await using server = await FakeApiServer.start();
    const clock = new FakeClock();
    let steps = 0;
    const client = server.client({
      onRequest: ({ method }) => void (method === "PATCH" && steps++ === 0 && clock.step(step)),
    });
    const { state, work } = worker();
    const leading = lead(options(server, "a", clock, client), new AbortController().signal, work).catch(
      (error: unknown) => error,
    );
    await pass(clock, () => steps > 0);
    server.fail("PATCH", /./, 1e9, (response) => sendStatus(response, 500, "InternalError", "no"));
    server.fail("GET", /./, 1e9, (response) => sendStatus(response, 500, "InternalError", "no"));
    const began = clock.monotonic();
    await pass(clock, () => state.aborted);
    expect(clock.monotonic() - began).toBeGreaterThanOrEqual(8000);
    expect(clock.monotonic() - began).toBeLessThanOrEqual(11_000);
    expect(await leading).toBeInstanceOf(LeadershipLostError);
  },
);

test("a Lease that somebody deletes is made again by its leader, which leads on", async () => {
  await using server = await FakeApiServer.start();
  const clock = new FakeClock();
  const { state, work } = worker();
  const stop = new AbortController();
  const leading = lead(options(server, "a", clock), stop.signal, work);
  await pass(clock, () => state.running);
  server.remove(PATH, "leader");
  expect(await pass(clock, () => specOf(server) !== undefined || state.aborted)).toBeLessThanOrEqual(3);
  expect(specOf(server)).toMatchObject({ holderIdentity: "a" });
  let elapsed = 0;
  await pass(clock, () => ++elapsed > 400 || state.aborted);
  expect(state.running).toBe(true);
  stop.abort();
  await leading;
});

test("a leader that finds its Lease deleted and made anew by another candidate stops", async () => {
  await using server = await FakeApiServer.start();
  const clock = new FakeClock();
  const { state, work } = worker();
  const leading = lead(options(server, "a", clock), new AbortController().signal, work).catch(
    (error: unknown) => error,
  );
  await pass(clock, () => state.running);
  server.remove(PATH, "leader");
  const spec = { holderIdentity: "b", leaseDurationSeconds: 15, leaseTransitions: 0 };
  server.put(PATH, { metadata: { name: "leader", namespace: "ns" }, spec });
  expect(await pass(clock, () => state.aborted)).toBeLessThanOrEqual(4);
  expect(await leading).toBeInstanceOf(LeadershipLostError);
  expect(specOf(server)).toMatchObject({ holderIdentity: "b" });
});

/** A leader that is stopped once `before` is done; what it warns of. */
async function stopped(server: FakeApiServer, before: (clock: FakeClock) => unknown): Promise<string[]> {
  const clock = new FakeClock();
  const lines: string[] = [];
  const { state, work } = worker();
  const stop = new AbortController();
  const log = createLogger({ level: "warn", write: (line) => void lines.push(line) });
  const leading = lead({ ...options(server, "a", clock), log }, stop.signal, work);
  await pass(clock, () => state.running);
  await before(clock);
  stop.abort();
  await leading;
  return lines;
}

test("a Lease that is gone needs no release", async () => {
  await using server = await FakeApiServer.start();
  expect(await stopped(server, () => server.remove(PATH, "leader"))).toEqual([]);
});

/** One that is stopped while the server has its renewal, and has not answered. `stored` stores the Lease as it is then. */
function stoppedInRenewal(server: FakeApiServer, stored: (lease: Lease) => Lease["spec"]): Promise<string[]> {
  return stopped(server, async (clock) => {
    let hasArrived = false;
    server.fail("PATCH", /leases/, 1, () => {
      const lease = server.objects(PATH).get("leader")!;
      server.put(PATH, { ...lease, spec: stored(lease as Lease) });
      hasArrived = true;
    });
    await pass(clock, () => hasArrived);
  });
}

test("a leader that stops while its renewal is on the way releases the Lease that the renewal wrote", async () => {
  await using server = await FakeApiServer.start();
  const renewTime = "2026-01-01T00:00:00.000000Z";
  const lines = await stoppedInRenewal(server, ({ spec }) => ({ ...spec, renewTime }));
  expect(specOf(server)?.holderIdentity).toBe("");
  expect(specOf(server)?.renewTime).not.toBe(renewTime);
  expect(lines).toEqual([]);
});

test("a leader that stops leaves the Lease to who took it meanwhile", async () => {
  await using server = await FakeApiServer.start();
  const lines = await stoppedInRenewal(server, ({ spec }) => ({ ...spec, holderIdentity: "thief" }));
  expect(specOf(server)?.holderIdentity).toBe("thief");
  expect(lines).toEqual([]);
});

test.each([
  ["PATCH", "takes the Lease"],
  ["POST", "makes the Lease"],
])("a candidate that stops while its %s is on the way, which %s, keeps nobody waiting", async (method) => {
  await using server = await FakeApiServer.start();
  const clock = new FakeClock();
  if (method === "PATCH") {
    const spec = { holderIdentity: "", leaseDurationSeconds: 1, leaseTransitions: 0 };
    server.put(PATH, { metadata: { name: "leader", namespace: "ns" }, spec });
  }
  const stop = new AbortController();
  server.fail(method, /leases/, 1, () => {
    const spec = { holderIdentity: "a", leaseDurationSeconds: 15, leaseTransitions: 1 };
    server.put(PATH, { metadata: { name: "leader", namespace: "ns" }, spec });
    stop.abort(new Error("stopped"));
  });
  const { state, work } = worker();
  const leading = lead(options(server, "a", clock), stop.signal, work);
  await expect(leading).rejects.toThrow("stopped");
  expect(specOf(server)?.holderIdentity).toBe("");
  expect(state.aborted).toBe(false);
});

/** A leader with a fenced client at a server that has one node and one pod. */
async function fencedLeader(server: FakeApiServer) {
  const clock = new FakeClock();
  const fence = new LeaseFence(clock);
  const client = server.client({ clock, timeoutMs: 600_000 });
  const { state, work } = worker(() => fence.check());
  const stop = new AbortController();
  const leading = lead({ ...options(server, "a", clock), fence }, stop.signal, work).catch((error: unknown) => error);
  await pass(clock, () => state.running);
  server.put("/api/v1/nodes", { metadata: { name: "n" } });
  server.put("/api/v1/namespaces/x/pods", { metadata: { name: "p" } });
  const others = (): string[] => server.requests.filter((line) => !line.includes("/leases"));
  return { clock, fence, client, fenced: client.fencedBy(fence), state, stop, leading, others };
}

const REF = { namespace: "x", name: "p" };

test.each([
  ["create", (client: Client) => client.create(NODES, { metadata: { name: "new" } })],
  ["replace", (client: Client) => client.replace(NODES, { metadata: { name: "n" } })],
  ["patch", (client: Client) => client.mergePatch(NODES, { name: "n" }, {})],
  ["apply", (client: Client) => client.apply(NODES, { metadata: { name: "n" } })],
  ["apply to a subresource", (client: Client) => client.apply(PODS, { metadata: REF }, { subresource: "status" })],
  ["delete", (client: Client) => client.delete(PODS, REF)],
  ["evict", (client: Client) => client.evict(REF)],
])("a leader that was stopped for longer than its deadline sends no %s, and ends", async (_name, write) => {
  await using server = await FakeApiServer.start();
  const { clock, fenced, state, leading, others } = await fencedLeader(server);
  // Stopped: time goes by, and no timer runs.
  clock.freeze(10_000);
  await expect(write(fenced)).rejects.toThrow(LeadershipLostError);
  expect(others()).toEqual([]);
  expect(await leading).toBeInstanceOf(LeadershipLostError);
  expect(state.aborted).toBe(true);
  // Reading is no harm.
  expect(await fenced.get(NODES, { name: "n" })).toBeDefined();
});

test("what is still to be written when the Lease is released is not sent", async () => {
  await using server = await FakeApiServer.start();
  const { fenced, stop, leading, others } = await fencedLeader(server);
  stop.abort();
  expect(await leading).toBeUndefined();
  expect(specOf(server)!.holderIdentity).toBe("");
  await expect(fenced.mergePatch(NODES, { name: "n" }, {})).rejects.toThrow(LeadershipLostError);
  expect(others()).toEqual([]);
});

test("the fence is asked when the connection is there: a process may be stopped while it is made", async () => {
  await using server = await FakeApiServer.start();
  // It takes the connection, and never ends the TLS handshake.
  const slow = net.createServer((socket) => accepted.resolve(socket));
  const accepted = Promise.withResolvers<net.Socket>();
  await new Promise<void>((resolve) => slow.listen(0, "127.0.0.1", resolve));
  const { port } = slow.address() as net.AddressInfo;
  const credentials = { identity: async () => ({ headers: {}, tls: {} }), invalidate: () => undefined };
  const config = { server: `https://127.0.0.1:${port}`, namespace: "", source: "", credentials };
  let asked = 0;
  const fence = { check: () => void asked++ };
  const stop = new AbortController();
  const call = server
    .client({ config })
    .fencedBy(fence)
    .mergePatch(NODES, { name: "n" }, {}, { signal: stop.signal })
    .catch((error: unknown) => error);
  const hello = await new Promise((resolve) => void accepted.promise.then((socket) => socket.once("data", resolve)));
  expect(hello).toBeDefined();
  expect(asked).toBe(0);
  stop.abort(new Error("enough"));
  expect(((await call) as Error).message).toBe("enough");
  (await accepted.promise).destroy();
  slow.close();
  // A connection that is kept is there at once.
  const client = server.client().fencedBy(fence);
  server.put("/api/v1/nodes", { metadata: { name: "n" } });
  for (let i = 1; i < 4; i++) {
    await client.mergePatch(NODES, { name: "n" }, {});
    expect(asked).toBe(i);
  }
  expect(server.connections).toBe(1);
});

test("every fence is asked before every attempt, also after the server had it wait, and what one throws ends the call", async () => {
  await using server = await FakeApiServer.start();
  server.put("/api/v1/nodes", { metadata: { name: "n" } });
  const clock = new FakeClock();
  const asked: string[] = [];
  let isOver = false;
  const first = { check: () => void asked.push("first") };
  const second = {
    check: () => {
      asked.push("second");
      if (isOver) throw new LeadershipLostError("Cannot write: another acts");
    },
  };
  const client = server.client({ clock }).fencedBy(first).fencedBy(second);
  await client.mergePatch(NODES, { name: "n" }, {});
  expect(asked.splice(0)).toEqual(["first", "second"]);
  server.fail("PATCH", /nodes/, 1, (response) => {
    response.setHeader("retry-after", "5");
    sendStatus(response, 429, "TooManyRequests", "busy");
  });
  const before = server.requests.length;
  const late = client.mergePatch(NODES, { name: "n" }, {}).catch((error: unknown) => error);
  await pass(clock, () => server.requests.length > before, 1);
  // The other appears while the call waits.
  isOver = true;
  let ended: unknown;
  void late.then((error) => (ended = error));
  await pass(clock, () => ended !== undefined);
  expect(ended).toBeInstanceOf(LeadershipLostError);
  expect(asked).toEqual(["first", "second", "first", "second"]);
  expect(server.requests.length).toBe(before + 1);
});

test("a write of a leader goes through, and one that had to wait past the deadline is not sent again", async () => {
  await using server = await FakeApiServer.start();
  const { clock, fenced, leading, stop } = await fencedLeader(server);
  expect(await fenced.mergePatch(NODES, { name: "n" }, {})).toBeDefined();
  server.fail("PATCH", /nodes/, 1, (response) => {
    response.setHeader("retry-after", "12");
    sendStatus(response, 503, "ServiceUnavailable", "in maintenance");
  });
  const patches = (): number => server.requests.filter((line) => line.startsWith("PATCH /api/v1/nodes")).length;
  const late = fenced.mergePatch(NODES, { name: "n" }, {}).catch((error: unknown) => error);
  await pass(clock, () => patches() === 2);
  server.fail("PATCH", /leases/, 1e9, (response) => sendStatus(response, 500, "InternalError", "no"));
  server.fail("GET", /leases/, 1e9, (response) => sendStatus(response, 500, "InternalError", "no"));
  let ended = false;
  void late.then(() => (ended = true));
  await pass(clock, () => ended);
  expect(await late).toBeInstanceOf(LeadershipLostError);
  expect(patches()).toBe(2);
  expect(await leading).toBeInstanceOf(LeadershipLostError);
  stop.abort();
});

test("the age of a renewal counts from when it was sent, and not from its answer", async () => {
  await using server = await FakeApiServer.start();
  const { clock, fence, stop, leading } = await fencedLeader(server);
  const renewals = (): number => server.requests.filter((line) => line.startsWith("PATCH")).length;
  const before = renewals();
  let answer: () => void = () => undefined;
  server.fail("PATCH", /leases/, 1, (response) => {
    const { holderIdentity: _, ...rest } = specOf(server)!;
    answer = () => {
      response.setHeader("content-type", "application/json");
      response.end(
        JSON.stringify({ kind: "Lease", metadata: { name: "leader" }, spec: { ...rest, holderIdentity: "a" } }),
      );
    };
  });
  await pass(clock, () => renewals() > before);
  const sent = clock.monotonic();
  await clock.advance(4000);
  answer();
  await new Promise((resolve) => setTimeout(resolve, 50));
  clock.freeze(sent + 9999 - clock.monotonic());
  expect(() => fence.check()).not.toThrow();
  clock.freeze(1);
  expect(() => fence.check()).toThrow(
    'Cannot write: Lease "ns/leader" was not renewed in time, so another process may lead',
  );
  expect(await leading).toBeInstanceOf(LeadershipLostError);
  stop.abort();
});

test("one who never led, or whose Lease another took, writes nothing", async () => {
  await using server = await FakeApiServer.start();
  expect(() => new LeaseFence(new FakeClock()).check()).toThrow(LeadershipLostError);
  const { clock, fence, leading, state } = await fencedLeader(server);
  const lease = server.objects(PATH).get("leader")!;
  server.put(PATH, { ...lease, spec: { ...(lease["spec"] as object), holderIdentity: "thief" } });
  await pass(clock, () => state.aborted);
  // While the work is ending it may still write, and when it has ended nobody asks any more.
  expect(state.onAbort).toBeInstanceOf(LeadershipLostError);
  expect(() => fence.check()).toThrow(LeadershipLostError);
  expect(await leading).toBeInstanceOf(LeadershipLostError);
});
