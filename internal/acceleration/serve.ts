/**
 * Looks into containers for another process of the pod, and reads counters of stacks, over a Unix socket: a line of JSON is
 * asked, and one answered.
 *
 * To read the descriptors of other processes takes a right (CAP_SYS_PTRACE in the node's processes) with which one may
 * also change them. The container onload-worker is privileged and has it anyway, listens on no address, and gets no
 * more by this. So the device plugin, which others on the network reach, does without.
 */
import { once } from "node:events";
import { mkdir, rm } from "node:fs/promises";
import { createServer, type Socket } from "node:net";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { errorText } from "../cli/errors.ts";
import type { Logger } from "../cli/log.ts";
import { parseRequest } from "./facts.ts";
import { readLine } from "./line.ts";
import { Looker } from "./look.ts";
import type { StackReading } from "./stack-counters.ts";

/** A request names the pods of a node. */
export const MAX_REQUEST = 4 * 1024 * 1024;
const MAX_CONNECTIONS = 4;
/** Time for a client to say what it wants. */
const REQUEST_MS = 5000;
const RETRY_MS = 5000;

export interface ServeConfig {
  /** Path of the socket, in a folder that only the containers of this pod have. */
  socket: string;
  procDir: string;
  /** Reads counters of stacks. It ends in time by itself, and a look does not wait for it. */
  readStacks: (wanted: ReadonlySet<number>, signal: AbortSignal) => Promise<StackReading>;
}

/** Serves until the signal is aborted. Never throws: what fails is logged, and tried again. */
export async function serveLooks(config: ServeConfig, log: Logger, signal: AbortSignal): Promise<void> {
  const { socket, procDir, readStacks } = config;
  const looker = new Looker(procDir);
  // One look at a time: it is the bound on what they cost.
  let last: Promise<unknown> = Promise.resolve();
  const answer = async (connection: Socket): Promise<void> => {
    try {
      const request = parseRequest(await readLine(connection, { limit: MAX_REQUEST, timeoutMs: REQUEST_MS }));
      if ("stacks" in request) {
        const reading = await readStacks(new Set(request.stacks), signal);
        connection.end(`${JSON.stringify(reading)}\n`);
        return;
      }
      const look = last.then(() => {
        // It took too long for whoever asked.
        if (connection.destroyed) throw new Error("nobody waits for it any more");
        return looker.look(request);
      });
      last = look.catch(() => undefined);
      connection.end(`${JSON.stringify(await look)}\n`);
    } catch (error) {
      log.debug("Cannot answer what was asked about containers", { error });
      connection.end(`${JSON.stringify({ error: errorText(error) })}\n`);
    }
  };
  while (!signal.aborted) {
    const server = createServer((connection) => {
      connection.on("error", () => connection.destroy());
      void answer(connection);
    });
    server.maxConnections = MAX_CONNECTIONS;
    try {
      await mkdir(dirname(socket), { recursive: true });
      // That of a container that was killed.
      await rm(socket, { force: true });
      server.listen(socket);
      await once(server, "listening", { signal });
      await once(server, "error", { signal }).then(([error]) => Promise.reject(error as Error));
    } catch (error) {
      if (!signal.aborted) log.warn("Cannot offer to look into containers; trying again", { socket, error });
    } finally {
      server.close();
    }
    await sleep(RETRY_MS, undefined, { signal }).catch(() => undefined);
  }
  await rm(socket, { force: true }).catch(() => undefined);
}
