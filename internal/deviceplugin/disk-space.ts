/** Whether a copy of Onload's files fits on the node's disk, and what to do when the disk refuses it. */
import { join } from "node:path";
import type { FileOps } from "./file-ops.ts";
import type { TreeEntry } from "./tree.ts";

/** What a file system has, or what is asked of it: bytes, and inodes, of which each file, folder and link takes one. */
export interface DiskAmounts {
  bytes: number;
  inodes: number;
}

/**
 * What stays free: an installation must not be what brings the node to the end of its disk, where the kubelet begins to
 * evict pods. It is the smaller of a share of the file system and an amount.
 */
const RESERVE_SHARE = 0.05;
const RESERVE: DiskAmounts = { bytes: 256 * 1024 * 1024, inodes: 10_000 };

/** Where else the files can go: the same remedy for each disk that does not take them. */
const ELSEWHERE = "set spec.devicePlugin.hostOnloadPath to a folder on another file system";

/**
 * Why a copy does not fit, or undefined if it does.
 *
 * @param total size of the file system. 0 inodes mean that it makes them as they are needed.
 */
export function spaceProblem(need: DiskAmounts, free: DiskAmounts, total: DiskAmounts): string | undefined {
  const reserve = (what: keyof DiskAmounts): number => Math.min(RESERVE[what], Math.ceil(total[what] * RESERVE_SHARE));
  if (need.bytes + reserve("bytes") > free.bytes) {
    const [needed, kept, left] = [need.bytes, reserve("bytes"), free.bytes].map(mebibytes);
    return `they take ${needed} and ${kept} must stay free, but only ${left} are free: free space on the node's disk, or ${ELSEWHERE}`;
  }
  if (total.inodes > 0 && need.inodes + reserve("inodes") > free.inodes) {
    return (
      `they take ${need.inodes} inodes and ${reserve("inodes")} must stay free, but only ${free.inodes} are free: ` +
      `remove files that are not needed from the node's disk, or ${ELSEWHERE}`
    );
  }
  return undefined;
}

/** @throws Error with the reason and the remedy if the copy of a tree does not fit on the disk of a folder */
export function checkSpace(
  fs: FileOps,
  { from, hostDir, entries }: { from: string; hostDir: string; entries: readonly TreeEntry[] },
): void {
  const disk = fs.statfsSync(hostDir);
  const inBlocks = (bytes: number): number => Math.ceil(bytes / disk.bsize) * disk.bsize;
  const sizes = entries.map(({ path, type }) => (type === "file" ? fs.lstatSync(join(from, path)).size : 1));
  // The manifest, the folder itself and the link to it come on top.
  const own = 3;
  const problem = spaceProblem(
    {
      bytes: sizes.reduce((sum, size) => sum + inBlocks(size), own * disk.bsize),
      inodes: entries.length + own,
    },
    { bytes: disk.bavail * disk.bsize, inodes: disk.ffree },
    { bytes: disk.blocks * disk.bsize, inodes: disk.files },
  );
  if (problem !== undefined) throw new Error(problem);
}

/** What to do about an error of the node's disk. undefined if its name alone says too little to tell. */
export function diskRemedy(code: string | undefined): string | undefined {
  switch (code) {
    case "ENOSPC":
    case "EDQUOT":
      return `free space and inodes on the node's disk, or ${ELSEWHERE}`;
    case "EROFS":
      return `if the node is so by design, ${ELSEWHERE}, such as /var/opt/onload; if not, its kernel log says why`;
    case "EEXIST":
    case "ENOTDIR":
      return "something that is not a folder is in its place or above it: move it away on the node";
    case "EACCES":
    case "EPERM":
      return "check the folder's owner, attributes (lsattr) and security policy (SELinux, AppArmor) on the node";
    case "EIO":
      return "check the node's disk and its kernel log";
    default:
      return undefined;
  }
}

function mebibytes(bytes: number): string {
  return `${Math.max(0, bytes / 1024 / 1024).toFixed(1)} MiB`;
}
