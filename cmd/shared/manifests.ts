import type { Args } from "../../internal/cli/command.ts";

/** Flags of the subcommands that print namespaced manifests. */
export const manifestArgs = {
  namespace: { type: "string", alias: "n", valueHint: "NS", description: "Namespace in place of the manifests' own" },
} as const satisfies Args;
