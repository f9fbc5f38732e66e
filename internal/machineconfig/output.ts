import { randomBytes } from "node:crypto";
import { link, lstat, open, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { UsageError } from "../cli/errors.ts";
import { kindOf } from "../cli/regular-file.ts";
import { writeError } from "../cli/writing.ts";
import type { Rendered } from "./render.ts";

interface Output {
  path: string;
  mode: number;
  contents: string;
}

/**
 * Writes a rendered text to `file`, and the files that it refers to beside it. Each file is written completely or not at
 * all. The text is written last, so its files exist if it does.
 *
 * @param force replace regular files that exist
 * @throws UsageError if one exists and `force` is not set, or is no regular file; nothing is written then
 */
export async function writeRendered(file: string, { text, files }: Rendered, force: boolean): Promise<void> {
  const outputs: Output[] = [
    ...files.map(({ name, contents, mode }) => ({ path: join(dirname(file), name), contents, mode })),
    { path: file, contents: text, mode: 0o644 },
  ];
  const clash = outputs.find(({ path }, i) => outputs.findIndex((other) => other.path === path) !== i);
  if (clash) throw new UsageError(`Flag --output cannot be "${file}": a script beside it has that name`);
  for (const { path } of outputs) await refuseExisting(path, force);
  for (const output of outputs) await writeWhole(output, force);
}

/** A device or a link such as /dev/null and /dev/stdout is never replaced: the whole machine would miss it. */
async function refuseExisting(path: string, force: boolean): Promise<void> {
  const found = await lstat(path).catch(() => undefined);
  if (found === undefined) return;
  if (!found.isFile()) {
    throw new UsageError(
      `Cannot write ${path}: it is a ${kindOf(found)}, no regular file; give another name, or leave --output out to print it`,
    );
  }
  if (!force) throw exists(path);
}

async function writeWhole({ path, contents, mode }: Output, force: boolean): Promise<void> {
  const temporary = join(dirname(path), `.${basename(path)}.${randomBytes(6).toString("hex")}`);
  try {
    const handle = await open(temporary, "wx", mode);
    try {
      await handle.writeFile(contents);
      await handle.sync();
    } finally {
      await handle.close();
    }
    // A link, unlike a rename, fails if the name has been taken in the meantime.
    if (force) await rename(temporary, path);
    else await link(temporary, path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EEXIST") throw exists(path);
    if (code === "ENOENT") throw new UsageError(`Cannot write ${path}: there is no folder ${dirname(path)}`);
    if (code === "ENOTDIR") throw new UsageError(`Cannot write ${path}: give the name of a file`);
    throw writeError(path, "--output", error);
  } finally {
    await rm(temporary, { force: true });
  }
}

function exists(path: string): UsageError {
  return new UsageError(`Cannot write ${path}: it exists; give another name or --force`);
}
