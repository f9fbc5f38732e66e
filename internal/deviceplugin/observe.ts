import { DEVICE_FILES, SYS_DIR } from "../api/plugin-pod.ts";
import { bootProblem, readBootStatus } from "./boot-service.ts";
import { onHost, type PluginConfig } from "./config.ts";
import { controlPlaneProblem } from "./control-plane-problem.ts";
import { deviceProblem } from "./device-files.ts";
import { isInconclusive } from "./inconclusive.ts";
import { findInstallation, SCRIPT, type Installation } from "./installation.ts";
import { readLoadedModule, type LoadedModule } from "./loaded-module.ts";
import { isUsable, scanNics, type Nic } from "./nics.ts";

type ObserveConfig = Pick<PluginConfig, "hostRoot" | "hostOnloadPath" | "mountOnload" | "needNic" | "procDir">;

/** What one look at the node found. */
export interface NodeView {
  nics: Nic[];
  /** Undefined if Onload's files are missing. */
  installation: Installation | undefined;
  /** Why pods cannot use Onload here; empty if they can. */
  problems: string[];
  /** That of them which is about onload_cp_server. */
  controlPlane?: string | undefined;
  /** Undefined before the first look. */
  module?: LoadedModule | undefined;
}

/**
 * Looks at device files, NICs and Onload's files. What is wrong with the node is a finding, not an error.
 *
 * A part of which this process cannot tell is as it was before, if another part is surely wrong: a device that is gone
 * is noticed whatever else is unknown.
 *
 * @param before what the look before found
 * @throws Error "Cannot look at the node: reason" if nothing is wrong as far as this process can tell, and it cannot
 * tell everything (inconclusive.ts)
 */
export async function observeNode(config: ObserveConfig, before?: NodeView): Promise<NodeView> {
  const unknown: unknown[] = [];
  const ifKnown = async <T>(look: Promise<T>, otherwise: T): Promise<T> => {
    try {
      return await look;
    } catch (error) {
      if (!isInconclusive(error)) throw error;
      unknown.push(error);
      return otherwise;
    }
  };
  const problems: string[] = [];
  for (const name of DEVICE_FILES) {
    const problem = await ifKnown(deviceProblem(config, name), undefined);
    if (problem !== undefined) problems.push(problem);
  }
  const nics = await ifKnown(lookForNics(config, problems), before?.nics ?? []);
  const installation = await ifKnown(lookForInstallation(config, problems), before?.installation);
  const controlPlane = await ifKnown(controlPlaneProblem(onHost(config, SYS_DIR)), undefined);
  if (controlPlane !== undefined) problems.push(controlPlane);
  if (unknown.length > 0 && problems.length === 0) {
    throw new Error(`Cannot look at the node: ${(unknown[0] as Error).message}`, { cause: unknown[0] });
  }
  // It explains the other problems, and is none by itself.
  const boot = problems.length > 0 ? bootProblem(await readBootStatus(config)) : undefined;
  if (boot !== undefined) problems.push(boot);
  return { nics, installation, problems, controlPlane, module: await readLoadedModule(onHost(config, SYS_DIR)) };
}

async function lookForNics(config: ObserveConfig, problems: string[]): Promise<Nic[]> {
  let nics: Nic[] = [];
  try {
    nics = await scanNics(onHost(config, SYS_DIR));
  } catch (error) {
    if (isInconclusive(error)) throw error;
    if (config.needNic) problems.push((error as Error).message);
    return nics;
  }
  if (config.needNic && !nics.some(isUsable)) problems.push(nicProblem(nics));
  return nics;
}

async function lookForInstallation(config: ObserveConfig, problems: string[]): Promise<Installation | undefined> {
  try {
    const installation = await findInstallation(onHost(config, config.hostOnloadPath));
    if (config.mountOnload && installation.script === undefined) {
      problems.push(`The onload script is missing: no ${SCRIPT} in Onload's files, or a link that leads out of them`);
    }
    return installation;
  } catch (error) {
    if (isInconclusive(error)) throw error;
    problems.push((error as Error).message);
    return undefined;
  }
}

function nicProblem(nics: readonly Nic[]): string {
  const idle = nics.map((nic) => `${nic.address} has ${nic.driver ? `driver ${nic.driver}` : "no driver"}`);
  return idle.length > 0
    ? `No NIC is ready for Onload: ${idle.join(", ")} instead of sfc`
    : "No NIC that Onload supports is in this node";
}
