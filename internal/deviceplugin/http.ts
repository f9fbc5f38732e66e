import { createServer, type Server } from "node:http";
import type { Registry } from "prom-client";
import { HEALTHZ_PATH, METRICS_PATH, READYZ_PATH } from "../api/names.ts";
import type { Logger } from "../cli/log.ts";

/** Another plugin of this node may hold the port until it ends. */
const RETRY_MS = 5000;

/** A probe's answer: undefined where all is well, else what is wrong. */
export type Probe = () => string | undefined;

export interface HttpOptions {
  /** HOST:PORT, or :PORT for every address. */
  address: string;
  registry: Registry;
  healthz: Probe;
  readyz: Probe;
  log: Logger;
  /** How long to wait before a port that is taken is tried again, in milliseconds. */
  retryMs?: number;
  /** Told the port once it listens, which matters for port 0. */
  listening?: (port: number) => void;
}

/**
 * Serves /metrics, /healthz and /readyz until the signal is aborted. A port that is taken is tried again and is never a
 * reason to end: devices matter more than metrics.
 */
export async function serveHttp(options: HttpOptions, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const server = makeServer(options);
    const error = await listen(server, options.address);
    if (error === undefined) {
      const bound = server.address();
      if (bound !== null && typeof bound === "object") options.listening?.(bound.port);
      await aborted(signal);
      server.closeAllConnections();
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
      });
      return;
    }
    options.log.warn("Cannot serve metrics and probes yet; trying again", { address: options.address, error });
    await Promise.race([aborted(signal), sleep(options.retryMs ?? RETRY_MS)]);
  }
}

function makeServer({ registry, healthz, readyz, log }: HttpOptions): Server {
  return createServer((request, response) => {
    const path = request.url?.split("?")[0];
    const probe = path === HEALTHZ_PATH ? healthz : path === READYZ_PATH ? readyz : undefined;
    if (probe !== undefined) {
      const problem = probe();
      response.writeHead(problem === undefined ? 200 : 503, { "content-type": "text/plain; charset=utf-8" });
      response.end(`${problem ?? "ok"}\n`);
    } else if (path === METRICS_PATH) {
      registry.metrics().then(
        (text) => response.writeHead(200, { "content-type": registry.contentType }).end(text),
        (error: unknown) => {
          log.error("Cannot render metrics", { error });
          response.writeHead(500).end();
        },
      );
    } else {
      response.writeHead(404).end();
    }
  });
}

function listen(server: Server, address: string): Promise<Error | undefined> {
  const colon = address.lastIndexOf(":");
  const host = address.slice(0, colon).replace(/^\[|\]$/g, "");
  const port = Number(address.slice(colon + 1));
  return new Promise((resolve) => {
    server.once("error", resolve);
    const done = (): void => resolve(undefined);
    if (host === "") server.listen(port, done);
    else server.listen(port, host, done);
  });
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms).unref();
  });
}
