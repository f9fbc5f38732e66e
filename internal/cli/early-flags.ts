import type { Args } from "./command.ts";
import { clusterArgs, commonArgs } from "./command.ts";
import { UsageError } from "./errors.ts";

/** Flags that may stand before the subcommand, as with kubectl. The subcommand says whether it has them. */
export const EARLY_ARGS: Args = {
  ...clusterArgs,
  ...commonArgs,
  namespace: { type: "string", alias: "n", valueHint: "NS" },
  "all-namespaces": { type: "boolean", alias: "A" },
};

/** Words of the command line, with the flags that stood before the first subcommand taken out. */
export interface WithoutEarlyFlags {
  /** The words that are left: the first is a subcommand, if there is one. */
  words: readonly string[];
  /** The flags, each as one word or with its value as the next, to be read after the subcommand. */
  flags: readonly string[];
}

/**
 * Takes the flags that stand before the first subcommand out of the words of a command line. At the first word that is
 * neither a subcommand nor such a flag it ends, so that the parser can say what is wrong.
 */
export function takeEarlyFlags(words: readonly string[]): WithoutEarlyFlags {
  const flags: string[] = [];
  let at = 0;
  for (; at < words.length; at++) {
    const word = words[at]!;
    if (!word.startsWith("-") || word === "--" || word === "-") break;
    const name = word.includes("=") ? word.slice(0, word.indexOf("=")) : word;
    const arg = Object.entries(EARLY_ARGS).find(
      ([long, { alias }]) => name === `--${long}` || name === `-${alias}`,
    )?.[1];
    if (!arg) break;
    flags.push(word);
    if (arg.type === "boolean" || word.includes("=")) continue;
    const value = words[at + 1];
    if (value === undefined || value.startsWith("-")) {
      throw new UsageError(`Flag ${name} needs a value: ${name}=${arg.valueHint ?? "VALUE"}`);
    }
    flags.push(value);
    at++;
  }
  // Without a subcommand the root itself has to say that it knows no such flag.
  return at < words.length ? { words: words.slice(at), flags } : { words, flags: [] };
}
