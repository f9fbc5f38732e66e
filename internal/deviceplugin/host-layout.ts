/**
 * The folders of Onload's files on the node, under --host-onload-path:
 *
 * ```
 * current -> 9.2.0-3f9a1c0b77de     switched atomically, once the folder is complete
 * 9.2.0-3f9a1c0b77de/               VERSION-DIGEST: /opt/onload of the user image, never changed once it has this name
 *   .onloadctl.json                 says that the folder is ours, and what it was made from
 *   usr/lib64/libonload.so ...
 * .partial-...  .removing-...       left by an interrupted run; nothing uses them
 * ```
 *
 * Containers mount files of a VERSION-DIGEST folder, never through the link, so that a running application keeps the
 * very files it started with.
 *
 * @module
 */

/** The link to the folder that new containers get. */
export const CURRENT_LINK = "current";
/** In each VERSION-DIGEST folder. */
export const MANIFEST_FILE = ".onloadctl.json";
/** Beginning of the name of a folder that is being filled. */
export const PARTIAL_PREFIX = ".partial-";
/** Beginning of the name of a folder that is being removed. */
export const REMOVING_PREFIX = ".removing-";

/** Contents of the manifest file. */
export interface Manifest {
  version: string;
  /** Digest of the whole tree (tree.ts), in hexadecimal. */
  digest: string;
}

/** Name of the folder of one version with one content. */
export function versionFolder(version: string, digest: string): string {
  return `${version}-${digest.slice(0, 12)}`;
}

/** Whether a name has the form of a version's folder. */
export function isVersionFolder(name: string): boolean {
  return /^[A-Za-z0-9][-A-Za-z0-9_.]*-[0-9a-f]{12}$/.test(name);
}
