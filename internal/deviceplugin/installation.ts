import { existsSync, readlinkSync } from "node:fs";
import { readdir, realpath } from "node:fs/promises";
import { join, relative } from "node:path";
import { CURRENT_LINK } from "./host-layout.ts";
import { unlessInconclusive } from "./inconclusive.ts";

/** Onload's files on the node. Paths are relative to `folder`, of which each file is a part: no link leads out of it. */
export interface Installation {
  /** Relative to --host-onload-path. Empty for files that somebody put there without a folder for the version. */
  folder: string;
  /** File by the name with which programs load it. */
  libraries: ReadonlyMap<string, string>;
  /** The `onload` script. undefined if there is none. */
  script: string | undefined;
  /** Folders that the script reads, by the path at which it looks for each. */
  scriptFolders: ReadonlyMap<string, string>;
}

/** Folders in which distributions' builds of Onload have its libraries. */
const LIBRARY_FOLDERS = ["usr/lib64", "usr/lib/x86_64-linux-gnu", "usr/lib/aarch64-linux-gnu", "usr/lib"];
/** The library that applications preload. Without it there is no Onload. */
export const MAIN_LIBRARY = "libonload.so";
/** libonload.so, libonload_ext.so and their names with a version. */
const LIBRARY = /^libonload(_[a-z]+)?\.so(\.[0-9.]+)?$/;
/** The script that runs an application with Onload. */
export const SCRIPT = "usr/bin/onload";
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
  const tree = await Tree.open(join(hostDir, folder));
  const libraries = await findLibraries(tree);
  const scriptFolders = new Map<string, string>();
  for (const path of SCRIPT_FOLDERS) {
    const found = await tree.find(path);
    if (found !== undefined) scriptFolders.set(path, found);
  }
  return { folder, libraries, script: await tree.find(SCRIPT), scriptFolders };
}

/** A folder with all that is below it, where links may lead from one place to another. */
class Tree {
  readonly root: string;
  /** `root` without links. */
  readonly #real: string;

  private constructor(root: string, real: string) {
    this.root = root;
    this.#real = real;
  }

  static async open(root: string): Promise<Tree> {
    return new Tree(root, await realpath(root).catch(unlessInconclusive(root)));
  }

  /**
   * The path of a file without links, relative to the tree. undefined if there is none, or if a link on the way to it
   * leads out of the tree: a file of the node would be mounted instead of one of Onload's.
   */
  async find(path: string): Promise<string | undefined> {
    const real = await realpath(join(this.root, path)).catch(unlessInconclusive(undefined));
    const file = real === undefined ? "" : relative(this.#real, real);
    return file === "" || file === ".." || file.startsWith("../") ? undefined : file;
  }

  /** The names in a folder; none if it is missing or out of the tree. */
  async list(path: string): Promise<string[]> {
    if ((await this.find(path)) === undefined) return [];
    return (await readdir(join(this.root, path)).catch(unlessInconclusive<string[]>([]))).sort();
  }
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

async function findLibraries(tree: Tree): Promise<Map<string, string>> {
  for (const folder of LIBRARY_FOLDERS) {
    const names = (await tree.list(folder)).filter((name) => LIBRARY.test(name));
    if (!names.includes(MAIN_LIBRARY)) continue;
    const found = new Map<string, string>();
    for (const name of names) {
      const file = await tree.find(join(folder, name));
      if (file !== undefined) found.set(name, file);
    }
    if (found.has(MAIN_LIBRARY)) return found;
  }
  throw new Error(
    `Onload's libraries are missing: no ${LIBRARY_FOLDERS.join(" or ")} with ${MAIN_LIBRARY} in ${tree.root}`,
  );
}
