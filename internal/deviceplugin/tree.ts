import { createHash } from "node:crypto";
import { join } from "node:path";
import type { FileOps } from "./file-ops.ts";

/** One file, folder or symbolic link of a tree, by its path from the tree's root. */
export type TreeEntry =
  | { path: string; type: "folder"; mode: number }
  | { path: string; type: "file"; mode: number; sha256: string }
  | { path: string; type: "link"; target: string };

/** Permission bits that are kept. A file that is set-user-id in an image must not become so on the node. */
const MODE_BITS = 0o777;
/** Shared by all copies and digests: they are synchronous, so no two run at the same time. */
const buffer = Buffer.alloc(256 * 1024);
/**
 * Files are written in pieces of this size. The kernel caches a file in the pieces in which it was written, and maps
 * a whole piece into a process that reads one byte of it. With large pieces, programs and libraries would take half as
 * much memory again.
 */
const PIECE = 16 * 1024;

/**
 * Reads a tree: parents before children, siblings by name, without the root itself.
 *
 * @param except a name in the root that is no part of the tree
 * @throws for anything that is no file, folder or link
 */
export function readTree(fs: FileOps, root: string, except?: string): TreeEntry[] {
  const entries: TreeEntry[] = [];
  const visit = (folder: string): void => {
    for (const name of fs.readdirSync(join(root, folder)).sort()) {
      const path = join(folder, name);
      if (path === except) continue;
      const stat = fs.lstatSync(join(root, path));
      const mode = stat.mode & MODE_BITS;
      if (stat.isSymbolicLink()) {
        entries.push({ path, type: "link", target: fs.readlinkSync(join(root, path)) });
      } else if (stat.isDirectory()) {
        entries.push({ path, type: "folder", mode });
        visit(path);
      } else if (stat.isFile()) {
        entries.push({ path, type: "file", mode, sha256: hashFile(fs, join(root, path)) });
      } else {
        throw new Error(`Cannot read ${join(root, path)}: it is neither a file nor a folder nor a symbolic link`);
      }
    }
  };
  visit("");
  return entries;
}

/** A digest of names, modes and contents, in hexadecimal: equal trees have equal digests, on any machine. */
export function treeDigest(entries: readonly TreeEntry[]): string {
  const hash = createHash("sha256");
  for (const entry of entries) hash.update(`${JSON.stringify(entry)}\n`);
  return hash.digest("hex");
}

/** Copies entries of a tree into a folder that exists and is empty, and syncs every file and folder to the disk. */
export function copyTree(fs: FileOps, from: string, to: string, entries: readonly TreeEntry[]): void {
  for (const entry of entries) {
    const target = join(to, entry.path);
    if (entry.type === "link") {
      fs.symlinkSync(entry.target, target);
    } else if (entry.type === "folder") {
      fs.mkdirSync(target, { mode: 0o700 });
    } else {
      copyFile(fs, join(from, entry.path), target, entry.mode);
    }
  }
  // Modes of folders come last, children first: nothing could be made in a folder without write permission.
  for (const entry of entries.toReversed()) {
    if (entry.type !== "folder") continue;
    fs.chmodSync(join(to, entry.path), entry.mode);
    syncPath(fs, join(to, entry.path));
  }
}

/** Copies a file's contents and sets its mode, whatever the umask; the target must not exist. */
export function copyFile(fs: FileOps, from: string, to: string, mode: number): void {
  const source = fs.openSync(from, "r");
  try {
    const target = fs.openSync(to, "wx", 0o600);
    try {
      const piece = buffer.subarray(0, PIECE);
      for (let read = fs.readSync(source, piece); read > 0; read = fs.readSync(source, piece)) {
        for (let done = 0; done < read;) done += fs.writeSync(target, piece, done, read - done);
      }
      fs.fsyncSync(target);
    } finally {
      fs.closeSync(target);
    }
  } finally {
    fs.closeSync(source);
  }
  fs.chmodSync(to, mode);
}

/** Syncs a file, or the names in a folder, to the disk. */
export function syncPath(fs: FileOps, path: string): void {
  const handle = fs.openSync(path, "r");
  try {
    fs.fsyncSync(handle);
  } finally {
    fs.closeSync(handle);
  }
}

function hashFile(fs: FileOps, path: string): string {
  const hash = createHash("sha256");
  const handle = fs.openSync(path, "r");
  try {
    for (let read = fs.readSync(handle, buffer); read > 0; read = fs.readSync(handle, buffer)) {
      hash.update(buffer.subarray(0, read));
    }
  } finally {
    fs.closeSync(handle);
  }
  return hash.digest("hex");
}
