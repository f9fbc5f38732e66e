import { opendir, realpath, stat } from "node:fs/promises";
import { basename, join, sep } from "node:path";
import { errorText } from "../cli/errors.ts";
import { readRegularFile } from "../cli/regular-file.ts";
import { readTarball } from "../images/tarball.ts";
import type { Library, Profile } from "./evaluate.ts";
import { PROFILE_ENDING, profileOfFile } from "./names.ts";

/** Where Onload installs its profiles. */
export const DEFAULT_PROFILE_DIR = "/usr/libexec/onload/profiles";
/** Where they are in Onload's source. */
const SOURCE_DIR = "scripts/onload_profiles";
/** The largest of Onload's own profiles has 6 kB. */
const MAX_PROFILE = 64 * 1024;
/** Onload itself has 24. */
const MAX_PROFILES = 500;
/** Other entries of a folder are passed over. */
const MAX_ENTRIES = 20_000;

/**
 * The profiles of a folder, of Onload's unpacked source, or of its release tarball. Files whose names are not those of
 * profiles are passed over.
 *
 * @throws Error if there are none, or one is no text, too large, or not in the folder itself
 */
export async function readLibrary(path: string, signal?: AbortSignal): Promise<Library> {
  const kind = await stat(path).catch((cause: unknown) => {
    throw new Error(
      `Cannot read profiles from ${path}: ${errorText(cause)}; give Onload's folder of profiles, source or tarball with --profile-dir`,
      { cause },
    );
  });
  const library = kind.isDirectory() ? await readFolder(path, signal) : await readRelease(path, signal);
  if (library.size > 0) return library;
  throw new Error(`Cannot read profiles from ${path}: it has no file that ends in ${PROFILE_ENDING}`);
}

/**
 * Reads one profile and nothing else of its folder.
 *
 * @throws Error if it is no text, no regular file or too large
 */
export async function readProfile(path: string): Promise<Profile> {
  const file = basename(path);
  if (profileOfFile(file) === undefined || !file.endsWith(PROFILE_ENDING)) {
    throw new Error(
      `Cannot read ${path}: the name of a profile is at most 100 letters, digits, ".", "_" and "-", and ${PROFILE_ENDING}`,
    );
  }
  return { file, text: await readText(path) };
}

/** The profile of a name. Onload takes fragments for other profiles only. */
export function findProfile(library: Library, name: string): Profile | undefined {
  const file = `${name}${PROFILE_ENDING}`;
  const text = library.get(file);
  return text === undefined ? undefined : { file, text };
}

async function readFolder(path: string, signal: AbortSignal | undefined): Promise<Library> {
  const source = join(path, SOURCE_DIR);
  const folder = await realpath((await stat(source).catch(() => undefined))?.isDirectory() ? source : path);
  const files: string[] = [];
  let entries = 0;
  for await (const { name } of await opendir(folder)) {
    signal?.throwIfAborted();
    if (++entries > MAX_ENTRIES) throw tooMany(path, `${MAX_ENTRIES} files`);
    if (profileOfFile(name) !== undefined) files.push(name);
  }
  if (files.length > MAX_PROFILES) throw tooMany(path, `${MAX_PROFILES} profiles`);
  const library = new Map<string, string>();
  for (const file of files.sort()) {
    signal?.throwIfAborted();
    const real = await realpath(join(folder, file)).catch((cause: unknown) => {
      throw new Error(`Cannot read ${join(path, file)}: it is a link to nothing`, { cause });
    });
    if (!real.startsWith(folder === sep ? sep : `${folder}${sep}`)) {
      throw new Error(`Cannot read ${join(path, file)}: it is a link to a file outside of the folder`);
    }
    library.set(file, await readText(real));
  }
  return library;
}

async function readRelease(path: string, signal: AbortSignal | undefined): Promise<Library> {
  const inside = (entry: string): string | undefined =>
    entry.startsWith(`${SOURCE_DIR}/`) && profileOfFile(entry.slice(SOURCE_DIR.length + 1)) !== undefined
      ? entry.slice(SOURCE_DIR.length + 1)
      : undefined;
  const { texts } = await readTarball(path, signal, {
    is: (entry) => inside(entry) !== undefined,
    maxBytes: MAX_PROFILE,
    maxFiles: MAX_PROFILES,
  });
  const files = [...texts].map(([entry, bytes]): [string, string] => [inside(entry)!, decode(entry, bytes)]);
  return new Map(files.sort(([a], [b]) => (a < b ? -1 : 1)));
}

async function readText(path: string): Promise<string> {
  const bytes = await readRegularFile(path, MAX_PROFILE).catch((cause: unknown) => {
    throw new Error(`Cannot read ${path}: ${errorText(cause)}`, { cause });
  });
  return decode(path, bytes);
}

function decode(path: string, bytes: Buffer): string {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new Error(`Cannot read ${path}: it is not UTF-8 text`, { cause });
  }
  // A shell takes a carriage return for a part of the value.
  const odd = /(?![\n\t])\p{Cc}/u.exec(text);
  if (odd === null) return text;
  const line = text.slice(0, odd.index).split("\n").length;
  throw new Error(`Cannot read ${path}: line ${line} has a control character, such as a Windows line end`);
}

function tooMany(path: string, limit: string): Error {
  return new Error(`Cannot read profiles from ${path}: it has more than ${limit}`);
}
