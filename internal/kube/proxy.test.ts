import { expect, test } from "bun:test";
import net, { type AddressInfo } from "node:net";
import { Client } from "./client.ts";
import { NODES } from "./resource.ts";
import { parseProxy, type Proxy } from "./proxy.ts";
import { proxyFromEnvironment } from "./proxy-environment.ts";
import { FakeApiServer } from "./testing/fake-api-server.ts";
import { startProxy, type TestProxyOptions } from "./testing/proxies.ts";
import { Transport } from "./transport.ts";

const PATH = "/api/v1/nodes";
const SERVER = "api.invalid:8080";

/** A client that knows a server only by a name that nothing resolves. */
function client(proxy: Proxy, scheme = "http"): Client {
  const identity = { headers: {}, tls: {} };
  const credentials = { identity: async () => identity, invalidate: () => undefined };
  const config = { server: `${scheme}://${SERVER}`, namespace: "default", source: "a test", credentials, proxy };
  return new Client(new Transport({ config, timeoutMs: 5000 }));
}

async function withServer(options: Omit<TestProxyOptions, "port">) {
  const server = await FakeApiServer.start();
  server.put(PATH, { metadata: { name: "a" } });
  const proxy = await startProxy({ ...options, port: Number(new URL(server.url).port) });
  return {
    server,
    proxy,
    async [Symbol.asyncDispose]() {
      await proxy[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

const login = { username: "u@corp", password: "p:%ä" };
const inUrl = `${encodeURIComponent(login.username)}:${encodeURIComponent(login.password)}@`;

test.each([
  ["http", {}, ""],
  ["http", { login }, inUrl],
  ["socks5", { kind: "socks5" as const }, ""],
  ["socks5", { kind: "socks5" as const, login }, inUrl],
])("calls and watches go through a %s proxy, over connections that are kept (%p)", async (protocol, options, at) => {
  await using started = await withServer(options);
  const { proxy, server } = started;
  const kube = client(parseProxy(`${protocol}://${at}127.0.0.1:${proxy.port}`));
  for (let i = 0; i < 5; i++) expect((await kube.get(NODES, { name: "a" }))?.metadata.name).toBe("a");
  expect(proxy.asked).toEqual(
    protocol === "http" ? Array.from({ length: 5 }, () => "GET http://api.invalid:8080/api/v1/nodes/a") : [SERVER],
  );
  expect(server.connections).toBe(1);
  expect(server.headers.map(({ host }) => host)).toEqual(Array.from({ length: 5 }, () => SERVER));
  expect(server.headers.some((headers) => "proxy-authorization" in headers)).toBeFalse();
  const watch = kube.watch(NODES, { resourceVersion: (await kube.list(NODES)).resourceVersion });
  const next = watch.next();
  while (server.watchers === 0) await Bun.sleep(5);
  server.put(PATH, { metadata: { name: "b" } });
  expect(JSON.stringify(await next)).toContain('"b"');
  await watch.return(undefined);
  kube.transport.close();
  // As Go's client has it: only proxies of other kinds are asked for connections to such a server.
  expect(proxy.asked.filter((each) => each === SERVER)).toHaveLength(protocol === "http" ? 0 : 2);
});

test.each([
  [
    "http",
    {},
    "it answers 407 to GET http://api.invalid:8080: put its login into its URL, http://USER:PASSWORD@HOST:PORT",
  ],
  ["http", { at: "u:secret@" }, "it answers 407 to GET http://api.invalid:8080: its login is wrong"],
  ["socks5", { at: "u:secret@", kind: "socks5" as const }, "Socks5 Authentication failed"],
])("a %s proxy that wants another login (%p) is named, and the login is not", async (protocol, options, reason) => {
  const { at = "", kind } = options as { at?: string; kind?: "socks5" };
  await using started = await withServer({ login, ...(kind ? { kind } : {}) });
  const address = `127.0.0.1:${started.proxy.port}`;
  const kube = client(parseProxy(`${protocol}://${at}${address}`));
  const error = (await kube.get(NODES, { name: "a" }).catch((thrown: unknown) => thrown)) as Error;
  expect(error.message).toStartWith(
    `Cannot get Node "a": API server http://api.invalid:8080: proxy ${protocol}://${address}: ${reason}`,
  );
  expect(error.message).not.toContain("secret");
});

/** What a person is told of a proxy that answers so. */
async function toldOf(answer: (socket: net.Socket) => void, scheme: string): Promise<string> {
  const server = net.createServer((socket) => {
    socket.on("error", () => undefined);
    socket.once("data", () => answer(socket));
  });
  await new Promise<void>((resolve) => server.listen({ host: "127.0.0.1", port: 0 }, resolve));
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const kube = client(parseProxy(address), scheme);
  const error = (await kube.get(NODES, { name: "a" }).catch((thrown: unknown) => thrown)) as Error;
  server.close();
  return error.message.replace(address, "PROXY");
}

test.each<[string, string, (socket: net.Socket) => void]>([
  ["speaks something else", "it does not answer as an HTTP proxy does", (socket) => socket.write("SSH-2.0-x\r\n\r\n")],
  ["never ends its head", "it does not answer as an HTTP proxy does", (socket) => socket.write("x".repeat(20_000))],
  [
    "refuses",
    "it answers 403 to CONNECT api.invalid:8080: check what it allows",
    (socket) => socket.write("HTTP/1.1 403 No\r\n\r\n"),
  ],
  ["closes", "it closes the connection", (socket) => socket.end()],
])("a proxy that %s is named", async (_name, reason, answer) => {
  expect(await toldOf(answer, "https")).toContain(`API server https://${SERVER}: proxy PROXY: ${reason}`);
});

test.each<[string, string, (socket: net.Socket) => void]>([
  ["speaks something else", "proxy PROXY: Parse Error", (socket) => socket.write("SSH-2.0-x\r\n\r\n")],
  ["closes", "proxy PROXY: socket hang up", (socket) => socket.end()],
])("a proxy that %s is named, if it passes on requests without TLS", async (_name, reason, answer) => {
  expect(await toldOf(answer, "http")).toContain(reason);
});

test("a proxy that does not answer costs no more than the call's own time", async () => {
  const server = net.createServer((socket) => void socket.on("error", () => undefined));
  await new Promise<void>((resolve) => server.listen({ host: "127.0.0.1", port: 0 }, resolve));
  const kube = client(parseProxy(`http://127.0.0.1:${(server.address() as AddressInfo).port}`));
  await expect(kube.get(NODES, { name: "a" }, { timeoutMs: 100 })).rejects.toThrow("no answer within 0.1 s");
  server.close();
});

test("a proxy that is not there is named", async () => {
  const kube = client(parseProxy("http://u:secret@127.0.0.1:1"));
  const error = (await kube.get(NODES, { name: "a" }).catch((thrown: unknown) => thrown)) as Error;
  expect(error.message).toContain("proxy http://127.0.0.1:1: ");
  expect(error.message).not.toContain("secret");
});

test.each([
  ["http://proxy.example.com", "http://proxy.example.com", 80],
  ["https://u:p@proxy.example.com", "https://proxy.example.com", 443],
  ["socks5://[::1]", "socks5://[::1]", 1080],
])("%s", (url, address, port) => {
  expect(parseProxy(url)).toMatchObject({ address, port });
});

test("an environment whose proxy is none is an error that names the variable, and no login", () => {
  const choose = (value: string) => () => proxyFromEnvironment("https://api.example.com", { https_proxy: value });
  expect(choose("ftp://u:secret@proxy:21")).toThrow(
    'https_proxy is "ftp://***@proxy:21", which is neither an http, https nor a socks5 proxy',
  );
  expect(choose("http://u:secret@proxy:99999")).toThrow(
    'https_proxy is "http://***@proxy:99999", which is not the URL of a proxy',
  );
});
