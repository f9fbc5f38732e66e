import { createReadStream } from "node:fs";
import { createHash } from "node:crypto";
import { posix } from "node:path";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { extract, type Headers } from "tar-stream";

/** What a release tarball contains. */
export interface TarballFacts {
  /** The folder that contains everything, such as onload-9.1.0. */
  folder: string;
  /** The text of its README; empty if there is none. */
  readme: string;
  /** "sha256:" and the digest of the compressed bytes. */
  digest: string;
  /** Paths under the folder. */
  files: Set<string>;
}

/**
 * Reads a whole .tgz, so that a truncated or hostile one is refused before anything is unpacked.
 *
 * @throws Error saying what is wrong with the file
 */
export async function readTarball(path: string, signal?: AbortSignal): Promise<TarballFacts> {
  const hash = createHash("sha256");
  const file = createReadStream(path);
  file.on("data", (chunk) => hash.update(chunk));
  const entries: Headers[] = [];
  let readme = "";
  try {
    await eachEntry(
      file.pipe(createGunzip()).on("error", () => undefined),
      async (header, content) => {
        entries.push(header);
        if (/^(\.\/)?[^/]+\/README$/.test(header.name)) readme = (await bytes(content)).toString();
      },
      { source: file, signal },
    );
  } catch (error) {
    signal?.throwIfAborted();
    const reason = /unexpected end|invalid|incorrect|premature/i.test((error as Error).message)
      ? "it is truncated or not a gzipped tar"
      : (error as Error).message;
    throw new Error(`Cannot read ${path}: ${reason}`, { cause: error });
  }
  const problem = escapeProblem(entries);
  if (problem !== undefined) throw new Error(`Cannot use ${path}: ${problem}`);
  const folders = new Set(entries.map(({ name }) => clean(name).split("/")[0]!));
  folders.delete("");
  const [folder] = folders;
  if (folder === undefined || folders.size > 1) {
    throw new Error(`Cannot use ${path}: a release tarball holds one folder, this one ${folders.size}`);
  }
  const files = new Set(entries.map(({ name }) => clean(name).slice(folder.length + 1)));
  return { folder, readme, digest: `sha256:${hash.digest("hex")}`, files };
}

/** The first entry that would be written outside the folder it is unpacked in, in words; undefined if there is none. */
export function escapeProblem(entries: readonly Pick<Headers, "name" | "type" | "linkname">[]): string | undefined {
  const links = new Set<string>();
  for (const { name, type, linkname } of entries) {
    const path = clean(name);
    if (name.startsWith("/") || outside(path)) return `its entry "${name}" leaves the folder it is unpacked in`;
    for (let parent = posix.dirname(path); parent !== "."; parent = posix.dirname(parent)) {
      if (links.has(parent)) return `its entry "${name}" lies behind the symbolic link "${parent}"`;
    }
    if (type === "symlink" || type === "link") {
      const target = linkname ?? "";
      const resolved = type === "symlink" ? posix.join(posix.dirname(path), target) : clean(target);
      if (target.startsWith("/") || outside(resolved)) return `its link "${name}" points outside, to "${target}"`;
      if (type === "symlink") links.add(path);
    } else if (type !== undefined && type !== null && !["file", "directory", "contiguous-file"].includes(type)) {
      return `its entry "${name}" is a ${type}`;
    }
  }
  return undefined;
}

/** Options of eachEntry. */
interface EntryOptions {
  /** The stream that `tar` is piped from. Its errors end the reading too. */
  source?: Readable;
  signal?: AbortSignal | undefined;
}

/**
 * Calls `visit` with each entry of a tar, one after another. Content that `visit` does not read is skipped.
 * `visit` returns false to stop early.
 *
 * @throws Error if the tar ends too early or is none
 */
export async function eachEntry(
  tar: Readable,
  visit: (header: Headers, content: Readable) => Promise<boolean | void>,
  options: EntryOptions = {},
): Promise<void> {
  const parser = extract();
  let stopped = false;
  options.source?.on("error", (error) => tar.destroy(error));
  const feeding = pipeline(tar, parser, options.signal ? { signal: options.signal } : {});
  const reading = (async () => {
    for await (const entry of parser) {
      if ((await visit(entry.header, entry as unknown as Readable)) === false) {
        stopped = true;
        return;
      }
      entry.resume();
    }
  })();
  const results = await Promise.allSettled([feeding, reading]);
  if (stopped) return;
  for (const result of results) if (result.status === "rejected") throw result.reason;
}

/** All bytes of a stream. */
export async function bytes(stream: Readable): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

function clean(name: string): string {
  const path = posix.normalize(name).replace(/\/$/, "");
  return path === "." ? "" : path;
}

function outside(path: string): boolean {
  return path === ".." || path.startsWith("../") || posix.isAbsolute(path);
}
