import { writeFileSync } from "node:fs";
import { stringify } from "yaml";
import { freePorts } from "../lib/ports.ts";
import { poll } from "../lib/poll.ts";
import type { RunState } from "../lib/run-state.ts";

/** A plain HTTP image registry; the same address serves pushes from the host and pulls by the node. */
export interface Registry {
  /** HOST:PORT. */
  readonly address: string;
}

/** Starts an empty registry (Debian's docker-registry) on an address of the host, with its images in the state folder. */
export async function startRegistry(state: RunState, address: string): Promise<Registry> {
  const [port = 0] = await freePorts(1, address);
  const config = {
    version: 0.1,
    log: { level: "warn" },
    storage: { filesystem: { rootdirectory: state.path("registry") }, delete: { enabled: true } },
    http: { addr: `${address}:${port}` },
  };
  writeFileSync(state.path("registry.yaml"), stringify(config));
  const running = state.start("registry", ["docker-registry", "serve", state.path("registry.yaml")]);
  await poll(async () => !running.alive() || (await fetch(`http://${address}:${port}/v2/`)).ok, {
    what: "Start of the image registry",
  });
  if (!running.alive()) throw new Error(`Cannot start the image registry: it exited: ${running.logTail()}`);
  return { address: `${address}:${port}` };
}
