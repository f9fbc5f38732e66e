import { hostOnloadPathProblem } from "../../internal/api/host-paths.ts";
import { UsageError } from "../../internal/cli/errors.ts";

/**
 * The value of a flag as the folder of the node for Onload's files.
 *
 * @throws UsageError naming the flag
 */
export function hostOnloadPathFlag(name: string, value: string): string {
  const problem = hostOnloadPathProblem(value);
  if (problem === undefined) return value;
  throw new UsageError(`Flag --${name} cannot be ${JSON.stringify(value)}: ${problem}`);
}
