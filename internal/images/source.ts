import { createHash } from "node:crypto";
import { readdir, readlink, stat } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { errorText } from "../cli/errors.ts";
import { readRegularFile, streamRegularFile } from "../cli/regular-file.ts";
import { isChanged, readCommit } from "./git.ts";
import { LABEL_BRAND, LABEL_PRODUCT, LABEL_REVISION, LABEL_SOURCE, LABEL_VERSION } from "./labels.ts";
import type { LocalImage } from "./engine.ts";
import { brandOf, parseReadme, versionProblem } from "./readme.ts";
import { LimitError, MAX_SOURCE, megabytes } from "./limits.ts";
import type { Runner } from "./runner.ts";
import { MAX_README, readTarball } from "./tarball.ts";

/** Onload's source: where it is, and which version it has. */
export interface Source {
  /** A checkout still needs scripts/onload_mkdist; a tree is an unpacked release. */
  kind: "checkout" | "tree" | "tarball" | "image";
  /** Absolute path, or the image's name. */
  location: string;
  product: string;
  brand: string;
  version: string;
  /** Empty if unknown. */
  revision: string;
  /** "sha256:" and the digest of the source. A later run compares it to see whether the source has changed. */
  digest: string;
  /** How many leading parts of its names tar must leave out, only of kind "tarball". */
  strip?: number;
  /** ID of the image, only of kind "image". */
  imageId?: string;
}

/** Scripts that every source tree of Onload has. */
const BUILD_SCRIPTS = ["scripts/onload_build", "scripts/onload_install"] as const;

/** Options of readSource. */
export interface SourceOptions {
  runner: Runner;
  /** The version of the release; by default it is found out. */
  version?: string | undefined;
  signal?: AbortSignal | undefined;
  /** Longest run of git, in milliseconds. Default: 30 s. */
  gitMs?: number | undefined;
}

/**
 * Reads the checkout, unpacked release or tarball at `path`.
 *
 * The version of a checkout is its tag without the leading v, else its commit as scripts/onload_mkdist abbreviates it.
 * "-dirty" is appended if tracked files were changed.
 *
 * @throws Error if it is none of them, is damaged, or has no usable version
 */
export async function readSource(path: string, options: SourceOptions): Promise<Source> {
  const kind = await stat(path).catch((cause: unknown) => {
    throw new Error(`Cannot read ${path}: ${errorText(cause)}`, { cause });
  });
  const source = kind.isDirectory() ? await readFolder(path, options) : await readRelease(path, options);
  const problem = versionProblem(source.version);
  if (problem !== undefined) {
    throw new Error(
      `Cannot use the version "${source.version}" of ${path}: ${problem}; give another with --onload-version`,
    );
  }
  return source;
}

/** Reads the labels of a source image that we or Onload's own scripts have made. */
export function sourceOfImage(name: string, image: LocalImage, version?: string): Source {
  const { labels } = image;
  const found = version ?? labels[LABEL_VERSION] ?? labels["version"] ?? "";
  const product = (labels[LABEL_PRODUCT] ?? "onload").toLowerCase();
  if (found === "") {
    throw new Error(
      `Cannot tell the version of ${name}: it has no label ${LABEL_VERSION}; give it with --onload-version`,
    );
  }
  const problem = versionProblem(found);
  if (problem !== undefined) throw new Error(`Cannot use the version "${found}" of ${name}: ${problem}`);
  return {
    kind: "image",
    location: name,
    product,
    brand: labels[LABEL_BRAND] ?? brandOf(product),
    version: found,
    revision: labels[LABEL_REVISION] ?? "",
    digest: labels[LABEL_SOURCE] ?? `sha256:${image.id}`,
    imageId: image.id,
  };
}

async function readRelease(path: string, { version, signal }: SourceOptions): Promise<Source> {
  const tarball = await readTarball(path, signal);
  for (const script of BUILD_SCRIPTS) {
    if (!tarball.files.has(script))
      throw new Error(`Cannot use ${path}: it is not an Onload release, it has no ${script}`);
  }
  const note = parseReadme(tarball.readme) ?? parseReadme(`==========\nversion: ${tarball.folder}\n`);
  const product = note?.product ?? "onload";
  return {
    kind: "tarball",
    location: path,
    product,
    brand: brandOf(product),
    version: version ?? note?.version ?? "",
    revision: note?.revision ?? "",
    digest: tarball.digest,
    strip: tarball.strip,
  };
}

async function readFolder(path: string, options: SourceOptions): Promise<Source> {
  for (const script of BUILD_SCRIPTS) {
    if (!(await exists(join(path, script)))) {
      throw new Error(`Cannot use ${path}: it is not an Onload tree, it has no ${script}`);
    }
  }
  const digest = await folderDigest(path, options.signal);
  const note = parseReadme(await smallText(join(path, "README")));
  if (!(await exists(join(path, "scripts/onload_mkdist")))) {
    const product = note?.product ?? "onload";
    const version = options.version ?? note?.version ?? "";
    const revision = note?.revision ?? "";
    return { kind: "tree", location: path, product, brand: brandOf(product), version, revision, digest };
  }
  const { revision, version } = await checkoutVersion(path, digest, options);
  return { kind: "checkout", location: path, product: "onload", brand: brandOf("onload"), version, revision, digest };
}

async function checkoutVersion(
  path: string,
  digest: string,
  options: SourceOptions,
): Promise<{ version: string; revision: string }> {
  const commit = await readCommit(path, options);
  if (commit === undefined) {
    const env = await smallText(join(path, "versions.env"));
    const version = options.version ?? /^ONLOAD_VERSION=(\S+)$/m.exec(env)?.[1] ?? "";
    return { version, revision: digest.slice("sha256:".length).slice(0, 7) };
  }
  const { revision, tag } = commit;
  if (options.version !== undefined) return { version: options.version, revision };
  const dirty = (await isChanged(path, options)) ? "-dirty" : "";
  return { version: `${tag === undefined ? revision : tag.replace(/^v(?=\d)/, "")}${dirty}`, revision };
}

/** Entries of a tree: the source of Onload has 6,000. */
const MAX_ENTRIES = 500_000;

/**
 * The digest of the paths, modes and contents of a tree, without git's own files and the output of local builds.
 *
 * @throws Error if it is larger than any source
 */
export async function folderDigest(root: string, signal?: AbortSignal): Promise<string> {
  const hash = createHash("sha256");
  let seen = 0;
  let bytes = 0;
  const refuseOver = (limit: string, path: string): never => {
    throw new LimitError(`Cannot use ${root}: it has more than ${limit} (at "${path}")`);
  };
  const walk = async (folder: string): Promise<void> => {
    signal?.throwIfAborted();
    const entries = await readdir(join(root, folder), { withFileTypes: true });
    entries.sort((a, b) => (a.name < b.name ? -1 : 1));
    for (const entry of entries) {
      const path = folder === "" ? entry.name : `${folder}/${entry.name}`;
      if (path === ".git" || path === "build") continue;
      if (++seen > MAX_ENTRIES) refuseOver(`${MAX_ENTRIES.toLocaleString("en")} entries`, path);
      if (entry.isDirectory()) {
        await walk(path);
      } else if (entry.isSymbolicLink()) {
        hash.update(`link ${path}\0${await readlink(join(root, path))}\0`);
      } else if (entry.isFile()) {
        const { mode, size } = await stat(join(root, path));
        bytes += size;
        if (bytes > MAX_SOURCE) refuseOver(megabytes(MAX_SOURCE), path);
        hash.update(`file ${path}\0${(mode & 0o111) !== 0 ? "x" : "-"}\0${size}\0`);
        await pipeline(await streamRegularFile(join(root, path)), async (content) => {
          for await (const chunk of content) hash.update(chunk as Buffer);
        });
      }
    }
  };
  await walk("");
  return `sha256:${hash.digest("hex")}`;
}

/** The text of a file; empty if there is none. @throws Error if it is not what it should be */
async function smallText(path: string): Promise<string> {
  try {
    return (await readRegularFile(path, MAX_README)).toString();
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return "";
    throw new Error(`Cannot read ${path}: ${errorText(cause)}`, { cause });
  }
}

async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined;
}
