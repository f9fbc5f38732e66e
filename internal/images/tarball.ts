import { createHash } from "node:crypto";
import { posix } from "node:path";
import { createGunzip } from "node:zlib";
import type { Headers } from "tar-stream";
import { errorText } from "../cli/errors.ts";
import { streamRegularFile } from "../cli/regular-file.ts";
import { LimitError, megabytes } from "./limits.ts";
import { bytes, eachEntry } from "./tar.ts";

/** What a release tarball contains. */
export interface TarballFacts {
  /** The folder that contains everything, such as onload-9.1.0. */
  folder: string;
  /** How many leading parts of each name tar must leave out: that folder, and ./ if all names begin with it. */
  strip: 1 | 2;
  /** The text of its README; empty if there is none. */
  readme: string;
  /** "sha256:" and the digest of the compressed bytes. */
  digest: string;
  /** Paths under the folder. */
  files: Set<string>;
  /** The texts of the files that were asked for, by their path under the folder. */
  texts: Map<string, Buffer>;
}

/** Files of a tarball to read too. */
interface Wanted {
  /** Whether the file at a path under the folder is one of them. */
  is(path: string): boolean;
  /** The largest of them, in bytes. */
  maxBytes: number;
  maxFiles: number;
}

/** A release of Onload has about 6,000 entries, 60 MB, folders 10 deep, and a README of 5 kB. */
const MAX_ENTRIES = 100_000;
const MAX_NAMES = 16 * 1024 * 1024;
const MAX_UNPACKED = 2 * 1024 ** 3;
const MAX_DEPTH = 64;
/** The largest README that is read, in bytes. */
export const MAX_README = 1024 * 1024;

/**
 * Reads a whole .tgz, so that a truncated or hostile one is refused before anything is unpacked.
 *
 * @throws Error saying what is wrong with the file
 */
export async function readTarball(path: string, signal?: AbortSignal, wanted?: Wanted): Promise<TarballFacts> {
  const hash = createHash("sha256");
  // It is read more than once, so a pipe cannot be one.
  const file = await streamRegularFile(path).catch((cause: unknown) => {
    throw new Error(`Cannot read ${path}: ${errorText(cause)}`, { cause });
  });
  file.on("data", (chunk) => hash.update(chunk));
  const escapes = new EscapeCheck();
  const paths = new Set<string>();
  let dotted = 0;
  let entries = 0;
  const texts = new Map<string, Buffer>();
  let names = 0;
  let size = 0;
  let readme = "";
  let problem: string | undefined;
  try {
    await eachEntry(
      file.pipe(createGunzip({ chunkSize: 256 * 1024 })).on("error", () => undefined),
      async (header, content) => {
        problem = escapes.problem(header) ?? oddName(header.name) ?? oddContent(header);
        if (problem !== undefined) return false;
        entries++;
        if (header.name.startsWith("./") || header.name === ".") dotted++;
        paths.add(clean(header.name));
        names += header.name.length + (header.linkname?.length ?? 0);
        size += header.size ?? 0;
        const limit =
          paths.size > MAX_ENTRIES
            ? `${MAX_ENTRIES.toLocaleString("en")} entries`
            : names > MAX_NAMES
              ? `${megabytes(MAX_NAMES)} of names`
              : size > MAX_UNPACKED
                ? `${megabytes(MAX_UNPACKED)} unpacked`
                : undefined;
        if (limit !== undefined) throw new LimitError(`it has more than ${limit} (at "${header.name.slice(0, 200)}")`);
        if (/^(\.\/)?[^/]+\/README$/.test(header.name)) {
          readme = (await bytes(content, MAX_README, `its entry "${header.name}"`)).toString();
        }
        const inside = clean(header.name).split("/").slice(1).join("/");
        if (wanted?.is(inside) && (header.type ?? "file") === "file") {
          if (texts.size >= wanted.maxFiles) throw new LimitError(`it has more than ${wanted.maxFiles} such files`);
          texts.set(inside, await bytes(content, wanted.maxBytes, `its entry "${header.name}"`));
        }
        return undefined;
      },
      { source: file, signal, strict: true },
    );
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof LimitError) throw new Error(`Cannot use ${path}: ${error.message}`, { cause: error });
    const reason =
      /unexpected end|invalid (tar|header|stored|block|distance|code|literal|window)|incorrect|premature/i.test(
        (error as Error).message,
      )
        ? "it is truncated or not a gzipped tar"
        : (error as Error).message;
    throw new Error(`Cannot read ${path}: ${reason}`, { cause: error });
  } finally {
    file.destroy();
  }
  if (problem !== undefined) throw new Error(`Cannot use ${path}: ${problem}`);
  if (dotted !== 0 && dotted !== entries)
    throw new Error(`Cannot use ${path}: some of its names begin with ./ and others do not; pack it again`);
  const folders = new Set([...paths].map((name) => name.split("/")[0]!));
  folders.delete("");
  const [folder] = folders;
  if (folder === undefined || folders.size > 1) {
    throw new Error(`Cannot use ${path}: a release tarball holds one folder, this one ${folders.size}`);
  }
  const files = new Set([...paths].map((name) => name.slice(folder.length + 1)));
  return { folder, strip: dotted === 0 ? 1 : 2, readme, digest: `sha256:${hash.digest("hex")}`, files, texts };
}

/** Names that tar counts the parts of in another way than we do: a//b, a/./b, a/../b. */
function oddName(name: string): string | undefined {
  const plain = name.replace(/^\.(\/|$)/, "").replace(/\/$/, "");
  return plain === clean(name) ? undefined : `its entry "${name}" has an odd name; pack it again`;
}

/** What is read in another way by others, so that they would find entries where we find content. */
function oddContent({ name, linkname, type, size }: Headers): string | undefined {
  if (`${name}${linkname ?? ""}`.includes("\0")) return `its entry "${name}" has a name with a zero byte`;
  const isFile = (type ?? "file") === "file" || type === "contiguous-file";
  // GNU tar takes a file whose name ends in a slash for a folder, and gives a link or a folder no content.
  if ((size ?? 0) === 0 || (isFile && !name.endsWith("/"))) return undefined;
  return `its entry "${name}" has content, and only files may have some`;
}

/**
 * Looks at the entries of a tarball, in their order, for one that would be written outside of its first folder, in
 * whatever folder that is unpacked: the name of the first folder is left out then (--strip-components=1).
 */
export class EscapeCheck {
  readonly #links = new Set<string>();

  /** What is wrong with an entry, in words; undefined if nothing is. */
  problem({ name, type, linkname }: Pick<Headers, "name" | "type" | "linkname">): string | undefined {
    const path = clean(name);
    if (name.startsWith("/") || outside(path)) return `its entry "${name}" leaves the folder it is unpacked in`;
    if (path.split("/").length > MAX_DEPTH)
      return `its entry "${name.slice(0, 100)}..." is more than ${MAX_DEPTH} folders deep`;
    const link = this.#linkAbove(path);
    if (link !== undefined) return `its entry "${name}" lies behind the symbolic link "${link}"`;
    if (type === "symlink" || type === "link") {
      const target = linkname ?? "";
      const resolved = type === "symlink" ? posix.join(posix.dirname(path), target) : clean(target);
      const [top] = path.split("/");
      if (target.startsWith("/") || outside(resolved) || clean(resolved).split("/")[0] !== top) {
        return `its link "${name}" points outside, to "${target}"`;
      }
      if (type === "symlink") this.#links.add(path);
      // tar makes a hard link to a symbolic link itself, which is another name for that link.
      if (type === "link" && this.#links.has(resolved)) this.#links.add(path);
      const above = type === "link" ? this.#linkAbove(resolved) : undefined;
      if (above !== undefined) return `its link "${name}" points behind the symbolic link "${above}"`;
    } else if (type !== undefined && type !== null && !["file", "directory", "contiguous-file"].includes(type)) {
      return `its entry "${name}" is a ${type}`;
    }
    return undefined;
  }

  #linkAbove(path: string): string | undefined {
    for (let parent = posix.dirname(path); parent !== "."; parent = posix.dirname(parent)) {
      if (this.#links.has(parent)) return parent;
    }
    return undefined;
  }
}

function clean(name: string): string {
  const path = posix.normalize(name).replace(/\/$/, "");
  return path === "." ? "" : path;
}

function outside(path: string): boolean {
  return path === ".." || path.startsWith("../") || posix.isAbsolute(path);
}
