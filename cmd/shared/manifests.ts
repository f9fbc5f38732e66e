import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Args } from "../../internal/cli/command.ts";
import { UsageError } from "../../internal/cli/errors.ts";
import type { Logger } from "../../internal/cli/log.ts";
import { writing } from "../../internal/cli/writing.ts";

/** Flags of the subcommands that print namespaced manifests. */
export const manifestArgs = {
  namespace: { type: "string", alias: "n", valueHint: "NS", description: "Namespace instead of that of the manifests" },
} as const satisfies Args;

/**
 * A flag's value as a semantic version.
 *
 * @throws UsageError naming the flag and the form
 */
export function versionFlag(name: string, version: string): string {
  if (/^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?$/.test(version)) return version;
  throw new UsageError(`Flag --${name} cannot be "${version}": give a version such as 0.1.0`);
}

/** Writes files by their path below a folder, and tells of each. */
export async function writeFiles(
  folder: string,
  files: Readonly<Record<string, string>>,
  what: string,
  log: Logger,
): Promise<void> {
  for (const [path, text] of Object.entries(files)) {
    const file = join(folder, path);
    await writing(file, "--output", async () => {
      await mkdir(dirname(file), { recursive: true });
      await writeFile(file, text);
    });
    log.info(`Wrote a file of the ${what}`, { file });
  }
}
