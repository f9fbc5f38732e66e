import { randomBytes } from "node:crypto";
import { basename, join } from "node:path";
import type { FileOps } from "./file-ops.ts";
import { CURRENT_LINK, MANIFEST_FILE, PARTIAL_PREFIX, REMOVING_PREFIX, versionFolder } from "./host-layout.ts";
import type { Manifest } from "./host-layout.ts";
import { MAIN_LIBRARY } from "./installation.ts";
import { copyTree, readTree, syncPath, treeDigest, type TreeEntry } from "./tree.ts";

/** What to install where. */
export interface InstallRequest {
  /** Folder of the user image that holds Onload: /opt/onload. */
  from: string;
  /** --host-onload-path as this process sees it. */
  hostDir: string;
  /** spec.onload.version. */
  version: string;
}

export interface InstallResult {
  /** Name of the folder in `hostDir`. */
  folder: string;
  /** False if the same files were there already. */
  copied: boolean;
}

/**
 * Puts Onload's files on the node and makes them the current ones (host-layout.ts).
 *
 * It may be interrupted anywhere and run again. Until the link is switched, new containers get the former files, and
 * afterwards the new ones, all of them. Files of a running application are never touched.
 *
 * @throws if the image has no Onload, or the copy differs from the original
 */
export function installHostFiles(fs: FileOps, request: InstallRequest): InstallResult {
  const { from, hostDir, version } = request;
  const entries = readSource(fs, from);
  const digest = treeDigest(entries);
  const folder = versionFolder(version, digest);
  fs.mkdirSync(hostDir, { recursive: true });
  const copied = !isComplete(fs, join(hostDir, folder), digest);
  if (copied) copyInto(fs, request, folder, entries, { version, digest });
  switchCurrent(fs, hostDir, folder);
  return { folder, copied };
}

function readSource(fs: FileOps, from: string): TreeEntry[] {
  let entries: TreeEntry[];
  try {
    entries = readTree(fs, from, MANIFEST_FILE);
  } catch (cause) {
    throw new Error(`Cannot read Onload's files from ${from}: ${(cause as Error).message}`, { cause });
  }
  if (!entries.some((entry) => basename(entry.path) === MAIN_LIBRARY)) {
    throw new Error(`Cannot install Onload's files: ${from} holds no ${MAIN_LIBRARY}: check spec.onload.userImage`);
  }
  return entries;
}

/** Whether a folder has exactly the files that it is to have. */
function isComplete(fs: FileOps, path: string, digest: string): boolean {
  if (!fs.existsSync(join(path, MANIFEST_FILE))) return false;
  return treeDigest(readTree(fs, path, MANIFEST_FILE)) === digest;
}

function copyInto(
  fs: FileOps,
  { from, hostDir }: InstallRequest,
  folder: string,
  entries: readonly TreeEntry[],
  manifest: Manifest,
): void {
  const unique = randomBytes(4).toString("hex");
  const partial = join(hostDir, `${PARTIAL_PREFIX}${folder}-${unique}`);
  fs.mkdirSync(partial, { mode: 0o755 });
  copyTree(fs, from, partial, entries);
  fs.writeFileSync(join(partial, MANIFEST_FILE), `${JSON.stringify(manifest)}\n`, { mode: 0o644 });
  syncPath(fs, join(partial, MANIFEST_FILE));
  fs.chmodSync(partial, 0o755);
  syncPath(fs, partial);
  if (treeDigest(readTree(fs, partial, MANIFEST_FILE)) !== manifest.digest) {
    throw new Error(
      `Cannot install Onload's files: the copy in ${partial} differs from ${from}: check the node's disk`,
    );
  }
  const target = join(hostDir, folder);
  // A damaged folder is replaced. Containers that run from it keep the files that they have mounted.
  if (fs.existsSync(target)) fs.renameSync(target, join(hostDir, `${REMOVING_PREFIX}${folder}-${unique}`));
  fs.renameSync(partial, target);
  syncPath(fs, hostDir);
}

function switchCurrent(fs: FileOps, hostDir: string, folder: string): void {
  const link = join(hostDir, CURRENT_LINK);
  if (currentFolder(fs, hostDir) === folder) return;
  const next = join(hostDir, `${PARTIAL_PREFIX}${CURRENT_LINK}-${randomBytes(4).toString("hex")}`);
  fs.symlinkSync(folder, next);
  fs.renameSync(next, link);
  syncPath(fs, hostDir);
}

/** The name of the folder that new containers get, or undefined before the first installation. */
export function currentFolder(fs: Pick<FileOps, "readlinkSync">, hostDir: string): string | undefined {
  try {
    return fs.readlinkSync(join(hostDir, CURRENT_LINK));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
