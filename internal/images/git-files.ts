import { lstat, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { kindOf } from "../cli/regular-file.ts";
import { LimitError, megabytes } from "./limits.ts";

/** The largest file of a repository that holds no objects, such as the index and packed-refs of a very large one. */
const MAX_FILE = 256 * 1024 * 1024;
const MAX_FILES = 100_000;

/**
 * Looks at the files of a repository whether git can read them: it waits for ever for a pipe, and takes others into memory
 * to their end. Those that hold objects are not among them, because there may be very many.
 *
 * @param repository the folder .git
 * @throws LimitError "PATH is a pipe, no regular file", or the like
 */
export async function checkGitFiles(repository: string): Promise<void> {
  const folders = [repository];
  let seen = 0;
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    for (const entry of await readdir(folder, { withFileTypes: true })) {
      if (++seen > MAX_FILES) throw new LimitError(`${repository} has more than ${MAX_FILES} files`);
      const path = join(folder, entry.name);
      if (entry.isDirectory()) {
        const info = join(path, "info");
        if (entry.name !== "objects") folders.push(path);
        else if ((await lstat(info).catch(() => undefined))?.isDirectory()) folders.push(info);
        continue;
      }
      // What a link leads to is read, and a link to nothing is not.
      const found = await stat(path).catch(() => undefined);
      // A socket cannot be opened. Git's own fsmonitor daemon has one here.
      if (found === undefined || found.isDirectory() || found.isSocket()) continue;
      if (!found.isFile()) throw new LimitError(`${path} is a ${kindOf(found)}, no regular file`);
      if (found.size > MAX_FILE) throw new LimitError(`${path} has more than ${megabytes(MAX_FILE)}`);
    }
  }
}
