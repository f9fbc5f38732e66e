import { expect, test } from "bun:test";
import fc from "fast-check";
import type { ServerResponse } from "node:http";
import { createLogger, silentLogger } from "../cli/log.ts";
import { Informer, type InformerOptions } from "./informer.ts";
import type { DeepReadonly, KubeObject } from "../api/core.ts";
import { NODES } from "./resource.ts";
import { until as eventually } from "./testing/eventually.ts";
import { FakeApiServer, sendStatus } from "./testing/fake-api-server.ts";
import { FakeClock, hurriedClock } from "./testing/fake-clock.ts";

interface Thing extends KubeObject {
  value?: number;
}

const PATH = "/api/v1/nodes";
// 150 ms by a clock that runs a hundred times as fast.
const SILENCE_MS = 15_000;

/** Runs an informer over a fake server and, beside it, a mirror made of nothing but its changes. */
function follow(server: FakeApiServer, options: Partial<InformerOptions<Thing, "even">> = {}) {
  const clock = options.clock ?? hurriedClock(100);
  const informer = new Informer<Thing, "even">({
    client: server.client({ clock, timeoutMs: 600_000 }),
    resource: NODES,
    indexes: { even: (thing) => [(thing.value ?? 0) % 2 === 0 ? "yes" : "no"] },
    log: silentLogger,
    clock,
    silenceMs: SILENCE_MS,
    ...options,
  });
  const mirror = new Map<string, DeepReadonly<Thing>>();
  const mismatches: string[] = [];
  const waiting = new Set<() => void>();
  informer.subscribe(({ key, old, current }) => {
    if (mirror.get(key) !== old) mismatches.push(`${key}: the change's old object is not the one that was there`);
    if (current) mirror.set(key, current);
    else mirror.delete(key);
    for (const check of waiting) check();
  });
  const stop = new AbortController();
  const running = informer.run(stop.signal);
  /** Resolves when `condition` holds, which is looked at after each change. */
  async function until(condition: () => boolean): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const check = (): void => {
      if (condition()) resolve();
    };
    waiting.add(check);
    informer.onStateChange(check);
    check();
    await promise.finally(() => waiting.delete(check));
  }
  return {
    informer,
    mirror,
    mismatches,
    until,
    stop: async () => {
      stop.abort();
      await running;
    },
  };
}

/** For tests that count lists: on a busy machine nothing is taken for silence or too slow. */
const patient = (): Partial<InformerOptions<Thing, "even">> => ({ clock: hurriedClock(20), silenceMs: 500_000 });

function lists(server: FakeApiServer): number {
  return server.requests.filter((line) => line.startsWith("GET") && !line.includes("watch=")).length;
}

function versions(objects: Iterable<DeepReadonly<KubeObject>>): string[] {
  return Array.from(objects, ({ metadata }) => `${metadata.name}@${metadata.resourceVersion}`).sort();
}

const action = fc.record({
  do: fc.oneof(
    { weight: 6, arbitrary: fc.constant("put" as const) },
    { weight: 3, arbitrary: fc.constant("remove" as const) },
    {
      weight: 4,
      arbitrary: fc.constantFrom(
        ...(["drop", "end", "compact", "bookmark", "deafen", "fail-list", "fail-watch", "cut-list", "lose"] as const),
      ),
    },
  ),
  name: fc.integer({ min: 0, max: 7 }).map((n) => `n${n}`),
  value: fc.integer({ min: 0, max: 99 }),
  halfLine: fc.boolean(),
});
/** After a step the test goes on at once, after a few round trips, or when the store has caught up. */
const step = fc.record({ action, next: fc.constantFrom("nothing", "breathe", "catch-up") });

type Action = typeof action extends fc.Arbitrary<infer A> ? A : never;

const ACTIONS: Record<Action["do"], (server: FakeApiServer, action: Action) => void> = {
  put: (server, { name, value }) => server.put(PATH, { metadata: { name }, value }),
  remove: (server, { name }) => server.remove(PATH, name),
  drop: (server, { halfLine }) => server.dropWatches(halfLine),
  end: (server) => server.endWatches(),
  compact: (server) => server.compact(),
  bookmark: (server) => server.bookmark(),
  deafen: (server) => server.deafenWatches(),
  "fail-list": (server) => server.fail("GET", /limit=/, 1, (r) => sendStatus(r, 500, "InternalError", "no")),
  "fail-watch": (server) => server.fail("GET", /watch=/, 2, (r) => sendStatus(r, 503, "ServiceUnavailable", "no")),
  // Changes that no watch can ever tell of.
  lose: (server, { name, value }) => {
    server.dropWatches();
    server.remove(PATH, name);
    server.put(PATH, { metadata: { name: `n${value % 8}` }, value });
    server.compact();
  },
  "cut-list": (server) => server.fail("GET", /limit=/, 1, (r) => r.socket?.destroy()),
};

test("the store equals the server after any order of events, disconnects and 410s", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), fc.integer({ min: 1, max: 3 }), async (steps, pageSize) => {
      await using server = await FakeApiServer.start();
      const probe = server.client();
      for (let i = 0; i < 4; i++) server.put(PATH, { metadata: { name: `n${i}` }, value: i });
      const { informer, mirror, mismatches, until, stop } = follow(server, { pageSize });
      const wanted = (): string => versions(server.objects(PATH).values()).join();
      const caughtUp = (): boolean => informer.hasSynced && versions(informer.store.list()).join() === wanted();
      for (const { action, next } of steps) {
        ACTIONS[action.do](server, action);
        if (next === "catch-up") await until(caughtUp);
        if (next === "breathe") await probe.get(NODES, { name: "n0" });
      }
      server.heal();
      await until(caughtUp);
      expect(versions(mirror.values()).join()).toBe(wanted());
      expect(mismatches).toEqual([]);
      const indexed = ["yes", "no"].flatMap((value) => informer.store.byIndex("even", value));
      expect(versions(indexed).join()).toBe(wanted());
      await stop();
    }),
    { numRuns: 60 },
  );
});

test("a resumed watch does not list again, and an expired one does", async () => {
  await using server = await FakeApiServer.start();
  server.put(PATH, { metadata: { name: "a" } });
  const { informer, until, stop } = follow(server, patient());
  await until(() => informer.store.size === 1);
  server.dropWatches();
  server.put(PATH, { metadata: { name: "b" } });
  await until(() => informer.store.size === 2);
  expect(lists(server)).toBe(1);
  server.dropWatches();
  server.put(PATH, { metadata: { name: "c" } });
  server.compact();
  await until(() => informer.store.size === 3);
  expect(lists(server)).toBe(2);
  await stop();
});

test("a version that has expired is no problem: it is listed again without a word", async () => {
  await using server = await FakeApiServer.start();
  server.put(PATH, { metadata: { name: "a" } });
  const lines: string[] = [];
  const log = createLogger({ write: (line) => void lines.push(line) });
  const { informer, until, stop } = follow(server, { ...patient(), log });
  await until(() => informer.store.size === 1);
  server.endWatches();
  server.put(PATH, { metadata: { name: "b" } });
  server.compact();
  await until(() => informer.store.size === 2);
  expect(lists(server)).toBe(2);
  expect(lines.filter((line) => line.includes("Lost"))).toEqual([]);
  await stop();
});

test("the third failure of the watch in a row lists again, and an event in between begins the count anew", async () => {
  await using server = await FakeApiServer.start();
  server.put(PATH, { metadata: { name: "a" } });
  const { informer, until, stop } = follow(server, patient());
  await until(() => informer.store.size === 1);
  for (const name of ["b", "c"]) {
    server.fail("GET", /watch=/, 1, (response) => sendStatus(response, 500, "InternalError", "no"));
    server.dropWatches();
    server.put(PATH, { metadata: { name } });
    await until(() => informer.store.get(name) !== undefined);
  }
  expect(lists(server)).toBe(1);
  server.fail("GET", /watch=/, 2, (response) => sendStatus(response, 500, "InternalError", "no"));
  server.dropWatches();
  server.put(PATH, { metadata: { name: "d" } });
  await until(() => informer.store.get("d") !== undefined);
  expect(lists(server)).toBe(2);
  await stop();
});

test("an event that could not be taken in is asked for again", async () => {
  await using server = await FakeApiServer.start();
  server.put(PATH, { metadata: { name: "a" } });
  let failures = 2;
  const transform = (thing: Thing): Thing => {
    if (thing.metadata.name === "b" && failures-- > 0) throw new Error("no room");
    return thing;
  };
  const { informer, until, stop } = follow(server, { ...patient(), transform });
  await until(() => informer.store.size === 1);
  server.put(PATH, { metadata: { name: "b" } });
  await until(() => informer.store.size === 2);
  expect(lists(server)).toBe(1);
  await stop();
});

test("a list whose page tokens always expire is asked for as a whole", async () => {
  await using server = await FakeApiServer.start();
  for (let i = 0; i < 5; i++) server.put(PATH, { metadata: { name: `n${i}` } });
  server.fail("GET", /continue=/, 1e9, (response) => sendStatus(response, 410, "Expired", "the token is too old"));
  const { informer, until, stop } = follow(server, { pageSize: 2 });
  await until(() => informer.hasSynced);
  expect([...informer.store.keys()].sort()).toEqual(["n0", "n1", "n2", "n3", "n4"]);
  expect((await server.client().list(NODES, { pageSize: 2 })).items.length).toBe(5);
  await stop();
});

test.each([
  ["held back", () => undefined],
  ["cut off", (response: ServerResponse) => void response.end()],
])("watches whose answers are %s are a problem: said once, shown, and helped by listing again", async (_name, act) => {
  await using server = await FakeApiServer.start();
  const lines: string[] = [];
  const log = createLogger({ level: "warn", format: "json", write: (line) => void lines.push(line) });
  server.fail("GET", /watch=/, 1e9, (response) => {
    response.writeHead(200, { "content-type": "application/json" });
    response.flushHeaders();
    act(response);
  });
  const { informer, until, stop } = follow(server, { log, silenceMs: 2000 });
  await until(() => informer.hasSynced);
  server.put(PATH, { metadata: { name: "a" } });
  await until(() => informer.store.size === 1);
  expect(informer.outdated).toBeUndefined();
  expect(informer.problem).toBe(
    "Cannot watch nodes: nothing was heard for 2 s although objects changed; look for a proxy that holds the API server's answers back",
  );
  // That a list fails and works again is no sign that watches work.
  server.fail("GET", /limit=/, 1, (response) => sendStatus(response, 500, "InternalError", "no"));
  let changes = 0;
  await eventually(() => {
    server.put(PATH, { metadata: { name: "b" }, value: ++changes });
    return informer.outdated !== undefined;
  });
  expect(informer.outdated).toBe(informer.problem!);
  expect(lines.length).toBe(1);
  expect(lines[0]).toContain("Lost nodes");
  server.heal();
  await eventually(() => server.watchers > 0);
  server.bookmark();
  await eventually(() => informer.problem === undefined);
  expect(informer.outdated).toBeUndefined();
  await stop();
});

test("a server that sends no bookmarks while nothing happens is no problem, however long that is", async () => {
  await using server = await FakeApiServer.start();
  server.put(PATH, { metadata: { name: "a" } });
  const clock = new FakeClock();
  const lines: string[] = [];
  const log = createLogger({ level: "info", format: "json", write: (line) => void lines.push(line) });
  const { informer, until, stop } = follow(server, { clock, silenceMs: 90_000, log });
  await until(() => informer.hasSynced);
  const seen = new Set<string | undefined>();
  for (let i = 0; i < 700; i++) {
    await clock.advance(1000);
    await new Promise((resolve) => setTimeout(resolve, 1));
    seen.add(informer.outdated ?? informer.problem);
  }
  expect([...seen]).toEqual([undefined]);
  expect(lines).toEqual([]);
  // The store is never older than a silence.
  expect(lists(server)).toBeGreaterThan(6);
  await stop();
});

test("after two minutes without any answer the store may be outdated", async () => {
  await using server = await FakeApiServer.start();
  server.put(PATH, { metadata: { name: "a" } });
  const clock = new FakeClock();
  const { informer, until, stop } = follow(server, { clock, silenceMs: 90_000 });
  await until(() => informer.hasSynced);
  await eventually(() => server.watchers === 1);
  const heardAt = clock.monotonic();
  // The network swallows everything.
  server.deafenWatches();
  server.fail("GET", /./, 1e9, () => undefined);
  const at = async (ms: number): Promise<string | undefined> => {
    for (let left = heardAt + ms - clock.monotonic(); left > 0; left = heardAt + ms - clock.monotonic()) {
      await clock.advance(Math.min(left, 1000));
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    return informer.outdated;
  };
  expect(await at(119_999)).toBeUndefined();
  expect(await at(120_000)).toBe("Cannot follow nodes: no answer for 120 s");
  server.heal();
  for (let i = 0; i < 120 && informer.outdated !== undefined; i++) await at(clock.monotonic() - heardAt + 1000);
  expect(informer.outdated).toBeUndefined();
  await stop();
});

test("watches that are refused are a problem, though lists succeed", async () => {
  await using server = await FakeApiServer.start();
  server.put(PATH, { metadata: { name: "a" } });
  const lines: string[] = [];
  const log = createLogger({ level: "info", format: "json", write: (line) => void lines.push(line) });
  server.fail("GET", /watch=/, 1e9, (response) => sendStatus(response, 403, "Forbidden", "you may not watch"));
  const { informer, stop } = follow(server, { ...patient(), log });
  await eventually(() => lists(server) > 3);
  expect(informer.problem).toBe("Cannot watch nodes: you may not watch");
  // To ask again for what was refused mends nothing.
  expect(server.requests.filter((line) => line.includes("watch=")).length).toBeLessThanOrEqual(lists(server));
  expect(lines.length).toBe(1);
  server.heal();
  await eventually(() => informer.problem === undefined);
  expect(lines.map((line) => (JSON.parse(line) as { msg: string }).msg)).toEqual(["Lost nodes", "Regained nodes"]);
  await stop();
});

test.each([
  ["no JSON", "<html>Please log in</html>"],
  ["no event", "null"],
  ["no event", "[]"],
  ["no event", '"ADDED"'],
  ["no event", '{"kind":"Status","code":401}'],
  ["no event", '{"type":"ERROR"}'],
  ["an event of no object", '{"type":"ADDED","object":{}}'],
  ["an event of no object", '{"type":"BOOKMARK","object":{"metadata":null}}'],
  ["an event of no known type", '{"type":"GONE","object":{"metadata":{"name":"a"}}}'],
  ["an event of a Pod", '{"type":"DELETED","object":{"kind":"Pod","metadata":{"name":"a"}}}'],
  ["an event of no kind", '{"type":"MODIFIED","object":{"metadata":{"name":"a"}}}'],
])("a line of a watch that is %s changes nothing and is a problem that names it: %s", async (what, line) => {
  await using server = await FakeApiServer.start();
  server.put(PATH, { metadata: { name: "a" } });
  server.fail("GET", /watch=/, 1e9, (response) => {
    response.writeHead(200, { "content-type": "application/json" });
    response.end(`${line}\n`);
  });
  const { informer, until, stop } = follow(server);
  await until(() => informer.hasSynced);
  await eventually(() => informer.problem !== undefined);
  expect(informer.problem).toEndWith(`: a line of the stream is ${what}`);
  expect([...informer.store.keys()]).toEqual(["a"]);
  await stop();
});

test.each(["a", 'x}],"y', "x}]}", '},"managedFields":[{'])(
  "an event is taken without the record of managed fields, whoever manages them: %j",
  async (manager) => {
    await using server = await FakeApiServer.start();
    server.put(PATH, { metadata: { name: "a" } });
    const metadata = { name: "b", managedFields: [{ manager, fieldsV1: {} }], labels: { last: "yes" } };
    server.fail("GET", /watch=/, 1e9, (response) => {
      response.writeHead(200, { "content-type": "application/json" });
      response.write(`${JSON.stringify({ type: "ADDED", object: { kind: "Node", metadata, spec: {} } })}\n`);
    });
    const { informer, stop } = follow(server);
    await eventually(() => informer.store.get("b") !== undefined);
    expect(informer.problem).toBeUndefined();
    expect(informer.store.get("b")).toMatchObject({ metadata: { name: "b", labels: { last: "yes" } }, spec: {} });
    await stop();
  },
);

test("a list whose items are no list is a problem that names what came", async () => {
  await using server = await FakeApiServer.start();
  server.fail("GET", /./, 1e9, (response) => {
    response.writeHead(200, { "content-type": "application/json" });
    response.end('{"kind":"NodeList","metadata":{"resourceVersion":"1"},"items":{"a":1}}');
  });
  const { informer, stop } = follow(server);
  await eventually(() => informer.problem !== undefined);
  expect(informer.problem).toContain("it answered with a NodeList: check the server's address");
  await stop();
});

test("a watch goes on although a server asks it to wait for an hour", async () => {
  await using server = await FakeApiServer.start();
  server.put(PATH, { metadata: { name: "a" } });
  const clock = hurriedClock(100);
  const { informer, until, stop } = follow(server, { clock });
  await until(() => informer.hasSynced);
  const began = clock.monotonic();
  server.fail("GET", /watch=/, 1, (response) => {
    response.setHeader("retry-after", "3600");
    sendStatus(response, 503, "ServiceUnavailable", "in maintenance");
  });
  server.dropWatches();
  server.put(PATH, { metadata: { name: "b" } });
  await until(() => informer.store.size === 2);
  expect(clock.monotonic() - began).toBeLessThan(600_000);
  await stop();
});

test("watches ask for bookmarks and resume from them", async () => {
  await using server = await FakeApiServer.start();
  server.put(PATH, { metadata: { name: "a" } });
  const { informer, until, stop } = follow(server, patient());
  await until(() => informer.store.size === 1);
  server.put("/api/v1/pods", { metadata: { name: "elsewhere" } });
  server.bookmark();
  server.put(PATH, { metadata: { name: "b" } });
  await until(() => informer.store.size === 2);
  server.compact();
  server.dropWatches();
  server.put(PATH, { metadata: { name: "c" } });
  await until(() => informer.store.size === 3);
  expect(lists(server)).toBe(1);
  expect(server.requests.find((line) => line.includes("watch="))).toContain("allowWatchBookmarks=true");
  await stop();
});

test("a half-open watch is noticed by its silence", async () => {
  await using server = await FakeApiServer.start();
  const { informer, until, stop } = follow(server);
  await until(() => informer.hasSynced);
  server.put(PATH, { metadata: { name: "a" } });
  await until(() => informer.store.size === 1);
  server.deafenWatches();
  server.put(PATH, { metadata: { name: "b" } });
  await until(() => informer.store.size === 2);
  await stop();
});

test("a watch that sends nothing but empty lines is silent", async () => {
  await using server = await FakeApiServer.start();
  const { informer, until, stop } = follow(server);
  await until(() => informer.hasSynced);
  await eventually(() => server.watchers === 1);
  const dripping = setInterval(() => server.drip(), 1);
  try {
    server.deafenWatches();
    server.put(PATH, { metadata: { name: "a" } });
    await until(() => informer.store.size === 1);
  } finally {
    clearInterval(dripping);
  }
  await stop();
});

test("a resource that the server does not know is absent, and comes by itself", async () => {
  await using server = await FakeApiServer.start();
  server.setAbsent(PATH, true);
  const { informer, until, stop } = follow(server);
  await until(() => informer.state === "absent");
  expect(informer.hasSynced).toBe(true);
  server.setAbsent(PATH, false);
  server.put(PATH, { metadata: { name: "a" } });
  await until(() => informer.state === "synced" && informer.store.size === 1);
  server.setAbsent(PATH, true);
  await until(() => informer.state === "absent" && informer.store.size === 0);
  await stop();
});

test("an informer that may not list says why and is not synced", async () => {
  await using server = await FakeApiServer.start();
  server.fail("GET", /./, 1e9, (response) => sendStatus(response, 403, "Forbidden", "nodes is forbidden"));
  const { informer, until, stop } = follow(server);
  await eventually(() => informer.problem !== undefined);
  expect(informer.problem).toBe("Cannot list nodes: nodes is forbidden");
  expect(informer.hasSynced).toBe(false);
  server.heal();
  await until(() => informer.hasSynced);
  expect(informer.problem).toBeUndefined();
  await stop();
});

test("a write that was observed is read at once and never undone by an older event", async () => {
  await using server = await FakeApiServer.start();
  server.put(PATH, { metadata: { name: "a" }, value: 1 });
  const { informer, until, stop } = follow(server);
  await until(() => informer.store.size === 1);
  const written = server.put(PATH, { metadata: { name: "a" }, value: 2 }) as Thing;
  informer.observe(written);
  expect(informer.store.get("a")?.value).toBe(2);
  const seen: (number | undefined)[] = [];
  informer.subscribe(({ current }) => void seen.push(current?.value));
  server.put(PATH, { metadata: { name: "a" }, value: 3 });
  await until(() => informer.store.get("a")?.value === 3);
  expect(seen).toEqual([3]);
  server.remove(PATH, "a");
  await until(() => informer.store.size === 0);
  informer.observe(written);
  expect(informer.store.size).toBe(0);
  await stop();
});

test("several namespaces are followed in one store, and a relist of one leaves the others alone", async () => {
  await using server = await FakeApiServer.start();
  const pods = (namespace: string): string => `/api/v1/namespaces/${namespace}/pods`;
  server.put(pods("x"), { metadata: { name: "a", namespace: "x" } });
  server.put(pods("y"), { metadata: { name: "a", namespace: "y" } });
  const { PODS } = await import("./resource.ts");
  const { informer, until, stop } = follow(server, { resource: PODS, namespaces: ["x", "y"] });
  await until(() => informer.hasSynced);
  expect([...informer.store.keys()].sort()).toEqual(["x/a", "y/a"]);
  server.compact();
  server.dropWatches();
  server.put(pods("x"), { metadata: { name: "b", namespace: "x" } });
  await until(() => informer.store.size === 3);
  await stop();
});
