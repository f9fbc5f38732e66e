/**
 * The HTTP server of metrics and probes, of the operator and of the device plugin.
 *
 * It listens where strangers reach it, without a login, so what one of them can make it hold is bounded: it answers
 * one request a connection and reads no further, keeps a number of connections and drops the oldest for a new one, and
 * ends each after a time. It is written on sockets because node:http cannot do that in Bun 1.4.5: there a server has no
 * limit of connections, and is told of a connection only when its first request has come.
 */
import { createServer, type AddressInfo, type Server, type Socket } from "node:net";
import type { BindAddress } from "./bind-address.ts";

/** Answers GET requests of one path. A text alone is an answer of status 200. */
export type Handler = () => string | Answer | Promise<string | Answer>;

export interface Answer {
  status: number;
  body: string;
  /** Default: plain text. */
  contentType?: string;
}

export interface ServerOptions {
  /** Told what a handler threw. The client gets status 500. */
  onError?: (error: unknown) => void;
  /** Connections that are open at the same time. Default: 128. */
  maxConnections?: number;
  /** Time for a connection from its beginning to its end, in milliseconds. Default: 10 s. */
  connectionMs?: number;
}

/** Bytes of a request's line and headers. Prometheus and the kubelet send less than 1 KB. */
const MAX_HEAD_BYTES = 8192;

const REASON_PHRASES: Readonly<Record<number, string>> = {
  200: "OK",
  400: "Bad Request",
  404: "Not Found",
  405: "Method Not Allowed",
  431: "Request Header Fields Too Large",
  500: "Internal Server Error",
  503: "Service Unavailable",
};

/** Serves plain GET and HEAD requests. */
export class ProbeServer {
  /** The port that is, or was, listened on. */
  readonly port: number;
  readonly #server: Server;
  /** The oldest first. */
  readonly #connections: Set<Socket>;

  private constructor(server: Server, connections: Set<Socket>) {
    this.#server = server;
    this.#connections = connections;
    this.port = (server.address() as AddressInfo).port;
  }

  /**
   * Starts to listen.
   *
   * @param paths handler by path, without the query
   * @throws Error "Cannot listen on ADDRESS: reason"
   */
  static async listen(
    at: BindAddress,
    paths: Readonly<Record<string, Handler>>,
    { onError = () => undefined, maxConnections = 128, connectionMs = 10_000 }: ServerOptions = {},
  ): Promise<ProbeServer> {
    const connections = new Set<Socket>();
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      connections.add(socket);
      if (connections.size > maxConnections) dropOldest(connections);
      const deadline = setTimeout(() => socket.destroy(), connectionMs);
      socket.on("close", () => {
        clearTimeout(deadline);
        connections.delete(socket);
      });
      // The client has gone.
      socket.on("error", () => socket.destroy());
      readHead(socket, (head) => {
        answer(head, paths, onError).then(
          (text) => socket.end(text),
          () => socket.destroy(),
        );
      });
    });
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    server.once("error", (error: NodeJS.ErrnoException) => {
      const reason = error.code === "EADDRINUSE" ? "the port is in use" : error.message;
      reject(new Error(`Cannot listen on ${at.host ?? ""}:${at.port}: ${reason}`, { cause: error }));
    });
    server.listen(at, resolve);
    await promise;
    return new ProbeServer(server, connections);
  }

  /** How many connections are open. */
  get connections(): number {
    return this.#connections.size;
  }

  /** Stops listening and ends all connections. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const socket of this.#connections) socket.destroy();
    await closed;
  }
}

/** Any other choice would let idle connections keep the kubelet's probes out. */
function dropOldest(connections: Set<Socket>): void {
  const [oldest] = connections;
  connections.delete(oldest!);
  oldest!.destroy();
}

/**
 * Passes on the head of a connection's first request: its line and headers, or as much as may come without their end.
 * What follows is thrown away: if it stayed unread, closing the socket would take the answer from the client.
 */
function readHead(socket: Socket, done: (head: string) => void): void {
  let head = "";
  const onData = (chunk: Buffer): void => {
    head += chunk.toString("latin1");
    if (!isWhole(head) && head.length <= MAX_HEAD_BYTES) return;
    socket.off("data", onData);
    socket.resume();
    done(head);
  };
  socket.on("data", onData);
  socket.on("end", () => {
    if (!isWhole(head)) socket.destroy();
  });
}

function isWhole(head: string): boolean {
  return head.includes("\r\n\r\n");
}

/** The whole answer to a request, as it goes over the wire. */
async function answer(
  head: string,
  paths: Readonly<Record<string, Handler>>,
  onError: (error: unknown) => void,
): Promise<string> {
  const [, method, target] = /^([A-Z]+) (\S+) HTTP\/1\.[01]\r\n/.exec(head) ?? [];
  const { status, body, contentType } = await result(isWhole(head), method, target, paths, onError);
  const headers = [
    `HTTP/1.1 ${status} ${REASON_PHRASES[status] ?? ""}`,
    `Content-Type: ${contentType ?? "text/plain; charset=utf-8"}`,
    `Content-Length: ${Buffer.byteLength(body)}`,
    "Connection: close",
  ];
  return `${headers.join("\r\n")}\r\n\r\n${method === "HEAD" ? "" : body}`;
}

async function result(
  whole: boolean,
  method: string | undefined,
  target: string | undefined,
  paths: Readonly<Record<string, Handler>>,
  onError: (error: unknown) => void,
): Promise<Answer> {
  if (!whole) return { status: 431, body: "" };
  if (target === undefined) return { status: 400, body: "" };
  const path = target.split("?", 1)[0]!;
  const handler = Object.hasOwn(paths, path) ? paths[path] : undefined;
  if (!handler) return { status: 404, body: "404 page not found\n" };
  if (method !== "GET" && method !== "HEAD") return { status: 405, body: "Method not allowed\n" };
  try {
    const given = await handler();
    return typeof given === "string" ? { status: 200, body: given } : given;
  } catch (error) {
    onError(error);
    return { status: 500, body: "" };
  }
}
