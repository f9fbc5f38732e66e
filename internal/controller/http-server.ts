import http from "node:http";
import type { AddressInfo } from "node:net";
import { UsageError } from "../cli/errors.ts";

/** Answers one path: text for 200, or status and text. */
export type Handler = () => Promise<string | { status: number; body: string; contentType?: string }>;

/** Where to listen; undefined for "0": not at all. */
export function parseBindAddress(flag: string, value: string): { host?: string; port: number } | undefined {
  if (value === "0") return undefined;
  const match = /^(?:\[([0-9a-fA-F:]+)\]|([^:[\]]*)):(\d{1,5})$/.exec(value);
  const port = Number(match?.[3]);
  if (!match || port > 65_535) {
    throw new UsageError(`Flag --${flag} cannot be "${value}": give HOST:PORT, :PORT, or 0 to turn it off`);
  }
  const host = match[1] ?? match[2];
  return host ? { host, port } : { port };
}

/** Serves plain GET requests. */
export class HttpServer {
  /** The port that is, or was, listened on. */
  readonly port: number;
  readonly #server: http.Server;

  private constructor(server: http.Server) {
    this.#server = server;
    this.port = (server.address() as AddressInfo).port;
  }

  /**
   * Starts to listen.
   *
   * @throws Error "Cannot listen on ADDRESS: reason"
   */
  static async listen(at: { host?: string; port: number }, paths: Record<string, Handler>): Promise<HttpServer> {
    const server = http.createServer((request, response) => {
      const path = (request.url ?? "/").split("?", 1)[0] ?? "/";
      const handler = Object.hasOwn(paths, path) ? paths[path] : undefined;
      answer(request.method ?? "GET", handler).then(
        ({ status, body, contentType }) => {
          response.writeHead(status, { "content-type": contentType ?? "text/plain; charset=utf-8" });
          response.end(request.method === "HEAD" ? undefined : body);
        },
        () => {
          response.writeHead(500);
          response.end();
        },
      );
    });
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    server.once("error", (error: NodeJS.ErrnoException) => {
      const reason = error.code === "EADDRINUSE" ? "the port is in use" : error.message;
      reject(new Error(`Cannot listen on ${at.host ?? ""}:${at.port}: ${reason}`, { cause: error }));
    });
    server.listen(at, resolve);
    await promise;
    return new HttpServer(server);
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeAllConnections();
    await closed;
  }
}

async function answer(
  method: string,
  handler: Handler | undefined,
): Promise<{ status: number; body: string; contentType?: string }> {
  if (!handler) return { status: 404, body: "404 page not found\n" };
  if (method !== "GET" && method !== "HEAD") return { status: 405, body: "Method not allowed\n" };
  const result = await handler();
  return typeof result === "string" ? { status: 200, body: result } : result;
}
