import { existsSync, readlinkSync } from "node:fs";
import { access, readdir, realpath } from "node:fs/promises";
import { join, relative } from "node:path";
import { CURRENT_LINK } from "./host-layout.ts";
import { unlessInconclusive } from "./inconclusive.ts";

/** Onload's files on the node. Paths are relative to `folder`. */
export interface Installation {
  /** Relative to --host-onload-path. Empty for files that somebody put there without a folder for the version. */
  folder: string;
  /** File by the name with which programs load it. */
  libraries: ReadonlyMap<string, string>;
  /** The `onload` script. undefined if there is none. */
  script: string | undefined;
  /** Folders that the script reads. */
  scriptFolders: string[];
}

/** Folders in which distributions' builds of Onload have its libraries. */
const LIBRARY_FOLDERS = ["usr/lib64", "usr/lib/x86_64-linux-gnu", "usr/lib/aarch64-linux-gnu", "usr/lib"];
/** The library that applications preload. Without it there is no Onload. */
export const MAIN_LIBRARY = "libonload.so";
/** libonload.so, libonload_ext.so and their names with a version. */
const LIBRARY = /^libonload(_[a-z]+)?\.so(\.[0-9.]+)?$/;
const SCRIPT = "usr/bin/onload";
const SCRIPT_FOLDERS = ["usr/libexec/onload/profiles", "usr/libexec/onload/apps"];

/**
 * Finds the files that new containers get.
 *
 * @param hostDir --host-onload-path as this process sees it
 * @throws if there are none, with a message for the person who looks at the pod, or if this process
 * cannot tell (inconclusive.ts)
 */
export async function findInstallation(hostDir: string): Promise<Installation> {
  const folder = currentName(hostDir);
  const root = join(hostDir, folder);
  const libraries = await findLibraries(root);
  const has = (path: string): Promise<boolean> => access(join(root, path)).then(() => true, unlessInconclusive(false));
  const script = (await has(SCRIPT)) ? SCRIPT : undefined;
  const scriptFolders: string[] = [];
  for (const path of SCRIPT_FOLDERS) if (await has(path)) scriptFolders.push(path);
  return { folder, libraries, script, scriptFolders };
}

/**
 * Whether new containers still get what was found. It is synchronous because every Allocate call asks, and two system
 * calls take less time than a change to another thread and back.
 */
export function isStillCurrent(hostDir: string, { folder, libraries }: Installation): boolean {
  try {
    return currentName(hostDir) === folder && existsSync(join(hostDir, folder, libraries.get(MAIN_LIBRARY) ?? ""));
  } catch {
    // The next look finds out, or says why it cannot.
    return false;
  }
}

/** Name of the current folder. Empty if there is no link to one. */
function currentName(hostDir: string): string {
  try {
    return readlinkSync(join(hostDir, CURRENT_LINK));
  } catch (error) {
    return unlessInconclusive("")(error);
  }
}

async function findLibraries(root: string): Promise<Map<string, string>> {
  // A link that leads out of the tree would mount a file of the node instead of Onload's.
  const realRoot = await realpath(root).catch(unlessInconclusive(root));
  for (const folder of LIBRARY_FOLDERS) {
    const names = (await readdir(join(root, folder)).catch(unlessInconclusive<string[]>([])))
      .filter((name) => LIBRARY.test(name))
      .sort();
    if (!names.includes(MAIN_LIBRARY)) continue;
    const found = new Map<string, string>();
    for (const name of names) {
      const file = relative(realRoot, await realpath(join(root, folder, name)).catch(unlessInconclusive(root)));
      if (file !== "" && !file.startsWith("..")) found.set(name, file);
    }
    if (found.has(MAIN_LIBRARY)) return found;
  }
  throw new Error(`Onload's libraries are missing: no ${LIBRARY_FOLDERS.join(" or ")} with ${MAIN_LIBRARY} in ${root}`);
}
