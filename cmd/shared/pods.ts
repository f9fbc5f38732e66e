import type { Args } from "../../internal/cli/command.ts";

/** Which pod. */
export const podArgs = {
  pod: { type: "positional", required: true, description: "Name of the pod" },
  namespace: { type: "string", alias: "n", valueHint: "NS", description: "Namespace (default: that of the context)" },
} as const satisfies Args;
