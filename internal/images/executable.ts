import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { basename, join } from "node:path";
import { errorText } from "../cli/errors.ts";
import { streamRegularFile } from "../cli/regular-file.ts";
import { ELF_HEAD, elfMachine } from "./elf.ts";
import type { Executable } from "./plan.ts";

/**
 * Finds and reads the executable for the onloadctl image: the given file, else this program if it is compiled, else the
 * output of scripts/build in a checkout.
 *
 * @param platform such as linux/arm64; default: any
 * @throws Error if there is none, or it is for another machine
 */
export async function readExecutable(
  given: string | undefined,
  version: string,
  platform?: string,
): Promise<Executable> {
  const path = given ?? ownExecutable();
  if (path === undefined) {
    throw new Error("Cannot find the onloadctl executable: run scripts/build first, or give it with --executable");
  }
  const hash = createHash("sha256");
  let head = Buffer.alloc(0);
  try {
    for await (const chunk of (await streamRegularFile(path)) as AsyncIterable<Buffer>) {
      hash.update(chunk);
      if (head.length < ELF_HEAD) head = Buffer.concat([head, chunk.subarray(0, ELF_HEAD)]);
    }
  } catch (cause) {
    throw new Error(`Cannot read the executable ${path}: ${errorText(cause)}`, { cause });
  }
  const machine = elfMachine(head);
  const wanted = platform?.split("/")[1];
  if (machine === undefined) throw new Error(`Cannot use ${path} as executable: it is not a Linux program`);
  if (wanted !== undefined && wanted !== machine) {
    throw new Error(
      `Cannot put ${path} into an image for ${platform}: it is for ${machine}; give the right one with --executable`,
    );
  }
  return { path, version, digest: `sha256:${hash.digest("hex")}` };
}

function ownExecutable(): string | undefined {
  if (!/^(bun|deno|node)/.test(basename(process.execPath))) return process.execPath;
  const built = join(import.meta.dirname, "../../dist/onloadctl");
  return existsSync(built) ? built : undefined;
}
