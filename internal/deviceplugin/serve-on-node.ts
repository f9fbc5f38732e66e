import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "../cli/log.ts";
import type { BindAddress } from "../probes/bind-address.ts";
import { ProbeServer, type Answer, type Handler } from "../probes/server.ts";

/** Another plugin of this node may hold the port until it ends. */
const RETRY_MS = 5000;

/** What the plugin serves, each on a port of its own: probes where only the kubelet is, metrics where others are too. */
export type Served = "metrics" | "probes";

export interface ServeOptions {
  what: Served;
  address: BindAddress;
  paths: Readonly<Record<string, Handler>>;
  log: Logger;
  /** Time until a port that is taken is tried again, in milliseconds. Default: 5 s. */
  retryMs?: number;
  /** Told the port once it is listened on, which matters for port 0. */
  listening?: ((what: Served, port: number) => void) | undefined;
}

/**
 * Serves until the signal is aborted. A port that is taken is tried again and is never a reason to end: devices matter
 * more than metrics.
 */
export async function serveOnNode(options: ServeOptions, signal: AbortSignal): Promise<void> {
  const server = await listen(options, signal);
  if (server === undefined) return;
  options.listening?.(options.what, server.port);
  if (!signal.aborted) await once(signal, "abort");
  await server.close();
}

/** The server once it listens; undefined if the signal is aborted before. */
async function listen(options: ServeOptions, signal: AbortSignal): Promise<ProbeServer | undefined> {
  const { what, address, paths, log, retryMs = RETRY_MS } = options;
  const onError = (error: unknown): void => log.error(`Cannot answer a request for ${what}`, { error });
  while (!signal.aborted) {
    try {
      return await ProbeServer.listen(address, paths, { onError });
    } catch (error) {
      log.warn(`Cannot serve ${what} yet; trying again`, { error });
    }
    await sleep(retryMs, undefined, { signal }).catch(() => undefined);
  }
  return undefined;
}

/** Answers a probe. `problem` gives undefined if all is well, else what is wrong. */
export function probeHandler(problem: () => string | undefined): Handler {
  return (): Answer => {
    const text = problem();
    return { status: text === undefined ? 200 : 503, body: `${text ?? "ok"}\n` };
  };
}
