import { join } from "node:path";
import { ARGUMENTS_PARAMETER, PARAMETERS_DIR, startsInContainer } from "../api/server-parameters.ts";
import { readRegularFile } from "../cli/regular-file.ts";
import { isInconclusive } from "./inconclusive.ts";

/** sysfs gives a page at most, in bytes. */
const MAX_PARAMETER = 64 * 1024;

/**
 * Why the kernel cannot start onload_cp_server, or undefined. The container onload-worker sets the module's parameters
 * only after it has seen that it works, and takes them away when it ends. Accelerated sockets would wait for a server
 * in vain.
 *
 * A module without parameters is not loaded, which its device files show.
 *
 * @throws Error if this process cannot tell (inconclusive.ts)
 */
export async function controlPlaneProblem(sysDir: string): Promise<string | undefined> {
  let params: string;
  try {
    params = (await readRegularFile(join(sysDir, PARAMETERS_DIR, ARGUMENTS_PARAMETER), MAX_PARAMETER)).toString();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // ENODEV: the module is being unloaded and its files are still listed.
    if (code === "ENOENT" || code === "ENODEV") return undefined;
    if (isInconclusive(error)) throw error;
    return `How the kernel starts onload_cp_server cannot be read: ${(error as Error).message}`;
  }
  return startsInContainer(params)
    ? undefined
    : "The kernel is not told how to start onload_cp_server: see the log of the container onload-worker";
}
