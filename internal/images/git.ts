/*
 * Reads a checkout that somebody else may have prepared. A repository's own configuration, attributes and hooks can name
 * programs that git runs, so only commands are used that run none:
 * - fsmonitor, filters and hooks belong to the index and to the work tree. `git status` uses them; we compare the files with
 *   the commit ourselves and never let git look at either.
 * - A partial clone fetches missing objects through ssh commands, upload-pack commands or remote helpers that its
 *   configuration names. Git runs none of them if no protocol is allowed.
 *
 * Git waits for ever for a pipe, and takes whole files into memory, whatever their size and kind. So its files are looked
 * at before, and where they are others than those, its time and memory have an end.
 */
import { createHash } from "node:crypto";
import { lstat, readlink } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { errorText } from "../cli/errors.ts";
import { streamRegularFile } from "../cli/regular-file.ts";
import { checkGitFiles } from "./git-files.ts";
import { inTime, LimitError, MAX_SOURCE, megabytes, TimeLimitError } from "./limits.ts";
import type { Runner, RunOptions } from "./runner.ts";

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

/** Of packs, which git maps into memory piece by piece. */
const GIT_MEMORY = ["core.packedGitWindowSize=32m", "core.packedGitLimit=256m"];

/** By which a shell, such as that of a hook, names the repository that git works on (git rev-parse --local-env-vars). */
const FOREIGN_VARIABLES =
  "GIT_ALTERNATE_OBJECT_DIRECTORIES GIT_CONFIG GIT_CONFIG_PARAMETERS GIT_CONFIG_COUNT GIT_OBJECT_DIRECTORY GIT_DIR " +
  "GIT_WORK_TREE GIT_IMPLICIT_WORK_TREE GIT_GRAFT_FILE GIT_INDEX_FILE GIT_REPLACE_REF_BASE GIT_PREFIX " +
  "GIT_INTERNAL_SUPER_PREFIX GIT_SHALLOW_FILE GIT_COMMON_DIR GIT_NAMESPACE GIT_CEILING_DIRECTORIES";

/** Runs the words that follow without them, and with at most 1 GiB of memory, where the system has such a limit. */
const ALONE = ["sh", "-c", `unset ${FOREIGN_VARIABLES}; ulimit -v 1048576 2>/dev/null; exec "$@"`, "sh"];

/** Git answers within a second, unless the disk is slow. */
const GIT_MS = 30_000;

function gitCommand(path: string, ...args: string[]): string[] {
  // Other people's checkouts may be read, because nothing that they configure is run. The user's own list is not read.
  const config = [...GIT_CONFIG, ...GIT_MEMORY, "safe.directory=*"].flatMap((setting) => ["-c", setting]);
  return [...ALONE, "git", "--no-pager", ...config, "-C", path, ...args];
}

/** How git is run. */
export interface GitOptions {
  runner: Runner;
  signal?: AbortSignal | undefined;
  /** Longest run of git, in milliseconds. Default: 30 s. */
  gitMs?: number | undefined;
  /** Most bytes of all files of a commit. Default: 4 GB. */
  maxBytes?: number;
}

/**
 * The commit that is checked out at `path`; undefined if `path` is not the top of a repository.
 *
 * @throws Error if it is one that git cannot read
 */
export async function readCommit(path: string, options: GitOptions): Promise<Commit | undefined> {
  return await telling(path, options, async (run) => {
    const repository = join(path, ".git");
    const kind = await lstat(repository).catch(() => undefined);
    if (kind === undefined) return undefined;
    if (kind.isDirectory()) await checkGitFiles(repository);
    const git = async (...args: string[]): Promise<string> => {
      const { code, stdout, output } = await options.runner.run(gitCommand(path, ...args), run);
      if (code !== 0) throw new Error(output.trim() || `git exits with ${code}`);
      return stdout.trim();
    };
    // `path` must be the top level of its repository; a folder inside another repository is no checkout of Onload.
    if ((await git("rev-parse", "--show-prefix")) !== "") throw new Error("it lies inside another repository");
    const revision = await git("rev-parse", "--short=7", "HEAD");
    const tag = await git("describe", "--tags", "--exact-match", "HEAD").catch((error: unknown) => {
      if (error instanceof LimitError || run.signal?.aborted) throw error;
      return undefined;
    });
    return { revision, tag };
  });
}

/**
 * Whether a file of the commit at `path` is missing or has another content, kind or mode. Other files do not count.
 *
 * @throws Error if git cannot tell
 */
export async function isChanged(path: string, options: GitOptions): Promise<boolean> {
  const command = gitCommand(path, "ls-tree", "-r", "-z", "--full-tree", "HEAD");
  // Git has ended before files are read, which may take longer.
  const files = await telling(path, options, (run) => options.runner.read(command, allEntries, run));
  const { maxBytes = MAX_SOURCE } = options;
  const budget = { left: maxBytes, most: maxBytes };
  for (const entry of files) {
    options.signal?.throwIfAborted();
    if (!(await isSame(path, entry, budget))) return true;
  }
  return false;
}

/** Runs git with bounds, and names the repository in what it throws. */
async function telling<T>(
  path: string,
  { signal, gitMs = GIT_MS }: GitOptions,
  ask: (run: RunOptions) => Promise<T>,
): Promise<T> {
  try {
    return await ask({ env: GIT_ENV, signal, timeoutMs: gitMs });
  } catch (error) {
    signal?.throwIfAborted();
    const reason = error instanceof TimeLimitError ? `git has not ended within ${inTime(gitMs)}` : errorText(error);
    throw new Error(`Cannot read the commit of ${path}: ${reason}`, { cause: error });
  }
}

/** No file system has such a long path: PATH_MAX is 4096. */
const MAX_ENTRY = 8192;

/** Of all entries together, in characters. A source tree has some thousand files. */
const MAX_LIST = 64 * 1024 * 1024;

async function allEntries(stdout: Readable): Promise<string[]> {
  const all: string[] = [];
  let length = 0;
  for await (const entry of entries(stdout)) {
    length += entry.length;
    if (length > MAX_LIST) throw new LimitError(`its list of files has more than ${megabytes(MAX_LIST)}`);
    all.push(entry);
  }
  return all;
}

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

/**
 * Compares a file with its entry of a commit, which reads "MODE TYPE OBJECT<tab>PATH" (git-ls-tree(1)).
 *
 * @param budget bytes that may still be read, of so many: files that are holes, or links to one another, cost nothing to make
 */
async function isSame(root: string, entry: string, budget: { left: number; readonly most: number }): Promise<boolean> {
  const [, mode, object, path] = /^(\d+) \w+ ([0-9a-f]+)\t([^]+)$/.exec(entry) ?? [];
  if (mode === undefined || object === undefined || path === undefined) return false;
  // A submodule is a repository of its own.
  if (mode === "160000") return true;
  const file = join(root, path);
  const found = await lstat(file).catch(() => undefined);
  const kind = found?.isSymbolicLink() ? "120000" : (found?.mode ?? 0) & 0o100 ? "100755" : "100644";
  if (!found || !(found.isFile() || found.isSymbolicLink()) || kind !== mode) return false;
  budget.left -= found.size;
  if (budget.left < 0)
    throw new LimitError(`Cannot use ${root}: with ${path} its files have more than ${megabytes(budget.most)}`);
  const hash = createHash(object.length === 64 ? "sha256" : "sha1").update(`blob ${found.size}\0`);
  if (found.isSymbolicLink()) {
    hash.update(await readlink(file, { encoding: "buffer" }));
  } else {
    let left = found.size;
    await pipeline(await streamRegularFile(file), async (content) => {
      for await (const chunk of content) {
        // One that grows while it is read may do so for ever.
        if ((left -= (chunk as Buffer).length) < 0) break;
        hash.update(chunk as Buffer);
      }
    });
  }
  return hash.digest("hex") === object;
}
