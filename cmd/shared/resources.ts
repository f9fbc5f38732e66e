/** Arguments of the subcommands that show Onload resources. */
import type { Args } from "../../internal/cli/command.ts";

/** Which resources to show. */
export const resourceArgs = {
  name: { type: "positional", required: false, description: "Name of one Onload resource (default: all)" },
  namespace: { type: "string", alias: "n", valueHint: "NS", description: "Namespace (default: all)" },
} as const satisfies Args;

/** The output format. Each subcommand adds the formats that it has. */
export const outputArg = { type: "enum", alias: "o", default: "table", description: "Output format" } as const;
