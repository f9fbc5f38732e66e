import { expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { closeSync, constants, existsSync, openSync } from "node:fs";
import { createServer } from "node:net";
import { connect } from "node:net";
import { once } from "node:events";
import { join } from "node:path";
import { silentLogger } from "../cli/log.ts";
import { poll } from "../testcluster/lib/poll.ts";
import { askForLook, askForStacks } from "./ask.ts";
import { readLine } from "./line.ts";
import { serveLooks, type ServeConfig } from "./serve.ts";
import { FakeProc, POD } from "./testing/fake-proc.ts";

const { signal: never } = new AbortController();
const REQUEST = { pods: [{ uid: POD, containers: ["app"] }] };

/** A server beside a /proc, until it is disposed of. */
async function serving(
  proc: FakeProc,
  readStacks: ServeConfig["readStacks"] = () => Promise.reject(new Error("nobody asks")),
  log = silentLogger,
): Promise<{ socket: string } & AsyncDisposable> {
  const stop = new AbortController();
  const socket = join(proc.root, "look/socket");
  const done = serveLooks({ socket, procDir: proc.root, readStacks }, log, stop.signal);
  await poll(() => existsSync(socket), { what: "The socket" });
  return {
    socket,
    async [Symbol.asyncDispose]() {
      stop.abort();
      await done;
    },
  };
}

test("a look is asked for and answered over a socket, which goes with the server", async () => {
  using proc = new FakeProc();
  proc.add(70, { fds: { 3: "onload:[tcp:2:10]" } });
  // Of a server that was killed.
  proc.write("look/socket", "");
  let path: string;
  {
    await using server = await serving(proc);
    path = server.socket;
    await poll(() => askForLook(path, REQUEST, never).catch(() => undefined), { what: "An answer" });
    const answers = await Promise.all([1, 2, 3].map(() => askForLook(path, REQUEST, never)));
    for (const { containers } of answers) expect(containers).toMatchObject([{ podUid: POD, stacks: 1 }]);
  }
  expect(existsSync(path)).toBe(false);
  await expect(askForLook(path, REQUEST, never)).rejects.toThrow("Cannot look into containers: ");
});

test("a look for which nobody waits any more is not made", async () => {
  using proc = new FakeProc();
  proc.add(70);
  proc.remove("70/maps");
  // Its reader waits for a second.
  execFileSync("mkfifo", [join(proc.root, "70/maps")]);
  const told: string[] = [];
  const log = { ...silentLogger, debug: (_: string, fields?: object) => void told.push(Bun.inspect(fields)) };
  await using server = await serving(proc, undefined, log);
  const first = poll(() => askForLook(server.socket, REQUEST, never).catch(() => undefined), { what: "An answer" });
  const second = await poll(() => askForLook(server.socket, REQUEST, never, 100).catch(String), { what: "The end" });
  expect(second).toContain("no answer within 0.1 s");
  await first;
  await askForLook(server.socket, REQUEST, never);
  expect(told.join()).toContain("nobody waits for it any more");
  closeSync(openSync(join(proc.root, "70/maps"), constants.O_RDWR | constants.O_NONBLOCK));
});

test("counters of stacks are asked for and answered, and a look does not wait for them", async () => {
  using proc = new FakeProc();
  proc.add(70, { fds: { 3: "onload:[tcp:2:10]" } });
  const { promise: hanging, reject: giveUp } = Promise.withResolvers<never>();
  const stacks = [{ id: 2, values: { sleeps: 1 } }];
  await using server = await serving(proc, (wanted) =>
    wanted.has(2) ? Promise.resolve({ total: 3, stacks }) : hanging,
  );
  expect(await askForStacks(server.socket, { stacks: [2] }, never)).toEqual({ total: 3, stacks });
  const waiting = askForStacks(server.socket, { stacks: [] }, never);
  expect((await askForLook(server.socket, REQUEST, never)).containers).toMatchObject([{ stackIds: [2] }]);
  giveUp(new Error("it does not end"));
  await expect(waiting).rejects.toThrow("it does not end");
});

test.each([
  "",
  "null",
  "{}",
  '{"pods":[{"uid":1,"containers":[]}]}',
  '{"pods":[{"uid":"a","containers":[{}]}]}',
  "x",
  '{"stacks":1}',
  '{"stacks":["1"]}',
  `{"stacks":[${"1,".repeat(256)}1]}`,
])("a request that is none is refused: %s", async (text) => {
  using proc = new FakeProc();
  await using server = await serving(proc);
  const connection = connect(server.socket);
  connection.write(`${text}\n`);
  expect(await readLine(connection, { limit: 1000, timeoutMs: 5000 })).toStartWith('{"error":');
  connection.destroy();
});

test.each([
  ["says nothing", "", "no answer within 0.2 s"],
  ["says too much", "x".repeat(17 * 1024 * 1024), "more than 16777216 bytes in a line"],
  ["says something else", "x\n", "Cannot look into containers: "],
  ["refuses", '{"error":"why"}\n', "Cannot look into containers: why"],
])("a server that %s is no harm", async (_, text, message) => {
  using proc = new FakeProc();
  const socket = join(proc.root, "socket");
  const server = createServer((connection) => {
    connection.on("error", () => undefined);
    connection.write(text);
  }).listen(socket);
  await once(server, "listening");
  await expect(askForLook(socket, REQUEST, never, text.length > 100 ? 10_000 : 200)).rejects.toThrow(message);
  server.close();
});
