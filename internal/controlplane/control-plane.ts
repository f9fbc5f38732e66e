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
  sameParameters,
  serverInContainer,
  writeParameters,
  type ServerParameters,
} from "./module-parameters.ts";

/** Settings of `onloadctl control-plane`; paths are absolute. */
export interface ControlPlaneConfig {
  /** onload_cp_server in this container. */
  serverPath: string;
  /** Its arguments, separated by spaces. */
  parameters: string;
  /** Undefined: found from /proc and /sys. */
  containerId: string | undefined;
  /** Undefined: looked for. */
  crictlPath: string | undefined;
  /** Where the node's /sys and /dev are found by this process. */
  hostRoot: string;
  /** Where the node's programs are found by this process. */
  kernelRoot: string;
  procDir: string;
  devDir: string;
  intervalMs: number;
}

/** The module's own settings where nobody changed them: an empty path stands for /sbin/onload_cp_server. */
const MODULE_DEFAULTS: ServerParameters = { path: "", params: "" };

/**
 * Has the kernel start onload_cp_server inside this container, for as long as the signal is not aborted: whenever the
 * onload module is loaded without these settings, they are written. At the end the former ones come back.
 *
 * @throws only where the former settings cannot be put back
 */
export async function runControlPlane(config: ControlPlaneConfig, log: Logger, signal: AbortSignal): Promise<void> {
  const sysDir = join(config.hostRoot, SYS_DIR);
  let former: ServerParameters | undefined;
  let ours: ServerParameters | undefined;
  let said = "";
  const say = (text: string, level: "info" | "warn" = "info"): void => {
    if (text !== said) log[level](text);
    said = text;
  };
  while (!signal.aborted) {
    try {
      ours ??= await wantedParameters(config, sysDir);
      await linkNewDevices(config, log);
      const current = await readParameters(sysDir);
      if (current === undefined) {
        say("Waiting for the onload kernel module");
        former = undefined;
      } else if (!sameParameters(current, ours)) {
        // What a container left that could not clean up after itself is nobody's wish.
        former ??= isInContainer(current) ? MODULE_DEFAULTS : current;
        await writeParameters(sysDir, ours);
        log.info("Set the module's control plane server", { ...ours });
        said = "";
      }
    } catch (error) {
      ours = undefined;
      say(errorText(error), "warn");
    }
    await sleep(config.intervalMs, undefined, { signal }).catch(() => undefined);
  }
  await putBack(sysDir, ours, former, log);
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

/** Restores `former`, unless another container has taken over or the module is gone. */
async function putBack(
  sysDir: string,
  ours: ServerParameters | undefined,
  former: ServerParameters | undefined,
  log: Logger,
): Promise<void> {
  if (ours === undefined || former === undefined) return;
  const current = await readParameters(sysDir);
  if (current === undefined || !sameParameters(current, ours)) return;
  await writeParameters(sysDir, former);
  log.info("Put the module's former control plane server back", { ...former });
}
