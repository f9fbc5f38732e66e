/**
 * A client that means harm: `bun scripts/bench/flood-client.ts PORT PATH CONNECTIONS MEGABYTES SECONDS`. It sends pipelined
 * requests on many connections of the loopback interface, reads nothing, and opens a new connection for each that is
 * closed. It ends by itself when it has sent so much, or after that time, and prints what it has done as JSON.
 */
import { connect, type Socket } from "node:net";

const [path = "", ...numbers] = process.argv.slice(3);
const port = Number(process.argv[2]);
const [connections = 0, megabytes = 0, seconds = 0] = numbers.map(Number);

/** About 64 KB, which a socket's buffers take at once. */
const requests = Buffer.from(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`.repeat(1800));
const wanted = megabytes * 1e6;
const sockets = new Set<Socket>();
let sent = 0;
let opened = 0;
const done = Promise.withResolvers<void>();

function open(): void {
  const socket = connect({ host: "127.0.0.1", port });
  sockets.add(socket);
  opened++;
  socket.pause();
  // What the server's side has not taken does not count.
  const send = (): void => {
    socket.write(requests, (error) => {
      if (error) return;
      sent += requests.length;
      if (sent < wanted) send();
      else done.resolve();
    });
  };
  socket.on("connect", send);
  // Refused or reset: the server's right.
  socket.on("error", () => undefined);
  socket.on("close", () => {
    sockets.delete(socket);
    if (sent < wanted) setImmediate(open);
  });
}

const timer = setTimeout(done.resolve, seconds * 1000);
for (let i = 0; i < connections; i++) open();
await done.promise;
clearTimeout(timer);
console.log(JSON.stringify({ megabytes: sent / 1e6, connections: opened }));
process.exit(0);
