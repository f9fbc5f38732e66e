/** The file that a person gives with --filename. */
import { errorText, UsageError } from "../../internal/cli/errors.ts";
import { readSmallFile, readSmallStream } from "../../internal/cli/small-file.ts";
import { parseYaml } from "../../internal/cli/yaml.ts";

/** More than etcd takes for one object. */
const MAX_FILE = 4 * 1024 * 1024;

/**
 * The YAML documents of a file; - is standard input.
 *
 * @throws UsageError that names the file
 */
export async function readDocuments(file: string): Promise<unknown[]> {
  try {
    const content = await (file === "-"
      ? readSmallStream(process.stdin, MAX_FILE)
      : readSmallFile(file, { maxBytes: MAX_FILE }));
    return parseYaml(content.toString());
  } catch (error) {
    throw new UsageError(`Cannot read ${file === "-" ? "standard input" : file}: ${errorText(error)}`, {
      cause: error,
    });
  }
}
