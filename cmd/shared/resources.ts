/** Arguments of the subcommands that show Onload resources. */
import type { Args } from "../../internal/cli/command.ts";
import { UsageError } from "../../internal/cli/errors.ts";
import { namespaceFlag } from "../../internal/cli/values.ts";

/** Which resources to show. */
export const resourceArgs = {
  name: {
    type: "positional",
    required: false,
    completes: "onloads",
    description: "Name of one Onload resource (default: all)",
  },
  namespace: { type: "string", alias: "n", valueHint: "NS", description: "Namespace (default: all)" },
  "all-namespaces": {
    type: "boolean",
    alias: "A",
    default: false,
    description: "All namespaces, which is the default",
  },
} as const satisfies Args;

/**
 * The namespace that was asked for; undefined: all.
 *
 * @throws UsageError if both flags are given
 */
export function namespaceOf(args: { namespace?: string | undefined; "all-namespaces": boolean }): string | undefined {
  const namespace = namespaceFlag("namespace", args.namespace || undefined);
  if (namespace !== undefined && args["all-namespaces"]) {
    throw new UsageError("Flags --namespace and --all-namespaces are mutually exclusive: give one");
  }
  return namespace;
}

/** The output format. Each subcommand adds the formats that it has. */
export const outputArg = { type: "enum", alias: "o", default: "table", description: "Output format" } as const;
