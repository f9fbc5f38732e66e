import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { IMAGE, MAX_OBJECT_NAME, OBJECT_NAME } from "../../internal/api/references.ts";
import type { Args } from "../../internal/cli/command.ts";
import { UsageError } from "../../internal/cli/errors.ts";
import type { Logger } from "../../internal/cli/log.ts";
import { isSemanticVersion } from "../../internal/cli/version.ts";
import { writing } from "../../internal/cli/writing.ts";

/** Flags of the subcommands that print namespaced manifests. */
export const manifestArgs = {
  namespace: {
    type: "string",
    alias: "n",
    valueHint: "NS",
    description: "Namespace to put the objects into, in place of their own",
  },
} as const satisfies Args;

/**
 * A flag's value as a semantic version.
 *
 * @throws UsageError naming the flag and the form
 */
export function versionFlag(name: string, version: string): string {
  if (isSemanticVersion(version)) return version;
  throw new UsageError(`Flag --${name} cannot be "${version}": give a version such as 0.1.0`);
}

/**
 * A flag's value as the reference of a container image, with its tag or digest.
 *
 * @throws UsageError naming the flag
 */
export function imageFlag(name: string, value: string): string {
  const hasTag = /[:@][^/]+$/.test(value);
  if (hasTag && IMAGE.test(value)) return value;
  throw new UsageError(
    `Flag --${name} cannot be "${value}": ${hasTag ? "it is not an image reference, such as registry.example.com/onloadctl:0.1.0" : "give an image with its tag or digest"}`,
  );
}

/**
 * A flag's value as the name of a Secret.
 *
 * @throws UsageError naming the flag
 */
export function secretFlag(name: string, value: string | undefined): string | undefined {
  if (value === undefined || (OBJECT_NAME.test(value) && value.length <= MAX_OBJECT_NAME)) return value;
  throw new UsageError(`Flag --${name} cannot be "${value}": give the name of a Secret, such as my-registry`);
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
