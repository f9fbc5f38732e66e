import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { DEV_DIR, SYS_DIR } from "../api/plugin-pod.ts";
import { errorText } from "../cli/errors.ts";
import type { Logger } from "../cli/log.ts";
import { findContainerId } from "./container-id.ts";
import { findCrictl } from "./crictl.ts";
import { linkDevices } from "./device-links.ts";
import {
  isInContainer,
  readParameters,
  sameArguments,
  sameParameters,
  serverInContainer,
  writeParameters,
  type ServerParameters,
} from "./module-parameters.ts";

/** Settings of `onloadctl control-plane`; paths are absolute. */
export interface ControlPlaneConfig {
  /** Path of onload_cp_server in this container. */
  serverPath: string;
  /** Its arguments, separated by spaces. */
  parameters: string;
  /** If undefined, it is found in /proc and /sys. */
  containerId: string | undefined;
  /** Path of crictl on the node. If undefined, the usual ones are tried. */
  crictlPath: string | undefined;
  /** The folder at which this process finds the node's /sys and /dev. */
  hostRoot: string;
  /** The folder at which this process finds the root folder of programs that the kernel starts. */
  kernelRoot: string;
  /** This container's /proc and /dev. */
  procDir: string;
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
 * @throws if the former parameters cannot be put back
 */
export async function runControlPlane(config: ControlPlaneConfig, log: Logger, signal: AbortSignal): Promise<void> {
  const sysDir = join(config.hostRoot, SYS_DIR);
  /** What the module is to have. Found anew after an error, because crictl may be somewhere else by then. */
  let wanted: ServerParameters | undefined;
  /** Kept through errors, until the module is unloaded. */
  let change: Change | undefined;
  let said = "";
  const say = (text: string, level: "info" | "warn" = "info"): void => {
    if (text !== said) log[level](text);
    said = text;
  };
  while (!signal.aborted) {
    try {
      wanted ??= await wantedParameters(config, sysDir);
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
      wanted = undefined;
      say(errorText(error), "warn");
    }
    await sleep(config.intervalMs, undefined, { signal }).catch(() => undefined);
  }
  if (change !== undefined) await putBack(sysDir, change, log);
}

async function wantedParameters(config: ControlPlaneConfig, sysDir: string): Promise<ServerParameters> {
  const crictl = await findCrictl(config.kernelRoot, config.crictlPath);
  const containerId = config.containerId ?? (await findContainerId(config.procDir, sysDir));
  return serverInContainer(crictl, containerId, config.serverPath, config.parameters);
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
