import { afterEach, describe, expect, test } from "bun:test";
import { connect, type Socket } from "node:net";
import { poll } from "../testcluster/lib/poll.ts";
import { ProbeServer, type Handler, type ServerOptions } from "./server.ts";

const REQUEST = "GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n";
const ANY_PORT = { host: "127.0.0.1", port: 0 };

let server: ProbeServer;
afterEach(() => server.close());

async function listen(paths: Record<string, Handler>, options?: ServerOptions): Promise<void> {
  server = await ProbeServer.listen(ANY_PORT, paths, options);
}

/** A client on a raw socket, which sends what it is told and notes what it gets. */
class Client {
  readonly #socket: Socket;
  received = "";
  closed = false;

  constructor(text = "", localAddress = "127.0.0.1") {
    this.#socket = connect({ ...ANY_PORT, port: server.port, localAddress, allowHalfOpen: true });
    this.#socket.on("data", (chunk) => (this.received += chunk.toString("latin1")));
    // The server ends its half; an end or an error of the connection is the same for this client.
    this.#socket.on("end", () => this.close());
    this.#socket.on("error", () => this.close());
    this.#socket.on("close", () => (this.closed = true));
    if (text !== "") this.#socket.write(text);
  }

  send(text: string): void {
    this.#socket.write(text);
  }

  endSending(): void {
    this.#socket.end();
  }

  close(): void {
    this.closed = true;
    this.#socket.destroy();
  }

  async answer(): Promise<string> {
    await poll(() => this.closed, { what: "The end of the connection", timeoutMs: 10_000, intervalMs: 2 });
    return this.received;
  }
}

const statusOf = (answer: string): string => answer.split("\r\n", 1)[0]!;

describe("a client that asks for too much", () => {
  test("is answered one request a connection, however many it sends at once", async () => {
    let calls = 0;
    await listen({
      "/healthz": async () => {
        calls++;
        // As slow as rendering metrics: requests that are already here must not be taken up meanwhile.
        await new Promise((resolve) => setTimeout(resolve, 20));
        return "ok".repeat(5000);
      },
    });
    const clients = Array.from({ length: 5 }, () => new Client(REQUEST.repeat(2000)));
    for (const client of clients) expect((await client.answer()).split("HTTP/1.1 200")).toHaveLength(2);
    expect(calls).toBe(5);
  });

  test("with idle connections loses the oldest of them, and others are still answered", async () => {
    await listen({ "/healthz": () => "ok" }, { maxConnections: 10 });
    const idle = Array.from({ length: 100 }, () => new Client("GET /healthz HTTP/1.1\r\nhost:"));
    await poll(() => idle.filter(({ closed }) => closed).length >= 90, { what: "The end of idle connections" });
    expect(statusOf(await new Client(REQUEST).answer())).toBe("HTTP/1.1 200 OK");
    expect(idle.filter(({ closed }) => !closed).length).toBeLessThan(10);
    for (const client of idle) client.close();
  });

  test("loses its own connections, not those of other addresses", async () => {
    await listen({ "/healthz": () => "ok" }, { maxConnections: 10 });
    const others = ["127.0.0.2", "127.0.0.3", "127.0.0.3"].map((address) => new Client("GET /hea", address));
    await poll(() => server.connections === 3, { what: "The connections of others" });
    const many = Array.from({ length: 50 }, () => new Client("GET /healthz HTTP/1.1\r\nhost:"));
    await poll(() => many.filter(({ closed }) => closed).length >= 43, { what: "The end of the first of many" });
    for (const client of others) {
      client.send("lthz HTTP/1.1\r\n\r\n");
      expect(statusOf(await client.answer())).toBe("HTTP/1.1 200 OK");
    }
    for (const client of many) client.close();
  });

  test("is not listened to after its answer, and its connection is not kept", async () => {
    await listen({ "/healthz": () => "ok" }, { connectionMs: 60_000 });
    const deaf = connect({ ...ANY_PORT, port: server.port, allowHalfOpen: true });
    const closed = Promise.withResolvers<void>();
    deaf.on("error", () => closed.resolve());
    deaf.on("close", () => closed.resolve());
    // It takes no notice of the end, and sends on.
    deaf.write(REQUEST);
    await poll(() => deaf.bytesRead > 0, { what: "The answer" });
    const more = setInterval(() => deaf.write(REQUEST), 5);
    await poll(() => server.connections === 0, { what: "The end of the connection" });
    await closed.promise;
    clearInterval(more);
  });

  test("that never ends its request, or never reads, is cut off in time", async () => {
    await listen({ "/healthz": () => "x".repeat(20_000_000) }, { connectionMs: 100 });
    const slow = new Client("GET /heal");
    expect(await slow.answer()).toBe("");
    const deaf = connect({ ...ANY_PORT, port: server.port });
    deaf.on("error", () => undefined);
    deaf.pause();
    deaf.write(REQUEST);
    await poll(() => server.connections === 0, { what: "The end of the connection that is not read" });
    deaf.destroy();
  });

  test("with an endless header is told so", async () => {
    await listen({ "/healthz": () => "ok" });
    const client = new Client(`GET /healthz HTTP/1.1\r\nx: ${"y".repeat(100_000)}`);
    expect(statusOf(await client.answer())).toBe("HTTP/1.1 431 Request Header Fields Too Large");
  });
});

describe("requests", () => {
  const paths: Record<string, Handler> = {
    "/healthz": () => "ok",
    "/readyz": () => ({ status: 503, body: "not yet: ä\n" }),
    "/metrics": async () => ({ status: 200, body: "# HELP x\n", contentType: "text/plain; version=0.0.4" }),
    "/broken": () => Promise.reject(new Error("out of order")),
  };
  const rows: Record<string, [string, string]> = {
    "a probe": [REQUEST, "HTTP/1.1 200 OK"],
    "a probe with a query": ["GET /healthz?verbose HTTP/1.1\r\nhost: a\r\n\r\n", "HTTP/1.1 200 OK"],
    "HTTP 1.0": ["GET /readyz HTTP/1.0\r\n\r\n", "HTTP/1.1 503 Service Unavailable"],
    "another method": [
      "POST /healthz HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc",
      "HTTP/1.1 405 Method Not Allowed",
    ],
    "another path": ["GET / HTTP/1.1\r\nhost: a\r\n\r\n", "HTTP/1.1 404 Not Found"],
    "a name that every object has": ["GET toString HTTP/1.1\r\nhost: a\r\n\r\n", "HTTP/1.1 404 Not Found"],
    "another method on another path": ["DELETE /x HTTP/1.1\r\nhost: a\r\n\r\n", "HTTP/1.1 404 Not Found"],
    "a handler that fails": ["GET /broken HTTP/1.1\r\nhost: a\r\n\r\n", "HTTP/1.1 500 Internal Server Error"],
    "no HTTP": ["\x16\x03\x01\r\n\r\n", "HTTP/1.1 400 Bad Request"],
    "HTTP 2": ["PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "HTTP/1.1 400 Bad Request"],
  };
  for (const [name, [request, status]] of Object.entries(rows)) {
    test(`${name}: ${status}`, async () => {
      await listen(paths);
      expect(statusOf(await new Client(request).answer())).toBe(status);
    });
  }

  test("are answered to the last byte, however slowly it is read", async () => {
    const body = "0123456789".repeat(2_000_000);
    await listen({ "/healthz": () => body });
    const slow = connect({ ...ANY_PORT, port: server.port });
    let read = "";
    slow.on("data", (chunk) => {
      read += chunk.toString("latin1");
      slow.pause();
      setTimeout(() => slow.resume(), 1);
    });
    slow.write(REQUEST);
    await new Promise((resolve) => slow.on("close", resolve));
    expect(read.slice(read.indexOf("\r\n\r\n") + 4) === body).toBe(true);
  });

  test("that come in pieces", async () => {
    await listen(paths);
    const client = new Client();
    for (const byte of REQUEST) client.send(byte);
    expect(statusOf(await client.answer())).toBe("HTTP/1.1 200 OK");
  });

  test("of a client that ends its half of the connection first", async () => {
    await listen(paths);
    const whole = new Client(REQUEST);
    whole.endSending();
    expect(statusOf(await whole.answer())).toBe("HTTP/1.1 200 OK");
    const half = new Client("GET /healthz");
    half.endSending();
    expect(await half.answer()).toBe("");
  });

  test("are answered as clients read it, and HEAD without a body", async () => {
    await listen(paths);
    const url = `http://127.0.0.1:${server.port}`;
    const unready = await fetch(`${url}/readyz`);
    expect([unready.status, await unready.text()]).toEqual([503, "not yet: ä\n"]);
    expect(unready.headers.get("content-type")).toBe("text/plain; charset=utf-8");
    const metrics = await fetch(`${url}/metrics`);
    expect([metrics.headers.get("content-type"), await metrics.text()]).toEqual([
      "text/plain; version=0.0.4",
      "# HELP x\n",
    ]);
    const head = await fetch(`${url}/metrics`, { method: "HEAD" });
    expect([head.status, head.headers.get("content-length"), await head.text()]).toEqual([200, "9", ""]);
    const { status } = await fetch(`${url}/healthz`, { method: "POST", body: "x" });
    expect(status).toBe(405);
  });

  test("that fail are told to whoever listens", async () => {
    const errors: unknown[] = [];
    await listen(paths, { onError: (error) => errors.push(error) });
    await fetch(`http://127.0.0.1:${server.port}/broken`);
    expect(errors.map(String)).toEqual(["Error: out of order"]);
  });
});

test("the end of the server is the end of its connections", async () => {
  await listen({});
  const client = new Client("GET ");
  await poll(() => server.connections === 1, { what: "The connection" });
  await server.close();
  await client.answer();
  expect(fetch(`http://127.0.0.1:${server.port}/`)).rejects.toThrow();
});

test("an address that is taken, or not this machine's, is an error that names it", async () => {
  await listen({});
  const again = ProbeServer.listen({ host: "127.0.0.1", port: server.port }, {});
  await expect(again).rejects.toThrow(`Cannot listen on 127.0.0.1:${server.port}: the port is in use`);
  const foreign = ProbeServer.listen({ host: "192.0.2.1", port: 0 }, {});
  await expect(foreign).rejects.toThrow("Cannot listen on 192.0.2.1:0: ");
});
