import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { streamRegularFile } from "../cli/regular-file.ts";
import { readCheckpoint } from "./checkpoint.ts";

/**
 * Bytes of all mount tables. A process of a pod can have 100,000 mounts (fs.mount-max), of up to 8 kB each, and any number
 * of processes that share them; the kernel makes about 30 MB a second. A node with 110 pods has some 100 MB.
 */
const MAX_MOUNTS = 1024 * 1024 * 1024;

/**
 * Which of the folders are used by containers of this node. A folder is used if any process has it in its mount table,
 * or if the kubelet's checkpoint names it: from there the kubelet starts a pod's containers again.
 *
 * @param names folder names, which do not occur by chance because each ends in a digest
 * @param procDir the node's /proc, with all of its processes
 * @param kubeletDir folder of the kubelet's checkpoint
 * @param maxBytes of all mount tables
 * @throws if the node cannot be read; then every folder must be taken for used
 */
export async function foldersInUse(
  names: readonly string[],
  procDir: string,
  kubeletDir: string,
  maxBytes = MAX_MOUNTS,
): Promise<Set<string>> {
  const used = new Set<string>();
  const note = (text: Buffer): void => {
    for (const name of names) if (text.includes(`/${name}/`)) used.add(name);
  };
  // A name may begin in one piece and end in the next.
  const overlap = Math.max(0, ...names.map((name) => Buffer.byteLength(name) + 1));
  await readMountTables(procDir, { overlap, maxBytes }, note);
  // It forgets the answers of ended pods at the next allocation. Until then a folder may seem to be used that is not.
  for (const { answer } of await readCheckpoint(kubeletDir)) note(answer);
  return used;
}

/**
 * Passes on the mount table of every process, in pieces, each with the end of the one before. Several processes may share
 * one, but telling which would need more privilege.
 */
async function readMountTables(
  procDir: string,
  { overlap, maxBytes }: { overlap: number; maxBytes: number },
  note: (piece: Buffer) => void,
): Promise<void> {
  let left = maxBytes;
  for (const pid of await readdir(procDir)) {
    if (!/^\d+$/.test(pid)) continue;
    try {
      let end = Buffer.alloc(0);
      for await (const chunk of await streamRegularFile(join(procDir, pid, "mountinfo"))) {
        const piece = Buffer.concat([end, chunk as Buffer]);
        left -= piece.length - end.length;
        if (left < 0) throw new Error(`the mounts of all processes have more than ${maxBytes} bytes`);
        note(piece);
        end = piece.subarray(-overlap);
      }
    } catch (error) {
      // The process has ended, or is a zombie, which has no mounts. After any other error the mounts are unknown.
      const { code } = error as NodeJS.ErrnoException;
      if (code !== "ENOENT" && code !== "ESRCH" && code !== "EINVAL")
        throw new Error(`Cannot read the mounts of process ${pid}: ${(error as Error).message}`, { cause: error });
    }
  }
}
