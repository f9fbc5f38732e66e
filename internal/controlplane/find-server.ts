import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { SYS_DIR, splitParameters } from "../api/plugin-pod.ts";
import { errorText } from "../cli/errors.ts";
import type { Logger } from "../cli/log.ts";
import { findContainerId } from "./container-id.ts";
import { CRICTL_PATHS, findCrictls, findEndpoints } from "./crictl.ts";
import { serverInContainer, type Crictl, type ServerParameters } from "./module-parameters.ts";
import { runToEnd } from "./run-on-node.ts";

/** Settings of the search; paths are absolute. */
export interface SearchConfig {
  /** Path of onload_cp_server in this container. */
  serverPath: string;
  /** Its arguments, separated by spaces. */
  parameters: string;
  /** If undefined, it is found in /proc and /sys. */
  containerId: string | undefined;
  /** Path of crictl on the node. If undefined, all that are usual are tried. */
  crictlPath: string | undefined;
  /** Endpoint of the container runtime. If undefined, all that are usual are tried. */
  runtimeEndpoint: string | undefined;
  /** The folder at which this process finds the node's /sys. */
  hostRoot: string;
  /** The folder at which this process finds the root folder of programs that the kernel starts. */
  kernelRoot: string;
  /** Words that run a program of the node as the kernel does, if its root folder, path and arguments follow them. */
  runOnNode: readonly string[];
  /** This container's /proc. */
  procDir: string;
  /** How long the search goes on, in milliseconds. All that there is to try is tried once in any case. */
  patienceMs: number;
}

/** How long one crictl may take. It gives up an endpoint after 2 s, and tries three if it is told none. */
const TRIAL_MS = 10_000;
const FIRST_WAIT_MS = 500;
const MAX_WAIT_MS = 8000;
const FAILED = "Cannot let the kernel start onload_cp_server";

/**
 * The parameters by which the kernel can start onload_cp_server in this container. The kernel never says whether it
 * could. So it is tried with the same program, arguments and empty environment: onload_cp_server --version.
 *
 * What fails is tried again with growing pauses, because the container runtime may just be starting anew.
 *
 * @throws the last error, if nothing works for that long; it says what to do
 * @throws the signal's reason when it is aborted
 */
export async function findServer(config: SearchConfig, log: Logger, signal: AbortSignal): Promise<ServerParameters> {
  const since = performance.now();
  let said = "";
  for (let wait = FIRST_WAIT_MS; ; wait = Math.min(2 * wait, MAX_WAIT_MS)) {
    try {
      return await tryAll(config, log, signal);
    } catch (error) {
      signal.throwIfAborted();
      if (performance.now() - since + wait > config.patienceMs) throw error;
      const text = errorText(error);
      if (text !== said) log.warn(text);
      said = text;
    }
    await sleep(wait, undefined, { signal });
  }
}

async function tryAll(config: SearchConfig, log: Logger, signal: AbortSignal): Promise<ServerParameters> {
  const containerId = config.containerId ?? (await findContainerId(config.procDir, join(config.hostRoot, SYS_DIR)));
  const server = [config.serverPath, ...splitParameters(config.parameters)];
  const failures: string[] = [];
  for (const crictl of await candidates(config)) {
    const trial = serverInContainer(crictl, containerId, [config.serverPath, "--version"]);
    const command = [...config.runOnNode, config.kernelRoot, trial.path, ...splitParameters(trial.params)];
    const { ok, text } = await runToEnd(command, TRIAL_MS, signal);
    signal.throwIfAborted();
    if (ok) {
      log.info("crictl can start onload_cp_server in this container", { ...crictl, said: text });
      return serverInContainer(crictl, containerId, server);
    }
    failures.push(`${crictl.path} with ${crictl.endpoint ?? "its own settings"}: ${text}`);
  }
  throw new Error(
    `${FAILED}: no crictl of this node can start it in this container: ${remedy(config)}; tried ${failures.join("; ")}`,
  );
}

/** What is to be tried, in that order. An endpoint of ours comes first: crictl's own settings can change any time. */
async function candidates({ crictlPath, runtimeEndpoint, kernelRoot, procDir }: SearchConfig): Promise<Crictl[]> {
  const paths = await findCrictls(kernelRoot, crictlPath === undefined ? undefined : [crictlPath]);
  if (paths.length === 0) {
    const places = crictlPath ?? CRICTL_PATHS.slice(0, 4).join(", ");
    throw new Error(
      `${FAILED}: the node has no crictl at ${places}: install cri-tools on the node, or ` +
        `${crictlPath === undefined ? "set" : "correct"} spec.onload.controlPlane.crictlPath`,
    );
  }
  const endpoints =
    runtimeEndpoint === undefined ? [...(await findEndpoints(kernelRoot, procDir)), undefined] : [runtimeEndpoint];
  return endpoints.flatMap((endpoint) => paths.map((path) => ({ path, endpoint })));
}

function remedy({ crictlPath, runtimeEndpoint }: SearchConfig): string {
  const field = "spec.onload.controlPlane";
  if (runtimeEndpoint !== undefined) return `correct ${field}.runtimeEndpoint`;
  return crictlPath === undefined
    ? `set ${field}.runtimeEndpoint, and crictlPath if need be`
    : `set ${field}.runtimeEndpoint, or correct crictlPath`;
}
