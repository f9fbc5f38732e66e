import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { DEVICE_FILES, SYS_DIR } from "../api/plugin-pod.ts";
import { bootProblem, readBootStatus } from "./boot-service.ts";
import { onHost, type PluginConfig } from "./config.ts";
import { findInstallation, type Installation } from "./installation.ts";
import { isUsable, scanNics, type Nic } from "./nics.ts";

/** What one look at the node found. */
export interface NodeView {
  nics: Nic[];
  /** Undefined where Onload's files are missing. */
  installation: Installation | undefined;
  /** Why pods cannot use Onload here; empty where they can. */
  problems: string[];
}

/** Looks at device files, NICs and Onload's files. What is wrong is a finding, never an error. */
export async function observeNode(
  config: Pick<PluginConfig, "hostRoot" | "hostOnloadPath" | "needNic" | "procDir">,
): Promise<NodeView> {
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
    if (config.needNic) problems.push((error as Error).message);
  }
  let installation: Installation | undefined;
  try {
    installation = await findInstallation(onHost(config, config.hostOnloadPath));
  } catch (error) {
    problems.push((error as Error).message);
  }
  // Never a problem by itself: it explains the others.
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

async function deviceProblem(path: string, name: string): Promise<string | undefined> {
  try {
    // Opening is the only proof that a driver stands behind the file; not blocking, whatever that driver does.
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
    return `${name} cannot be opened: ${message}`;
  }
}
