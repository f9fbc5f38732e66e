import { join } from "node:path";
import { BOOT_STATUS_FILE, parseBootStatus, type BootStatus } from "../api/boot-status.ts";
import { readRegularFile } from "../cli/regular-file.ts";
import { onHost, type PluginConfig } from "./config.ts";

const MAX_BYTES = 65_536;

/**
 * What the node's sfc boot service has done since the node was last booted. undefined if the node has no boot service,
 * or its status file is of an earlier boot.
 *
 * @param config where the node's files and its /proc are found
 */
export async function readBootStatus(
  config: Pick<PluginConfig, "hostRoot" | "procDir">,
): Promise<BootStatus | undefined> {
  try {
    const status = parseBootStatus((await readRegularFile(onHost(config, BOOT_STATUS_FILE), MAX_BYTES)).toString());
    const bootId = (await readRegularFile(join(config.procDir, "sys/kernel/random/boot_id"), MAX_BYTES)).toString();
    return status?.bootId === bootId.trim() ? status : undefined;
  } catch {
    // A node without the boot service has no such file, and the status is only a hint for people.
    return undefined;
  }
}

/** Why the node runs the kernel's own sfc driver, on which onload does not load. undefined if it runs another. */
export function bootProblem(status: BootStatus | undefined): string | undefined {
  if (status === undefined || status.driver === "out-of-tree") return undefined;
  return `The sfc boot service says ${status.reason}: ${status.message}`;
}
