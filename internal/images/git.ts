/*
 * Reads a checkout that somebody else may have prepared. A repository's own configuration, attributes and hooks can name
 * programs that git runs, so only commands are used that run none:
 * - fsmonitor, filters and hooks belong to the index and to the work tree. `git status` uses them; we compare the files with
 *   the commit ourselves and never let git look at either.
 * - A partial clone fetches missing objects through ssh commands, upload-pack commands or remote helpers that its
 *   configuration names. Git runs none of them if no protocol is allowed.
 */
import { createHash } from "node:crypto";
import { lstat, readlink, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { streamRegularFile } from "../cli/regular-file.ts";
import type { Runner } from "./runner.ts";

/** The commit of a checkout. */
export interface Commit {
  /** Abbreviated to seven or more digits. */
  revision: string;
  /** A tag of exactly this commit. */
  tag: string | undefined;
}

const GIT_ENV = {
  GIT_ALLOW_PROTOCOL: "none",
  GIT_NO_LAZY_FETCH: "1",
  GIT_NO_REPLACE_OBJECTS: "1",
  GIT_OPTIONAL_LOCKS: "0",
  GIT_TERMINAL_PROMPT: "0",
  GIT_CONFIG_NOSYSTEM: "1",
  GIT_CONFIG_GLOBAL: "/dev/null",
} as const;

/** A second line of defence, for commands of later versions of git that do use them. */
const GIT_CONFIG = ["core.fsmonitor=false", "core.hooksPath=/dev/null", "log.showSignature=false"];

function gitCommand(path: string, ...args: string[]): string[] {
  // Other people's checkouts may be read, because nothing that they configure is run. The user's own list is not read.
  const config = [...GIT_CONFIG, "safe.directory=*"].flatMap((setting) => ["-c", setting]);
  return ["git", "--no-pager", ...config, "-C", path, ...args];
}

/**
 * The commit that is checked out at `path`; undefined if `path` is not the top of a repository.
 *
 * @throws Error if it is one that git cannot read
 */
export async function readCommit(path: string, runner: Runner, signal?: AbortSignal): Promise<Commit | undefined> {
  const git = async (...args: string[]): Promise<{ ok: boolean; text: string; output: string }> => {
    const { code, stdout, output } = await runner.run(gitCommand(path, ...args), { env: GIT_ENV, signal });
    return { ok: code === 0, text: stdout.trim(), output: output.trim() };
  };
  // `path` must be the top level of its repository; a folder inside another repository is no checkout of Onload.
  const prefix = await git("rev-parse", "--show-prefix");
  const top = prefix.ok && prefix.text === "";
  const head = top ? await git("rev-parse", "--short=7", "HEAD") : prefix;
  if (!top || !head.ok) {
    if ((await stat(join(path, ".git")).catch(() => undefined)) === undefined) return undefined;
    throw new Error(`Cannot read the commit of ${path}: ${head.output || "it lies inside another repository"}`);
  }
  const tag = await git("describe", "--tags", "--exact-match", "HEAD");
  return { revision: head.text, tag: tag.ok ? tag.text : undefined };
}

/** Whether a file of the commit at `path` is missing or has another content, kind or mode. Other files do not count. */
export async function isChanged(path: string, runner: Runner, signal?: AbortSignal): Promise<boolean> {
  const command = gitCommand(path, "ls-tree", "-r", "-z", "--full-tree", "HEAD");
  const read = async (stdout: Readable): Promise<boolean> => {
    for await (const entry of entries(stdout)) if (!(await isSame(path, entry))) return true;
    return false;
  };
  return await runner.read(command, read, { env: GIT_ENV, ...(signal ? { signal } : {}) });
}

/** No file system has such a long path: PATH_MAX is 4096. */
const MAX_ENTRY = 8192;

/** The parts of the output that end in a NUL byte. One that is too long ends them, as it is. */
async function* entries(stdout: Readable): AsyncGenerator<string> {
  let rest = Buffer.alloc(0);
  for await (const chunk of stdout) {
    rest = Buffer.concat([rest, chunk as Buffer]);
    for (let end = rest.indexOf(0); end >= 0; end = rest.indexOf(0)) {
      yield rest.subarray(0, end).toString();
      rest = rest.subarray(end + 1);
    }
    if (rest.length > MAX_ENTRY) return yield rest.subarray(0, MAX_ENTRY).toString();
  }
}

/** Compares a file with its entry of a commit, which reads "MODE TYPE OBJECT<tab>PATH" (git-ls-tree(1)). */
async function isSame(root: string, entry: string): Promise<boolean> {
  const [, mode, object, path] = /^(\d+) \w+ ([0-9a-f]+)\t([^]+)$/.exec(entry) ?? [];
  if (mode === undefined || object === undefined || path === undefined) return false;
  // A submodule is a repository of its own.
  if (mode === "160000") return true;
  const file = join(root, path);
  const found = await lstat(file).catch(() => undefined);
  const kind = found?.isSymbolicLink() ? "120000" : (found?.mode ?? 0) & 0o100 ? "100755" : "100644";
  if (!found || !(found.isFile() || found.isSymbolicLink()) || kind !== mode) return false;
  const hash = createHash(object.length === 64 ? "sha256" : "sha1").update(`blob ${found.size}\0`);
  if (found.isSymbolicLink()) {
    hash.update(await readlink(file, { encoding: "buffer" }));
  } else {
    await pipeline(await streamRegularFile(file), async (content) => {
      for await (const chunk of content) hash.update(chunk as Buffer);
    });
  }
  return hash.digest("hex") === object;
}
