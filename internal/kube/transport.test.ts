import { expect, test } from "bun:test";
import net from "node:net";
import type { AddressInfo } from "node:net";
import { ApiError, ConnectionError, isConflict, isNotFound, isTooManyRequests } from "./errors.ts";
import { NODES, PODS } from "./resource.ts";
import { FakeApiServer, sendStatus } from "./testing/fake-api-server.ts";
import { hurriedClock } from "./testing/fake-clock.ts";

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
  const client = server.client({ clock: hurriedClock(100) });
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
  await expect(client.get(NODES, { name: "a" })).rejects.toThrow('Cannot get Node "a": Unauthorized');
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
    /^Cannot list nodes: API server http.*: it did not answer with JSON$/,
  );
  const { url } = server;
  await server[Symbol.asyncDispose]();
  const refused = await client.list(NODES).catch((error: unknown) => error);
  expect(refused).toBeInstanceOf(ConnectionError);
  expect((refused as Error).message).toStartWith(`Cannot list nodes: API server ${url}: `);
});

test("a server that takes requests and never answers is given up, and not asked over the same connections again", async () => {
  const sockets = new Set<net.Socket>();
  let deaf = true;
  const server = net.createServer((socket) => {
    sockets.add(socket);
    socket.on("data", () => {
      if (!deaf) socket.write('HTTP/1.1 200 OK\r\ncontent-length: 30\r\n\r\n{"metadata":{"name":"a"}}     ');
    });
    socket.on("error", () => undefined);
  });
  await new Promise<void>((resolve) => server.listen({ host: "127.0.0.1", port: 0 }, resolve));
  await using fake = await FakeApiServer.start();
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const credentials = { identity: async () => ({ headers: {}, tls: {} }), invalidate: () => undefined };
  const client = fake.client({ config: { server: url, namespace: "", source: "", credentials }, timeoutMs: 100 });
  await expect(client.get(NODES, { name: "a" })).rejects.toThrow(`API server ${url}: no answer within 0.1 s`);
  deaf = false;
  expect((await client.get(NODES, { name: "a" }))?.metadata.name).toBe("a");
  for (const socket of sockets) socket.destroy();
  await new Promise((resolve) => server.close(resolve));
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
  const client = server.client({ clock: hurriedClock(100) });
  expect((await client.get(NODES, { name: "a" }))?.metadata.name).toBe("a");
});

test("each attempt is counted with its method and code", async () => {
  await using server = await FakeApiServer.start();
  const seen: string[] = [];
  const client = server.client({ onRequest: ({ method, code }) => void seen.push(`${method} ${code}`) });
  await client.get(NODES, { name: "a" });
  await client.create(NODES, { metadata: { name: "a" } });
  server.fail("GET", /./, 1, (response) => response.socket?.destroy());
  await client.list(NODES).catch(() => undefined);
  expect(seen).toEqual(["GET 404", "POST 201", "GET <error>"]);
});
