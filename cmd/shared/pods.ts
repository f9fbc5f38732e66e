import type { Args } from "../../internal/cli/command.ts";
import { integerFlag } from "../../internal/cli/values.ts";

/** Which pod. */
export const podArgs = {
  pod: { type: "positional", required: true, completes: "pods", description: "Name of the pod" },
  namespace: { type: "string", alias: "n", valueHint: "NS", description: "Namespace (default: that of the context)" },
} as const satisfies Args;

/** Which stacks. */
export const stackArgs = {
  stack: {
    type: "string",
    repeatable: true,
    valueHint: "ID",
    description:
      "Number of a stack of the pod's node (default: those that the node's device plugin has seen of the pod)",
  },
} as const satisfies Args;

/** The numbers that were given. @throws UsageError if one is none */
export function stackIdsOf(args: { stack: string[] }): number[] {
  return args.stack.map((id) => integerFlag("stack", id, 0, 2 ** 31 - 1));
}
