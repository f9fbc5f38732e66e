import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { HEALTHZ_PATH, METRICS_PATH, READYZ_PATH } from "../api/names.ts";
import type { Logger } from "../cli/log.ts";
import type { BindAddress } from "../probes/bind-address.ts";
import { metricsHandler, type MetricsSource } from "../probes/metrics-handler.ts";
import { ProbeServer, type Answer, type Handler } from "../probes/server.ts";

/** Another plugin of this node may hold the port until it ends. */
const RETRY_MS = 5000;

/** A probe's answer: undefined if all is well, else what is wrong. */
export type Probe = () => string | undefined;

export interface MetricsServerOptions {
  address: BindAddress;
  metrics: MetricsSource;
  healthz: Probe;
  readyz: Probe;
  log: Logger;
  /** Time until a port that is taken is tried again, in milliseconds. Default: 5 s. */
  retryMs?: number;
  /** Told the port once it is listened on, which matters for port 0. */
  listening?: (port: number) => void;
}

/**
 * Serves /metrics, /healthz and /readyz until the signal is aborted. A port that is taken is tried again and is never a
 * reason to end: devices matter more than metrics.
 */
export async function serveMetrics(options: MetricsServerOptions, signal: AbortSignal): Promise<void> {
  const server = await listen(options, signal);
  if (server === undefined) return;
  options.listening?.(server.port);
  if (!signal.aborted) await once(signal, "abort");
  await server.close();
}

/** The server once it listens; undefined if the signal is aborted before. */
async function listen(options: MetricsServerOptions, signal: AbortSignal): Promise<ProbeServer | undefined> {
  const { address, metrics, healthz, readyz, log, retryMs = RETRY_MS } = options;
  const paths = {
    [METRICS_PATH]: metricsHandler(metrics),
    [HEALTHZ_PATH]: probeHandler(healthz),
    [READYZ_PATH]: probeHandler(readyz),
  };
  const onError = (error: unknown): void => log.error("Cannot render metrics", { error });
  while (!signal.aborted) {
    try {
      return await ProbeServer.listen(address, paths, { onError });
    } catch (error) {
      log.warn("Cannot serve metrics and probes yet; trying again", { error });
    }
    await sleep(retryMs, undefined, { signal }).catch(() => undefined);
  }
  return undefined;
}

function probeHandler(probe: Probe): Handler {
  return (): Answer => {
    const problem = probe();
    return { status: problem === undefined ? 200 : 503, body: `${problem ?? "ok"}\n` };
  };
}
