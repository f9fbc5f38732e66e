import type { Args } from "../../internal/cli/command.ts";

/** Flags of the subcommands that print namespaced manifests. */
export const manifestArgs = {
  namespace: { type: "string", alias: "n", valueHint: "NS", description: "Namespace instead of that of the manifests" },
} as const satisfies Args;
