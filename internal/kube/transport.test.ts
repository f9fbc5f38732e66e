import { describe, expect, test } from "bun:test";
import type http from "node:http";
import net from "node:net";
import type { AddressInfo } from "node:net";
import { ApiError, ConnectionError, isConflict, isNotFound, isTooManyRequests } from "./errors.ts";
import { NODES, PODS } from "./resource.ts";
import { until } from "./testing/eventually.ts";
import { FakeApiServer, sendStatus } from "./testing/fake-api-server.ts";
import { FakeClock, hurriedClock, settled } from "./testing/fake-clock.ts";

const PATH = "/api/v1/nodes";

test("many calls in turn take one connection, and many at once no more than the pool has", async () => {
  await using server = await FakeApiServer.start();
  server.put(PATH, { metadata: { name: "a" } });
  const client = server.client({ maxConnections: 8 });
  for (let i = 0; i < 50; i++) await client.get(NODES, { name: "a" });
  expect(server.connections).toBe(1);
  await Promise.all(Array.from({ length: 100 }, () => client.get(NODES, { name: "a" })));
  expect(server.connections).toBeLessThanOrEqual(8);
});

test("a 429 with Retry-After is sent again after that time, one without is not, and evictions never are", async () => {
  await using server = await FakeApiServer.start();
  server.put(PATH, { metadata: { name: "a" } });
  const client = server.client({ clock: hurriedClock(100), timeoutMs: 600_000 });
  const busy = (retryAfter?: string) =>
    server.fail("GET", /nodes\/a/, 1, (response) => {
      if (retryAfter) response.setHeader("retry-after", retryAfter);
      sendStatus(response, 429, "TooManyRequests", "busy");
    });
  busy("1");
  busy("0");
  expect((await client.get(NODES, { name: "a" }))?.metadata.name).toBe("a");
  expect(server.requests.length).toBe(3);
  busy();
  await expect(client.get(NODES, { name: "a" })).rejects.toThrow('Cannot get Node "a": busy');
  server.fail("POST", /eviction/, 5, (response) => {
    response.setHeader("retry-after", "10");
    sendStatus(response, 429, "TooManyRequests", "a disruption budget forbids it");
  });
  const refused = await client.evict({ namespace: "x", name: "p" }).catch((error: unknown) => error);
  expect(isTooManyRequests(refused)).toBe(true);
  expect((refused as ApiError).retryAfterMs).toBe(10_000);
  expect(server.requests.filter((line) => line.includes("eviction")).length).toBe(1);
});

test("after a 401 the credentials are read again, once", async () => {
  await using server = await FakeApiServer.start();
  server.put(PATH, { metadata: { name: "a" } });
  let token = 0;
  const credentials = {
    identity: async () => ({ headers: { authorization: `Bearer t${token}` }, tls: {} }),
    invalidate: () => void token++,
  };
  const config = { server: server.url, namespace: "default", source: "a test", credentials };
  const client = server.client({ config });
  const unauthorised = () =>
    server.fail("GET", /./, 1, (response) => sendStatus(response, 401, "Unauthorized", "Unauthorized"));
  unauthorised();
  await client.get(NODES, { name: "a" });
  expect(server.headers.map((headers) => headers.authorization)).toEqual(["Bearer t0", "Bearer t1"]);
  unauthorised();
  unauthorised();
  await expect(client.get(NODES, { name: "a" })).rejects.toThrow(
    'Cannot get Node "a": Unauthorized; a test has no login that the API server accepts: it may have expired; log in again',
  );
});

test("what the server says is in the error, with status, reason and causes", async () => {
  await using server = await FakeApiServer.start();
  const client = server.client();
  server.fail("PATCH", /./, 1, (response) => {
    response.writeHead(422, { "content-type": "application/json" });
    response.end(
      JSON.stringify({
        kind: "Status",
        reason: "Invalid",
        message: "spec.x: Invalid value",
        details: { causes: [{ field: "spec.x", reason: "FieldValueInvalid" }] },
      }),
    );
  });
  const error = (await client
    .apply(PODS, { metadata: { name: "p", namespace: "n" } })
    .catch((thrown: unknown) => thrown)) as ApiError;
  expect(error).toBeInstanceOf(ApiError);
  expect(error.message).toBe('Cannot apply Pod "n/p": spec.x: Invalid value');
  expect([error.status, error.reason, error.causes[0]?.field]).toEqual([422, "Invalid", "spec.x"]);
  server.fail("GET", /./, 1, (response) => {
    response.writeHead(502);
    response.end("<html>\nBad gateway</html>");
  });
  await expect(client.list(NODES)).rejects.toThrow("Cannot list nodes: <html> Bad gateway</html>");
});

test("objects of a list say what they are, which the API server leaves out of lists", async () => {
  await using server = await FakeApiServer.start();
  for (const name of ["a", "b", "c"]) server.put(PATH, { metadata: { name } });
  const { items } = await server.client().list(NODES, { pageSize: 2 });
  expect(items.map(({ apiVersion, kind, metadata }) => [apiVersion, kind, metadata.name])).toEqual([
    ["v1", "Node", "a"],
    ["v1", "Node", "b"],
    ["v1", "Node", "c"],
  ]);
});

test("what is not there is undefined, false or gone; an outdated version conflicts", async () => {
  await using server = await FakeApiServer.start();
  const client = server.client();
  expect(await client.get(NODES, { name: "a" })).toBeUndefined();
  expect(await client.delete(NODES, { name: "a" })).toBe(false);
  expect(await client.evict({ namespace: "x", name: "p" })).toBe("gone");
  expect(isNotFound(await client.mergePatch(NODES, { name: "a" }, {}).catch((error: unknown) => error))).toBe(true);
  server.put(PATH, { metadata: { name: "a" } });
  const outdated = client.mergePatch(NODES, { name: "a" }, { value: 1 }, { resourceVersion: "1" });
  expect(isConflict(await outdated.catch((error: unknown) => error))).toBe(true);
});

test("an unreachable server, a connection that breaks off and an answer that is no JSON are connection errors", async () => {
  await using server = await FakeApiServer.start();
  const client = server.client();
  server.fail("GET", /./, 1, (response) => response.socket?.destroy());
  await expect(client.list(NODES)).rejects.toThrow(ConnectionError);
  server.fail("GET", /./, 1, (response) => {
    response.writeHead(200, { "content-length": "100" });
    response.write('{"items":[', () => response.socket?.destroy());
  });
  await expect(client.list(NODES)).rejects.toThrow(ConnectionError);
  server.fail("GET", /./, 1, (response) => response.end("hello"));
  await expect(client.list(NODES)).rejects.toThrow(
    /^Cannot list nodes: API server http.*: it did not answer with a JSON object$/,
  );
  const { url } = server;
  await server[Symbol.asyncDispose]();
  const refused = await client.list(NODES).catch((error: unknown) => error);
  expect(refused).toBeInstanceOf(ConnectionError);
  expect((refused as Error).message).toStartWith(`Cannot list nodes: API server ${url}: `);
});

/** Answers every request after `gate`, except on connections that are dead: those swallow what they get. */
async function swallowingServer(gate: () => Promise<unknown> = async () => undefined) {
  const sockets = new Set<net.Socket>();
  const dead = new Set<net.Socket>();
  const server = net.createServer((socket) => {
    sockets.add(socket);
    socket.on("data", () => {
      const answer = (): void => {
        if (!dead.has(socket)) socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${NODE_A.length}\r\n\r\n${NODE_A}`);
      };
      void gate().then(answer);
    });
    socket.on("error", () => undefined);
    socket.on("close", () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen({ host: "127.0.0.1", port: 0 }, resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    sockets,
    /** What is open now is dead; what is opened later works. */
    killOpen: () => sockets.forEach((socket) => dead.add(socket)),
    dead,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const NODE_A = '{"kind":"Node","metadata":{"name":"a"}}';

test("after three calls in a row without an answer no connection from before is used, and idle ones are closed", async () => {
  const SIZE = 6;
  const all = Promise.withResolvers<void>();
  let arrived = 0;
  await using server = await swallowingServer(async () => {
    if (++arrived >= SIZE) all.resolve();
    await all.promise;
  });
  await using fake = await FakeApiServer.start();
  const identity = { headers: {}, tls: {} };
  const credentials = { identity: async () => identity, invalidate: () => undefined };
  const config = { server: server.url, namespace: "", source: "", credentials };
  const client = fake.client({ config, timeoutMs: 5000 });
  const get = (options = {}) => client.get(NODES, { name: "a" }, options);
  await Promise.all(Array.from({ length: SIZE }, () => get()));
  expect(server.sockets.size).toBe(SIZE);
  server.killOpen();
  for (let i = 0; i < 3; i++) {
    await expect(get({ timeoutMs: 50 })).rejects.toThrow(`API server ${server.url}: no answer within 0.05 s`);
  }
  expect((await get())?.metadata.name).toBe("a");
  await until(() => ![...server.sockets].some((socket) => server.dead.has(socket)));
  expect(server.sockets.size).toBe(1);
});

test("a slow call costs its own connection, and none of the others", async () => {
  await using server = await FakeApiServer.start();
  server.put(PATH, { metadata: { name: "a" } });
  const client = server.client({ maxConnections: 8 });
  const many = () => Promise.all(Array.from({ length: 100 }, () => client.get(NODES, { name: "a" })));
  const slow = () => client.get(NODES, { name: "slow" }, { timeoutMs: 30 });
  await many();
  const before = server.connections;
  server.fail("GET", /slow/, 4, () => undefined);
  for (const call of [slow, slow, many, slow, slow, many]) await call().catch(() => undefined);
  expect(server.connections).toBeLessThanOrEqual(before + 4);
});

test("connections made with TLS parts that have changed are closed once they are idle", async () => {
  await using server = await FakeApiServer.start();
  server.put(PATH, { metadata: { name: "a" } });
  const identity = { headers: {}, tls: {} };
  const credentials = { identity: async () => identity, invalidate: () => undefined };
  const client = server.client({ config: { server: server.url, namespace: "", source: "", credentials } });
  await Promise.all(Array.from({ length: 20 }, () => client.get(NODES, { name: "a" })));
  expect(server.open).toBeGreaterThan(1);
  identity.tls = {};
  await client.get(NODES, { name: "a" });
  await until(() => server.open === 1);
});

test("a connection that is idle for long is closed, and a call may take longer than that", async () => {
  await using server = await FakeApiServer.start();
  server.put(PATH, { metadata: { name: "a" } });
  const client = server.client({ idleMs: 40 });
  server.fail("GET", /./, 1, (response) => void setTimeout(() => sendStatus(response, 404, "NotFound", "no"), 120));
  expect(await client.get(NODES, { name: "a" })).toBeUndefined();
  await until(() => server.open === 0);
  expect(server.connections).toBe(1);
});

test("a read over a connection that the server is just closing is sent again over a fresh one, a write is not", async () => {
  await using server = await FakeApiServer.start();
  server.put(PATH, { metadata: { name: "a" } });
  const client = server.client();
  const close = (method: string, times: number) =>
    server.fail(method, /./, times, (response) => response.socket?.destroy());
  close("GET", 1);
  await expect(client.get(NODES, { name: "a" })).rejects.toThrow(ConnectionError);
  await client.get(NODES, { name: "a" });
  close("GET", 1);
  expect((await client.get(NODES, { name: "a" }))?.metadata.name).toBe("a");
  await client.get(NODES, { name: "a" });
  close("GET", 2);
  await expect(client.get(NODES, { name: "a" })).rejects.toThrow(ConnectionError);
  await client.get(NODES, { name: "a" });
  close("PATCH", 1);
  await expect(client.mergePatch(NODES, { name: "a" }, {})).rejects.toThrow(ConnectionError);
  expect(server.requests.filter((line) => line.startsWith("PATCH")).length).toBe(1);
});

test.each([
  ["longer than the call may take", "3600", 3000, 1],
  ["without end", "1e400", 3000, 1],
  ["longer than is sensible", "3600", 100_000, 4],
  ["again and again", "1", 5500, 6],
  ["no time, again and again", "0", 100_000, 11],
])(
  "a server that asks to wait %s is waited for within the call's time",
  async (_name, retryAfter, timeoutMs, requests) => {
    await using server = await FakeApiServer.start();
    const clock = new FakeClock();
    let attempts = 0;
    const client = server.client({ clock, onRequest: () => void attempts++ });
    server.fail("GET", /./, 1e9, (response) => {
      response.setHeader("retry-after", retryAfter);
      sendStatus(response, 503, "ServiceUnavailable", "in maintenance");
    });
    const progress = { ended: false, seen: 0 };
    const call = client
      .get(NODES, { name: "a" }, { timeoutMs })
      .catch((error: unknown) => error)
      .finally(() => (progress.ended = true));
    while (!progress.ended) {
      // No time passes while a request is under way.
      await until(() => attempts > progress.seen);
      progress.seen = attempts;
      await settled();
      if (!progress.ended) await clock.advance(clock.untilNext!);
    }
    expect(await call).toMatchObject({ name: "ApiError", status: 503, detail: "in maintenance" });
    expect(clock.monotonic()).toBeLessThanOrEqual(timeoutMs);
    expect(server.requests.length).toBe(requests);
  },
);

test("what a server was waited for is missing from the time that the next try has", async () => {
  await using server = await FakeApiServer.start();
  const clock = new FakeClock();
  let attempts = 0;
  const client = server.client({ clock, onRequest: () => void attempts++ });
  server.fail("GET", /./, 1, (response) => {
    response.setHeader("retry-after", "1");
    sendStatus(response, 503, "ServiceUnavailable", "in maintenance");
  });
  server.fail("GET", /./, 1, () => undefined);
  const call = client.get(NODES, { name: "a" }, { timeoutMs: 3000 }).catch((error: unknown) => error);
  await until(() => attempts === 1);
  await settled();
  await clock.advance(1000);
  await until(() => server.requests.length === 2);
  await clock.advance(clock.untilNext!);
  expect(((await call) as Error).message).toEndWith("no answer within 2 s");
  expect(clock.monotonic()).toBe(3000);
});

test("credentials that cannot be read are reported as such, with their source", async () => {
  await using server = await FakeApiServer.start();
  const credentials = {
    identity: async () => Promise.reject(new Error("cannot read /run/token: ENOENT: no such file or directory")),
    invalidate: () => undefined,
  };
  const client = server.client({
    config: { server: server.url, namespace: "", source: "/home/me/config", credentials },
  });
  await expect(client.list(NODES)).rejects.toThrow(
    /^Cannot list nodes: cannot use the credentials of \/home\/me\/config: cannot read \/run\/token: ENOENT: no such file or directory$/,
  );
});

test("an abort ends the wait for credentials at once, with the signal's reason", async () => {
  await using server = await FakeApiServer.start();
  // As a login in a browser that nobody finishes.
  const credentials = { identity: () => new Promise<never>(() => undefined), invalidate: () => undefined };
  const client = server.client({ config: { server: server.url, namespace: "", source: "", credentials } });
  const abort = new AbortController();
  const reason = new Error("stop");
  const call = client.list(NODES, { signal: abort.signal }).catch((error: unknown) => error);
  abort.abort(reason);
  expect(await call).toBe(reason);
  expect(await client.list(NODES, { signal: abort.signal }).catch((error: unknown) => error)).toBe(reason);
});

const LOGIN_PAGE = "<html><body>Please log in</body></html>";

test.each<[string, number, Record<string, string>, string, string]>([
  [
    "a redirect",
    302,
    { location: "https://login.example/" },
    "",
    "the server redirects to https://login.example/, which is not followed",
  ],
  ["a redirect without a target", 307, {}, "", "the server redirects to nowhere, which is not followed"],
  ["a login page", 200, { "content-type": "text/html" }, LOGIN_PAGE, "it did not answer with a JSON object"],
  ["an empty answer", 200, {}, "", "it did not answer with a JSON object"],
  ["a list", 200, {}, "[]", "it did not answer with a JSON object"],
  ["another object", 200, {}, '{"kind":"Login"}', "it answered with a Login"],
  ["an object of no kind", 200, {}, "{}", "it answered with an object of no kind"],
  ["a failure", 200, {}, '{"kind":"Status","status":"Failure","message":"not now"}', "not now"],
])("%s is no success, neither for a write nor for a read", async (_name, status, headers, body, reason) => {
  await using server = await FakeApiServer.start();
  const client = server.client();
  const ref = { namespace: "x", name: "p" };
  const calls = {
    evict: () => client.evict(ref),
    delete: () => client.delete(PODS, ref),
    patch: () => client.mergePatch(PODS, ref, {}),
    get: () => client.get(PODS, ref),
  };
  for (const [action, call] of Object.entries(calls)) {
    for (const method of ["GET", "POST", "PATCH", "DELETE"]) {
      server.fail(method, /./, 1, (response) => {
        response.writeHead(status, headers);
        response.end(body);
      });
    }
    await expect(call()).rejects.toThrow(new RegExp(`^Cannot ${action} Pod "x/p": .*${reason}`));
    server.heal();
  }
});

test("a deletion that finalizers hold up answers with the object, and is a success", async () => {
  await using server = await FakeApiServer.start();
  server.fail("DELETE", /./, 1, (response) => response.end('{"kind":"Node","metadata":{"name":"a"}}'));
  expect(await server.client().delete(NODES, { name: "a" })).toBe(true);
});

test("an abort ends a call, a stream and a wait for a place at once, with the signal's reason", async () => {
  await using server = await FakeApiServer.start();
  const client = server.client({ maxConnections: 1 });
  server.fail("GET", /nodes\/a/, 1, () => undefined);
  const abort = new AbortController();
  const reason = new Error("stop");
  const call = client.get(NODES, { name: "a" }, { signal: abort.signal }).catch((error: unknown) => error);
  const waiting = client.get(NODES, { name: "b" }, { signal: abort.signal }).catch((error: unknown) => error);
  const watching = (async () => {
    for await (const event of client.watch(NODES, { resourceVersion: "0", signal: abort.signal })) void event;
  })().catch((error: unknown) => error);
  const { promise, resolve } = Promise.withResolvers<void>();
  const poll = setInterval(() => server.watchers === 1 && resolve(), 5);
  await promise.finally(() => clearInterval(poll));
  abort.abort(reason);
  expect(await Promise.all([call, waiting, watching])).toEqual([reason, reason, reason]);
});

test("an urgent call waits for no place that slow ones hold", async () => {
  await using server = await FakeApiServer.start();
  server.put(PATH, { metadata: { name: "a" } });
  server.fail("GET", /slow/, 2, () => undefined);
  const client = server.client({ maxConnections: 2, qps: 0.001, burst: 2 });
  const abort = new AbortController();
  const slow = [1, 2, 3].map(() => client.get(NODES, { name: "slow" }, { signal: abort.signal }).catch(() => "ended"));
  expect(await client.get(NODES, { name: "a" }, { urgent: true })).toMatchObject({ metadata: { name: "a" } });
  abort.abort();
  expect(await Promise.all(slow)).toEqual(["ended", "ended", "ended"]);
});

test("a server on its way down is asked again when it says so", async () => {
  await using server = await FakeApiServer.start();
  server.put(PATH, { metadata: { name: "a" } });
  server.fail("GET", /./, 1, (response) => {
    response.setHeader("retry-after", "1");
    sendStatus(response, 503, "ServiceUnavailable", "shutting down");
  });
  const client = server.client({ clock: hurriedClock(100), timeoutMs: 600_000 });
  expect((await client.get(NODES, { name: "a" }))?.metadata.name).toBe("a");
});

test("each attempt is counted with its method and code", async () => {
  await using server = await FakeApiServer.start();
  const seen: string[] = [];
  const client = server.client({ onRequest: ({ method, code }) => void seen.push(`${method} ${code}`) });
  await client.get(NODES, { name: "a" });
  await client.create(NODES, { metadata: { name: "a" } });
  server.fail("PATCH", /./, 1, (response) => response.socket?.destroy());
  await client.mergePatch(NODES, { name: "a" }, {}).catch(() => undefined);
  expect(seen).toEqual(["GET 404", "POST 201", "PATCH <error>"]);
});

describe("a server that never stops", () => {
  /** Writes to an answer as fast as it is read. */
  const endless = (response: http.ServerResponse, status: number, begin: string, piece: string): void => {
    response.writeHead(status, { "content-type": "application/json" });
    response.write(begin);
    const more = (): void => {
      while (!response.destroyed && response.write(piece));
    };
    response.on("drain", more);
    more();
  };
  const filler = "x".repeat(65_536);

  test.each([
    ["an answer", 200, "it answers with more than 67108864 bytes"],
    ["an error", 500, "it answers with more than 1048576 bytes"],
    ["a redirect", 302, "it answers with more than 1048576 bytes"],
  ])("is cut off in %s", async (_name, status, reason) => {
    await using server = await FakeApiServer.start();
    server.fail("GET", /./, 1, (response) => endless(response, status, '{"kind":"', filler));
    await expect(server.client().get(NODES, { name: "a" })).rejects.toThrow(reason);
    // The connection is not used again, and the next call works.
    expect(await server.client().get(NODES, { name: "a" })).toBeUndefined();
  });

  test("is cut off when its time is over, and what it has said so far is no answer", async () => {
    await using server = await FakeApiServer.start();
    server.fail("GET", /./, 1, (response) => void response.writeHead(200).write('{"kind":"Node","metadata":{}}'));
    const call = server.client().get(NODES, { name: "a" }, { timeoutMs: 200 });
    await expect(call).rejects.toThrow("no answer within 0.2 s");
  });

  test("is cut off in an event of a watch", async () => {
    await using server = await FakeApiServer.start();
    server.fail("GET", /watch/, 1, (response) => endless(response, 200, '{"type":"ADDED","object":{"kind":"', filler));
    const watching = (async () => {
      for await (const event of server.client().watch(NODES, { resourceVersion: "0" })) void event;
    })();
    await expect(watching).rejects.toThrow(
      /^Cannot watch nodes: API server .*: a line of the stream has more than 16777216 bytes$/,
    );
  });

  test("is asked for in smaller pages, if it is large because of its objects", async () => {
    await using server = await FakeApiServer.start();
    for (let i = 0; i < 30; i++) server.put("/api/v1/nodes", { metadata: { name: `n${i}` } });
    server.fail("GET", /limit=(100|25)\b/, Infinity, (response) => response.end(" ".repeat(17 * 1024 * 1024)));
    expect((await server.client().list(NODES)).items).toHaveLength(30);
  });

  test("is asked for in larger pages again after them: a list of many objects comes to its end", async () => {
    await using server = await FakeApiServer.start();
    for (let i = 0; i < 250; i++) server.put("/api/v1/nodes", { metadata: { name: `n${i}` } });
    server.fail("GET", /limit=(100|25|7|2)\b/, 4, (response) => response.end(" ".repeat(17 * 1024 * 1024)));
    const client = server.client({ qps: 100_000, burst: 100_000 });
    expect((await client.list(NODES)).items).toHaveLength(250);
    // Four are too large, and the others have 1, 2, 4 and so on.
    expect(server.requests.length).toBeLessThan(4 + 12);
  });

  test("is cut off in the pages of a list", async () => {
    await using server = await FakeApiServer.start();
    let page = 0;
    server.fail("GET", /./, Infinity, (response) =>
      response.end(JSON.stringify({ kind: "NodeList", metadata: { resourceVersion: "1", continue: `${++page}` } })),
    );
    const client = server.client({ qps: 100_000, burst: 100_000 });
    await expect(client.list(NODES)).rejects.toThrow(/^Cannot list nodes: .*: it has more than 2000 pages of nodes$/);
    expect(page).toBe(2000);
  });
});

test("a kind that the server does not know is said in words, not in those of an HTTP server", async () => {
  await using server = await FakeApiServer.start();
  server.fail("GET", /./, 1, (response) => void response.writeHead(404).end("404 page not found\n"));
  const error = await server
    .client()
    .list(PODS)
    .catch((thrown: unknown) => thrown);
  expect((error as Error).message).toBe("Cannot list pods: the API server knows no objects of that kind");
});

test("advice is asked for about what is forbidden, and is no part of the server's own words", async () => {
  await using server = await FakeApiServer.start();
  const client = server.client({ advise: (message) => (message === "no" ? "ask for it" : undefined) });
  const failure = async (status: number, reason: string, message: string): Promise<ApiError> => {
    server.fail("GET", /./, 1, (response) => sendStatus(response, status, reason, message));
    return (await client.list(PODS).catch((thrown: unknown) => thrown)) as ApiError;
  };
  expect(await failure(403, "Forbidden", "no")).toMatchObject({
    message: "Cannot list pods: no; ask for it",
    detail: "no",
  });
  expect(await failure(403, "Forbidden", "never")).toMatchObject({ message: "Cannot list pods: never" });
  expect(await failure(400, "BadRequest", "no")).toMatchObject({ message: "Cannot list pods: no" });
});

test("an object that a refusal repeats does not hide what is wrong", async () => {
  await using server = await FakeApiServer.start();
  const value = JSON.stringify({ a: "x".repeat(5000) }).replaceAll('"', '\\"');
  const said = `"" is invalid: patch: Invalid value: "${value}": strict decoding error: unknown field "b"`;
  server.fail("GET", /./, 1, (response) => sendStatus(response, 400, "BadRequest", said));
  const { message, detail } = (await server
    .client()
    .list(PODS)
    .catch((thrown: unknown) => thrown)) as ApiError;
  expect(detail.length).toBeLessThan(250);
  expect(message).toMatch(
    /^Cannot list pods: "" is invalid: patch: Invalid value: "\{.*\.\.\.": strict decoding error: unknown field "b"$/,
  );
});
