import { lstat, readlink } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";

/** Paths of crictl: of packages, cri-tools' own archive, Flatcar, RKE2 and MicroK8s. */
const USUAL_PATHS = [
  "/usr/bin/crictl",
  "/usr/local/bin/crictl",
  "/usr/sbin/crictl",
  "/opt/bin/crictl",
  "/var/lib/rancher/rke2/bin/crictl",
  "/snap/bin/crictl",
];

/**
 * The path of crictl on the node, as the kernel will start it.
 *
 * @param kernelRoot the node's root folder
 * @param wanted the one path to accept, instead of the usual ones
 * @throws if there is none; the message says what to do
 */
export async function findCrictl(kernelRoot: string, wanted?: string): Promise<string> {
  for (const path of wanted === undefined ? USUAL_PATHS : [wanted]) {
    if (await existsUnder(kernelRoot, path)) return path;
  }
  const places = wanted ?? USUAL_PATHS.slice(0, 4).join(", ");
  throw new Error(
    `Cannot let the kernel start onload_cp_server: the node has no crictl at ${places}: ` +
      "install cri-tools on the node, or give --crictl-path",
  );
}

/** Whether a path names a file under another root folder. Absolute links start at that folder. */
async function existsUnder(root: string, path: string): Promise<boolean> {
  let at = path;
  for (let hops = 0; hops < 16; hops++) {
    try {
      const stat = await lstat(join(root, at));
      if (!stat.isSymbolicLink()) return stat.isFile();
      at = resolve(dirname(at), await readlink(join(root, at)));
    } catch {
      return false;
    }
  }
  return false;
}
