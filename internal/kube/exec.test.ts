/** The client's side of exec, against a server that speaks the protocol or does not. A real one is in *.node.test.ts. */
import { afterEach, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { createServer, type Server, type Socket } from "node:net";
import type { AddressInfo } from "node:net";
import { exitCodeOf, RemoteProgram } from "./exec.ts";
import { Transport } from "./transport.ts";
import { clientFrame } from "./web-socket.ts";

const { signal } = new AbortController();
const POD = { namespace: "a", name: "p" };
let server: Server | undefined;
let transport: Transport | undefined;
afterEach(() => {
  transport?.close();
  server?.close();
});

/** A server that answers the first request by `answer`, and then gives the connection and what was asked to `talk`. */
async function serving(talk: (socket: Socket, request: string) => void, answer = accepted): Promise<Transport> {
  server = createServer((socket) => {
    socket.on("error", () => undefined);
    socket.once("data", (data: Buffer) => {
      socket.write(answer(data.toString()));
      talk(socket, data.toString());
    });
  });
  await new Promise<void>((resolve) => server!.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const identity = { headers: { authorization: "Bearer x" }, tls: {} };
  transport = new Transport({
    config: {
      server: url,
      namespace: "a",
      source: "test",
      credentials: { identity: async () => identity, invalidate: () => undefined },
    },
  });
  return transport;
}

function accepted(request: string): string {
  const key = /sec-websocket-key: (\S+)/i.exec(request)?.[1] ?? "";
  const accept = createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
  return `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\nSec-WebSocket-Protocol: v4.channel.k8s.io\r\n\r\n`;
}

/** A frame of a server, which is not masked. */
function frame(payload: Buffer, opcode = 2): Buffer {
  const head = payload.length < 126 ? Buffer.from([0x80 | opcode, payload.length]) : Buffer.from([0x80 | opcode, 127]);
  const length = Buffer.alloc(8);
  length.writeBigUInt64BE(BigInt(payload.length));
  return Buffer.concat(payload.length < 126 ? [head, payload] : [head, length, payload]);
}

const message = (channel: number, text: string): Buffer =>
  frame(Buffer.concat([Buffer.from([channel]), Buffer.from(text)]));
const FAILED = JSON.stringify({
  status: "Failure",
  reason: "NonZeroExitCode",
  details: { causes: [{ reason: "ExitCode", message: "3" }] },
});

test("what a program prints comes in order, and then its exit code", async () => {
  let asked = "";
  const bytes = Buffer.concat([
    message(1, ""),
    message(1, "one "),
    frame(Buffer.from("are you there"), 9),
    message(2, "err"),
    message(1, "x".repeat(200_000)),
    message(3, FAILED),
  ]);
  const it = await serving((socket, request) => {
    asked = request;
    // In pieces that end anywhere.
    for (let at = 0; at < bytes.length; at += 7001) socket.write(bytes.subarray(at, at + 7001));
  });
  const got = { stdout: "", stderr: "" };
  const program = await RemoteProgram.start(
    it,
    POD,
    { container: "c", command: ["a b", "--c=d"], output: (stream, piece) => void (got[stream] += piece.toString()) },
    signal,
  );
  expect(await program.exit).toBe(3);
  expect(got).toEqual({ stdout: `one ${"x".repeat(200_000)}`, stderr: "err" });
  expect(asked).toStartWith(
    "GET /api/v1/namespaces/a/pods/p/exec?container=c&stdin=true&stdout=true&stderr=true&command=a+b&command=--c%3Dd HTTP/1.1",
  );
  expect(asked).toMatch(/authorization: Bearer x/i);
  // The API server answers 406 to any other.
  expect(asked).toMatch(/^accept: \*\/\*\r$/im);
});

test("what is written to the program is masked, with the number of its stream", async () => {
  const heard = Promise.withResolvers<Buffer>();
  const it = await serving((socket) => socket.once("data", (data: Buffer) => heard.resolve(data)));
  const program = await RemoteProgram.start(
    it,
    POD,
    { container: "c", command: ["x"], output: () => undefined },
    signal,
  );
  program.send("q");
  const data = await heard.promise;
  expect([...data.subarray(0, 2)]).toEqual([0x82, 0x82]);
  expect([...data.subarray(6)].map((byte, i) => byte ^ data[2 + i]!)).toEqual([0, 113]);
  program.close();
  await expect(program.exit).rejects.toThrow("Cannot follow the program to its end: the connection was closed");
});

test.each<[string, (socket: Socket) => void, string]>([
  ["that ends it", (socket) => socket.end(), "the connection was closed"],
  [
    "that sends masked frames",
    (socket) => socket.write(clientFrame(2, Buffer.from("x"))),
    "does not answer as a WebSocket",
  ],
  [
    "that announces too much",
    (socket) => socket.write(Buffer.from([0x82, 127, 0, 1, 0, 0, 0, 0, 0, 0])),
    "does not answer as a WebSocket",
  ],
  ["that sends no status", (socket) => socket.write(message(3, "<html>")), "which is not JSON"],
  [
    "whose program cannot start",
    (socket) => socket.write(message(3, '{"status":"Failure","message":"no such file"}')),
    "no such file",
  ],
])("a server %s is told", async (_what, talk, expected) => {
  const it = await serving(talk);
  const program = await RemoteProgram.start(
    it,
    POD,
    { container: "c", command: ["x"], output: () => undefined },
    signal,
  );
  await expect(program.exit).rejects.toThrow(expected);
});

test("a refusal is the API server's own, and an answer in another protocol is none", async () => {
  const status = JSON.stringify({ kind: "Status", reason: "Forbidden", message: "pods/exec is forbidden" });
  const refusal = `HTTP/1.1 403 Forbidden\r\ncontent-type: application/json\r\ncontent-length: ${status.length}\r\n\r\n${status}`;
  const start = (it: Transport): Promise<RemoteProgram> =>
    RemoteProgram.start(it, POD, { container: "c", command: ["x"], output: () => undefined }, signal);
  await expect(
    start(
      await serving(
        () => undefined,
        () => refusal,
      ),
    ),
  ).rejects.toThrow("pods/exec is forbidden");
  server?.close();
  const other = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
  await expect(
    start(
      await serving(
        () => undefined,
        () => other,
      ),
    ),
  ).rejects.toThrow("does not change to the protocol");
});

test("exit codes", () => {
  expect(exitCodeOf('{"status":"Success"}')).toBe(0);
  expect(exitCodeOf(FAILED)).toBe(3);
});
