import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { DEVICE_FILES, SYS_DIR } from "../api/plugin-pod.ts";
import { bootProblem, readBootStatus } from "./boot-service.ts";
import { onHost, type PluginConfig } from "./config.ts";
import { controlPlaneProblem } from "./control-plane-problem.ts";
import { findInstallation, type Installation } from "./installation.ts";
import { isUsable, scanNics, type Nic } from "./nics.ts";
import { isShortage } from "./shortage.ts";

type ObserveConfig = Pick<PluginConfig, "hostRoot" | "hostOnloadPath" | "needNic" | "procDir">;

/** What one look at the node found. */
export interface NodeView {
  nics: Nic[];
  /** Undefined if Onload's files are missing. */
  installation: Installation | undefined;
  /** Why pods cannot use Onload here; empty if they can. */
  problems: string[];
}

/**
 * Looks at device files, NICs and Onload's files. What is wrong with the node is a finding, not an error.
 *
 * @throws Error "Cannot look at the node: reason" if this process cannot tell: it is short of descriptors or memory, or
 * a device file gives an i/o error
 */
export async function observeNode(config: ObserveConfig): Promise<NodeView> {
  try {
    return await findings(config);
  } catch (cause) {
    throw new Error(`Cannot look at the node: ${(cause as Error).message}`, { cause });
  }
}

async function findings(config: ObserveConfig): Promise<NodeView> {
  const problems: string[] = [];
  for (const path of DEVICE_FILES) {
    const problem = await deviceProblem(onHost(config, path), path);
    if (problem !== undefined) problems.push(problem);
  }
  let nics: Nic[] = [];
  try {
    nics = await scanNics(onHost(config, SYS_DIR));
    if (config.needNic && !nics.some(isUsable)) problems.push(nicProblem(nics));
  } catch (error) {
    if (isShortage(error)) throw error;
    if (config.needNic) problems.push((error as Error).message);
  }
  let installation: Installation | undefined;
  try {
    installation = await findInstallation(onHost(config, config.hostOnloadPath));
  } catch (error) {
    if (isShortage(error)) throw error;
    problems.push((error as Error).message);
  }
  const controlPlane = await controlPlaneProblem(onHost(config, SYS_DIR));
  if (controlPlane !== undefined) problems.push(controlPlane);
  // It explains the other problems, and is none by itself.
  const boot = problems.length > 0 ? bootProblem(await readBootStatus(config.procDir)) : undefined;
  if (boot !== undefined) problems.push(boot);
  return { nics, installation, problems };
}

function nicProblem(nics: readonly Nic[]): string {
  const idle = nics.map((nic) => `${nic.address} has ${nic.driver ? `driver ${nic.driver}` : "no driver"}`);
  return idle.length > 0
    ? `No NIC is ready for Onload: ${idle.join(", ")} instead of sfc`
    : "No NIC that Onload supports is in this node";
}

/** Why a device file cannot be used, or undefined. Throws if this process cannot tell. */
async function deviceProblem(path: string, name: string): Promise<string | undefined> {
  try {
    // Only opening it proves that the file has a driver. O_NONBLOCK, because no driver may make us wait.
    const handle = await open(path, constants.O_RDWR | constants.O_NONBLOCK);
    try {
      return (await handle.stat()).isCharacterDevice() ? undefined : `${name} is not a character device`;
    } finally {
      await handle.close();
    }
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") return `${name} is missing: the onload kernel module is not loaded on this node`;
    if (code === "ENXIO" || code === "ENODEV") return `${name} has no driver behind it: the kernel module was unloaded`;
    const problem = `${name} cannot be opened: ${message}`;
    if (isShortage(error) || code === "EIO") throw new Error(problem, { cause: error });
    return problem;
  }
}
