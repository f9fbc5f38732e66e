import { randomBytes } from "node:crypto";
import { basename, join } from "node:path";
import { errorText } from "../cli/errors.ts";
import { checkSpace, diskRemedy } from "./disk-space.ts";
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
  /** --host-onload-path itself: the same folder as people on the node know it. */
  nodeDir: string;
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
 * afterwards the new ones, all of them. Files of a running application are never touched. What interrupted runs left is
 * removed first, and what a failed run has copied at its end, so that a disk never fills with copies that nobody uses.
 * Two runs at the same time do no harm: the copy of one may be removed by the other, and it fails and must run again.
 *
 * @throws Error "Cannot install Onload's files in FOLDER on the node: reason: remedy", or why the image has no Onload
 */
export function installHostFiles(fs: FileOps, request: InstallRequest): InstallResult {
  const { from, hostDir, nodeDir, version } = request;
  const entries = readSource(fs, from);
  const digest = treeDigest(entries);
  const folder = versionFolder(version, digest);
  try {
    fs.mkdirSync(hostDir, { recursive: true });
    const current = currentFolder(fs, hostDir);
    removeLeftovers(fs, hostDir);
    const copied = !isComplete(fs, join(hostDir, folder), digest);
    if (copied) copyInto(fs, request, folder, entries, { version, digest });
    if (current !== folder) switchCurrent(fs, hostDir, folder);
    return { folder, copied };
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const reason = [errorText(cause), diskRemedy(code)].filter((part) => part !== undefined).join(": ");
    throw new Error(`Cannot install Onload's files in ${nodeDir} on the node: ${reason}`, { cause });
  }
}

/** Removes what interrupted runs left, as far as it can be removed: what stays takes space, and no more. */
function removeLeftovers(fs: FileOps, hostDir: string): void {
  for (const name of fs.readdirSync(hostDir)) {
    if (name.startsWith(PARTIAL_PREFIX) || name.startsWith(REMOVING_PREFIX)) remove(fs, join(hostDir, name));
  }
}

/** Removes a file or folder, if it can be removed. */
function remove(fs: FileOps, path: string): void {
  try {
    fs.rmSync(path, { recursive: true, force: true });
  } catch {
    // The next run tries again, and so does the plugin (collect-host-files.ts).
  }
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

/** Whether a folder has exactly the files that it is to have. One that cannot be read as a whole is damaged. */
function isComplete(fs: FileOps, path: string, digest: string): boolean {
  try {
    if (!fs.lstatSync(path).isDirectory() || !fs.lstatSync(join(path, MANIFEST_FILE)).isFile()) return false;
    return treeDigest(readTree(fs, path, MANIFEST_FILE)) === digest;
  } catch {
    return false;
  }
}

function copyInto(
  fs: FileOps,
  { from, hostDir }: InstallRequest,
  folder: string,
  entries: readonly TreeEntry[],
  manifest: Manifest,
): void {
  checkSpace(fs, { from, hostDir, entries });
  const unique = randomBytes(4).toString("hex");
  const partial = join(hostDir, `${PARTIAL_PREFIX}${folder}-${unique}`);
  try {
    fs.mkdirSync(partial, { mode: 0o755 });
    copyTree(fs, from, partial, entries);
    fs.writeFileSync(join(partial, MANIFEST_FILE), `${JSON.stringify(manifest)}\n`, { mode: 0o644 });
    syncPath(fs, join(partial, MANIFEST_FILE));
    fs.chmodSync(partial, 0o755);
    syncPath(fs, partial);
    if (treeDigest(readTree(fs, partial, MANIFEST_FILE)) !== manifest.digest) {
      throw new Error(`the copy differs from ${from} of the image: check the node's disk`);
    }
    const target = join(hostDir, folder);
    // A damaged folder, or whatever else has its name, is replaced. Containers that run from it keep the files that they
    // have mounted.
    if (fs.lstatSync(target, { throwIfNoEntry: false }) !== undefined) {
      fs.renameSync(target, join(hostDir, `${REMOVING_PREFIX}${folder}-${unique}`));
    }
    fs.renameSync(partial, target);
  } catch (error) {
    remove(fs, partial);
    throw error;
  }
  syncPath(fs, hostDir);
}

function switchCurrent(fs: FileOps, hostDir: string, folder: string): void {
  const next = join(hostDir, `${PARTIAL_PREFIX}${CURRENT_LINK}-${randomBytes(4).toString("hex")}`);
  try {
    fs.symlinkSync(folder, next);
    fs.renameSync(next, join(hostDir, CURRENT_LINK));
  } catch (error) {
    remove(fs, next);
    throw error;
  }
  syncPath(fs, hostDir);
}

/**
 * The name of the folder that new containers get, or undefined before the first installation.
 *
 * @throws if something else than a link has its name, which is then somebody else's
 */
export function currentFolder(fs: Pick<FileOps, "readlinkSync">, hostDir: string): string | undefined {
  try {
    return fs.readlinkSync(join(hostDir, CURRENT_LINK));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") return undefined;
    if (code !== "EINVAL") throw error;
    const reason = `"${CURRENT_LINK}" in it is not a link (${errorText(error)})`;
    throw new Error(`${reason}, but something that somebody else has put there: move it away`, { cause: error });
  }
}
