/**
 * The HTTP server of metrics and probes, of the operator and of the device plugin.
 *
 * It listens where strangers reach it, without a login, so what one of them can make it hold is bounded: it answers
 * one request a connection and reads no further, keeps a number of connections, and ends each when it is answered or
 * after a time. It is written on sockets because node:http cannot do that in Bun 1.4.5: there a server has no limit of
 * connections, and is told of a connection only when its first request has come.
 */
import { createServer, type AddressInfo, type Server } from "node:net";
import { TLSSocket, type SecureContext } from "node:tls";
import type { BindAddress } from "./bind-address.ts";
import { Connections } from "./connections.ts";
import { parseHead, readHead, type Request } from "./request.ts";

/** Answers GET requests of one path. A text alone is an answer of status 200. */
export type Handler = (request: Request) => string | Answer | Promise<string | Answer>;

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
  /** Certificate and key, asked for with each connection. Left out: plain HTTP. */
  secureContext?: () => SecureContext;
}

const REASON_PHRASES: Readonly<Record<number, string>> = {
  200: "OK",
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  429: "Too Many Requests",
  431: "Request Header Fields Too Large",
  500: "Internal Server Error",
  503: "Service Unavailable",
};

/** Serves GET and HEAD requests. */
export class ProbeServer {
  /** The port that is, or was, listened on. */
  readonly port: number;
  readonly #server: Server;
  readonly #connections: Connections;

  private constructor(server: Server, connections: Connections) {
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
    {
      onError = () => undefined,
      maxConnections = 128,
      connectionMs = 10_000,
      secureContext: contextOf,
    }: ServerOptions = {},
  ): Promise<ProbeServer> {
    const connections = new Connections(maxConnections);
    const server = createServer({ allowHalfOpen: true }, (connection) => {
      connections.add(connection);
      const deadline = setTimeout(() => connection.destroy(), connectionMs);
      connection.on("close", () => clearTimeout(deadline));
      const end = (): void => {
        connection.destroy();
      };
      // The client has gone.
      connection.on("error", end);
      // Not a server of node:tls: in that, connections whose handshake does not end are not counted.
      const socket = contextOf ? new TLSSocket(connection, { isServer: true, secureContext: contextOf() }) : connection;
      if (socket !== connection) socket.on("error", end);
      readHead(socket, (head) => {
        // The rest of what the client sends is not read: reading it, if only to throw it away, takes memory. Such a
        // client may lose the answer.
        answer(head, paths, onError).then((bytes) => socket.end(bytes, end), end);
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
    this.#connections.endAll();
    await closed;
  }
}

/** The whole answer to a request, as it goes over the wire. */
async function answer(
  head: string,
  paths: Readonly<Record<string, Handler>>,
  onError: (error: unknown) => void,
): Promise<Buffer> {
  const request = parseHead(head);
  if (typeof request === "number") return bytesOf({ status: request, body: "" });
  const given = await result(request, paths, onError);
  return request.method === "HEAD" ? withoutBody(given) : bytesOf(given);
}

async function result(
  request: Request,
  paths: Readonly<Record<string, Handler>>,
  onError: (error: unknown) => void,
): Promise<Answer> {
  const handler = Object.hasOwn(paths, request.path) ? paths[request.path] : undefined;
  if (!handler) return { status: 404, body: "404 page not found\n" };
  if (request.method !== "GET" && request.method !== "HEAD") return { status: 405, body: "Method not allowed\n" };
  try {
    const given = await handler(request);
    return typeof given === "string" ? { status: 200, body: given } : given;
  } catch (error) {
    onError(error);
    return { status: 500, body: "" };
  }
}

/** An answer that many get is made into bytes once, and takes memory once. */
const known = new WeakMap<Answer, Buffer>();

function bytesOf(given: Answer): Buffer {
  let bytes = known.get(given);
  if (bytes === undefined) {
    bytes = Buffer.from(`${headOf(given)}${given.body}`);
    known.set(given, bytes);
  }
  return bytes;
}

function withoutBody(given: Answer): Buffer {
  return Buffer.from(headOf(given));
}

function headOf({ status, body, contentType }: Answer): string {
  const lines = [
    `HTTP/1.1 ${status} ${REASON_PHRASES[status] ?? ""}`,
    `Content-Type: ${contentType ?? "text/plain; charset=utf-8"}`,
    `Content-Length: ${Buffer.byteLength(body)}`,
    "Connection: close",
  ];
  return `${lines.join("\r\n")}\r\n\r\n`;
}
