import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { readRegularFile } from "../cli/regular-file.ts";
import { readCheckpoint } from "./checkpoint.ts";

/** The kernel allows 100,000 mounts in a namespace (fs.mount-max), of about 200 bytes each. */
const MAX_MOUNTS = 64 * 1024 * 1024;

/**
 * Which of the folders are used by containers of this node. A folder is used if any process has it in its mount table,
 * or if the kubelet's checkpoint names it: from there the kubelet starts a pod's containers again.
 *
 * @param names folder names, which do not occur by chance because each ends in a digest
 * @param procDir the node's /proc, with all of its processes
 * @param kubeletDir folder of the kubelet's checkpoint
 * @throws if the node cannot be read; then every folder must be taken for used
 */
export async function foldersInUse(
  names: readonly string[],
  procDir: string,
  kubeletDir: string,
): Promise<Set<string>> {
  const used = new Set<string>();
  const note = (text: Buffer): void => {
    for (const name of names) if (text.includes(`/${name}/`)) used.add(name);
  };
  await readMountTables(procDir, note);
  // It forgets the answers of ended pods at the next allocation. Until then a folder may seem to be used that is not.
  for (const { answer } of await readCheckpoint(kubeletDir)) note(answer);
  return used;
}

/** Passes on the mount table of every process. Several may share one, but telling which would need more privilege. */
async function readMountTables(procDir: string, note: (table: Buffer) => void): Promise<void> {
  for (const pid of await readdir(procDir)) {
    if (!/^\d+$/.test(pid)) continue;
    try {
      note(await readRegularFile(join(procDir, pid, "mountinfo"), MAX_MOUNTS));
    } catch (error) {
      // The process has ended, or is a zombie, which has no mounts. After any other error the mounts are unknown.
      const { code } = error as NodeJS.ErrnoException;
      if (code !== "ENOENT" && code !== "ESRCH" && code !== "EINVAL")
        throw new Error(`Cannot read the mounts of process ${pid}: ${(error as Error).message}`, { cause: error });
    }
  }
}
