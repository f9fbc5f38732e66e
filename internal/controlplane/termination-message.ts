import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { printable } from "../cli/printable.ts";

/**
 * Says why this container ends, so that it stands in the pod's status: the kubelet mounts a file for that into /dev
 * (terminationMessagePath). Where there is none, nobody is told.
 *
 * @param devDir this container's /dev
 */
export async function tellKubelet(devDir: string, text: string): Promise<void> {
  try {
    const path = join(devDir, "termination-log");
    const file = await open(path, constants.O_WRONLY | constants.O_TRUNC | constants.O_NOFOLLOW);
    try {
      await file.writeFile(printable(text, MAX_CHARACTERS));
    } finally {
      await file.close();
    }
  } catch {
    // The log has it too.
  }
}

/** The kubelet takes 4096 bytes, and the status of the Onload resource has room for less. */
const MAX_CHARACTERS = 1000;
