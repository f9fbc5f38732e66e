import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { BOOT_STATUS_FILE, parseBootStatus, type BootStatus } from "../api/boot-status.ts";

/**
 * What the node's sfc boot service has done since the node was last booted. undefined if the node has no boot service,
 * or its status file is of an earlier boot.
 *
 * @param procDir the node's /proc: the root folder of its process 1 is the node's own
 */
export async function readBootStatus(procDir: string): Promise<BootStatus | undefined> {
  try {
    const status = parseBootStatus(await readFile(join(procDir, "1/root", BOOT_STATUS_FILE), "utf8"));
    const bootId = await readFile(join(procDir, "sys/kernel/random/boot_id"), "utf8");
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
