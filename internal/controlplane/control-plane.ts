import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { DEV_DIR, SYS_DIR } from "../api/plugin-pod.ts";
import { errorText } from "../cli/errors.ts";
import type { Logger } from "../cli/log.ts";
import { linkDevices } from "./device-links.ts";
import { findServer, type SearchConfig } from "./find-server.ts";
import {
  isInContainer,
  readParameters,
  sameArguments,
  sameParameters,
  writeParameters,
  type ServerParameters,
} from "./module-parameters.ts";
import { tellKubelet } from "./termination-message.ts";

/** Settings of `onloadctl control-plane`; paths are absolute. */
export interface ControlPlaneConfig extends SearchConfig {
  /** This container's /dev. */
  devDir: string;
  /** Time between two looks at the module. */
  intervalMs: number;
}

/** The module's parameters if nobody has changed them: an empty path stands for /sbin/onload_cp_server. */
const MODULE_DEFAULTS: ServerParameters = { path: "", params: "" };

/** The two sets of parameters that are needed to put the module back as it was. */
interface Change {
  /** What the module had before. */
  former: ServerParameters;
  /** What was written last. After an error it may be there in part, or not at all. */
  written: ServerParameters;
}

/**
 * Has the kernel start onload_cp_server inside this container until the signal is aborted: whenever the onload module
 * is loaded without the parameters for it, they are written. Then puts the former parameters back.
 *
 * Errors are logged and the next look tries again.
 *
 * @throws if the kernel cannot start it, also into the pod's status: then the kubelet starts this container anew, with
 *   growing pauses
 * @throws if the former parameters cannot be put back
 */
export async function runControlPlane(config: ControlPlaneConfig, log: Logger, signal: AbortSignal): Promise<void> {
  const sysDir = join(config.hostRoot, SYS_DIR);
  let wanted: ServerParameters;
  try {
    wanted = await findServer(config, log, signal);
  } catch (error) {
    if (signal.aborted) return;
    await tellKubelet(config.devDir, errorText(error));
    await dropLeftovers(sysDir, log).catch((another: unknown) => log.warn(errorText(another)));
    throw error;
  }
  await keepParameters(config, wanted, log, signal);
}

/**
 * Parameters of a container that is gone were left by one that was killed. The device plugin, which takes the module's
 * parameters for a sign that the server can start, must not be misled by them.
 */
async function dropLeftovers(sysDir: string, log: Logger): Promise<void> {
  const current = await readParameters(sysDir);
  if (current === undefined || !isInContainer(current)) return;
  await writeParameters(sysDir, MODULE_DEFAULTS);
  log.info("Took the control plane server of a former container away from the module", { ...current });
}

async function keepParameters(
  config: ControlPlaneConfig,
  wanted: ServerParameters,
  log: Logger,
  signal: AbortSignal,
): Promise<void> {
  const sysDir = join(config.hostRoot, SYS_DIR);
  /** Kept through errors, until the module is unloaded. */
  let change: Change | undefined;
  let said = "";
  const say = (text: string, level: "info" | "warn" = "info"): void => {
    if (text !== said) log[level](text);
    said = text;
  };
  while (!signal.aborted) {
    try {
      await linkNewDevices(config, log);
      const current = await readParameters(sysDir);
      if (current === undefined) {
        say("Waiting for the onload kernel module");
        change = undefined;
      } else if (!sameParameters(current, wanted)) {
        // Parameters of a container that is gone were left by one that was killed. Nobody wants them back.
        const former = change?.former ?? (isInContainer(current) ? MODULE_DEFAULTS : current);
        change = { former, written: wanted };
        await writeParameters(sysDir, wanted);
        log.info("Set the module's control plane server", { ...wanted });
        said = "";
      }
    } catch (error) {
      say(errorText(error), "warn");
    }
    await sleep(config.intervalMs, undefined, { signal }).catch(() => undefined);
  }
  if (change !== undefined) await putBack(sysDir, change, log);
}

async function linkNewDevices(config: ControlPlaneConfig, log: Logger): Promise<void> {
  const hostDevDir = join(config.hostRoot, DEV_DIR);
  if (hostDevDir === config.devDir) return;
  const linked = await linkDevices(hostDevDir, config.devDir);
  if (linked.length > 0) log.info("Linked the node's devices into the container", { devices: linked });
}

/** Restores the former parameters, unless another container has taken over or the module is gone. */
async function putBack(sysDir: string, { former, written }: Change, log: Logger): Promise<void> {
  const current = await readParameters(sysDir);
  // The arguments are written first and name this container: with them, it does not matter which path is there.
  if (current === undefined || !sameArguments(current, written)) return;
  await writeParameters(sysDir, former);
  log.info("Put the module's former control plane server back", { ...former });
}
