import type { Stats } from "node:fs";
import { lstat, readlink } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";

/** As many links as the kernel follows in one path (MAXSYMLINKS). */
const MAX_LINKS = 40;

/**
 * What a path of the node names, for a process that finds the node's root folder elsewhere. Links are followed as the
 * node follows them: /var/lib/rancher/rke2/bin, for instance, is a link to an absolute path.
 *
 * @returns undefined if there is nothing, or nothing that can be looked at
 */
export async function statOnNode(root: string, path: string): Promise<Stats | undefined> {
  let done = "/";
  const todo = path.split("/").filter(Boolean);
  let links = 0;
  try {
    for (let name = todo.shift(); name !== undefined; name = todo.shift()) {
      const next = resolve(done, name);
      if (!(await lstat(join(root, next))).isSymbolicLink()) {
        done = next;
        continue;
      }
      if (++links > MAX_LINKS) return undefined;
      const target = await readlink(join(root, next));
      done = target.startsWith("/") ? "/" : dirname(next);
      todo.unshift(...target.split("/").filter(Boolean));
    }
    return await lstat(join(root, done));
  } catch {
    return undefined;
  }
}
