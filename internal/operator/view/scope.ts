/** Which Onload resources the commands of this folder look at, from their flags. */
import type { Args } from "../../cli/command.ts";
import { UsageError } from "../../cli/errors.ts";
import type { Scope } from "./survey.ts";

export const scopeArgs = {
  name: { type: "positional", required: false, description: "Name of an Onload resource (default: all)" },
  namespace: {
    type: "string",
    alias: "n",
    valueHint: "NS",
    description: "Namespace of the resources (default: all; with NAME, the context's)",
  },
} as const satisfies Args;

/** @param fallback namespace of the kubeconfig's context */
export function scopeOf(args: { name?: string | undefined; namespace?: string | undefined }, fallback: string): Scope {
  if (args.name === "") throw new UsageError("Argument NAME cannot be empty");
  const { name, namespace } = args;
  return { name, namespace: namespace ?? (name === undefined ? undefined : fallback) };
}
