import { parseArgs } from "node:util";
import type { Arg, Args, ArgValues } from "./command.ts";
import { UsageError } from "./errors.ts";
import { nearest } from "./nearest.ts";

/**
 * Parses the words after a command by the arguments that the command has.
 *
 * Citty's own parser accepts unknown flags, keeps only the last value of a repeated flag, ignores further positionals
 * and takes a flag without its value for an empty one. Each of these would turn a typing error into a wrong deployment.
 *
 * @throws UsageError naming the argument and what would be right
 */
export function parseArguments<A extends Args>(words: readonly string[], args: A): ArgValues<A> {
  const { flags, positionals } = readTokens(words, args);
  const values: Record<string, string | boolean | string[] | undefined> = takePositionals(positionals, args);
  for (const [name, arg] of Object.entries(args)) {
    if (arg.type === "positional") continue;
    const given = flags.get(name) ?? [];
    if (arg.required && given.length === 0) {
      throw new UsageError(`Flag --${name} is missing: give --${name}=${hint(arg)}`);
    }
    values[name] = arg.repeatable ? given.map(String) : (given[0] ?? arg.default);
  }
  return values as ArgValues<A>;
}

/** The flags that were given, each with its values in order, and the positional words. */
interface Given {
  flags: Map<string, (string | boolean)[]>;
  positionals: string[];
}

function readTokens(words: readonly string[], args: Args): Given {
  const names = flagNames(args);
  const given: Given = { flags: new Map(), positionals: [] };
  const config = { options: parserOptions(names, args), strict: false, allowPositionals: true, tokens: true } as const;
  for (const token of parseArgs({ args: [...words], ...config }).tokens) {
    if (token.kind === "positional") given.positionals.push(token.value);
    if (token.kind !== "option") continue;
    // The whole word is looked up: -ox is an unknown flag, not -o with the value x and not two flags.
    const word = words[token.index]!;
    const equals = word.indexOf("=");
    const flag = equals < 0 ? word : word.slice(0, equals);
    const inline = equals < 0 ? undefined : word.slice(equals + 1);
    const { name, negated } = lookUp(flag, names);
    const arg = args[name]!;
    const value =
      arg.type === "boolean"
        ? booleanValue(flag, negated, inline)
        : stringValue(flag, arg, inline ?? arg.implied ?? nextWord(token));
    const before = given.flags.get(name) ?? [];
    if (before.length > 0 && !arg.repeatable) throw new UsageError(`Flag --${name} is given twice: give it once`);
    given.flags.set(name, [...before, value]);
  }
  return given;
}

/** Every spelling of a flag, with its dashes, and the name of the argument that it sets. */
function flagNames(args: Args): Map<string, string> {
  const names = new Map<string, string>();
  for (const [name, arg] of Object.entries(args)) {
    if (arg.type === "positional") continue;
    names.set(`--${name}`, name);
    if (arg.alias !== undefined) names.set(`-${arg.alias}`, name);
  }
  return names;
}

/** The parser has to know which flags take a value. */
function parserOptions(names: ReadonlyMap<string, string>, args: Args) {
  const options: Record<string, { type: "string" | "boolean"; short?: string }> = {};
  for (const [flag, name] of names) {
    const { type, implied } = args[name]!;
    const option = (options[name] ??= { type: type === "boolean" || implied !== undefined ? "boolean" : "string" });
    if (!flag.startsWith("--")) option.short = flag.slice(1);
  }
  return options;
}

function lookUp(flag: string, names: ReadonlyMap<string, string>): { name: string; negated: boolean } {
  const name = names.get(flag);
  if (name !== undefined) return { name, negated: false };
  const positive = flag.startsWith("--no-") ? names.get(`--${flag.slice(5)}`) : undefined;
  if (positive !== undefined) return { name: positive, negated: true };
  // One letter is one edit away from every other.
  const near = flag.length > 2 ? nearest(flag, [...names.keys(), "--help"]) : undefined;
  throw new UsageError(`Unknown flag ${flag}${near ? `: did you mean ${near}?` : ": see --help"}`);
}

/** The word after a flag. It is the value of the flag unless it is a flag itself. */
function nextWord({ value }: { value?: string | undefined }): string | undefined {
  return value?.startsWith("-") && value !== "-" ? undefined : value;
}

function stringValue(flag: string, arg: Arg, value: string | undefined): string {
  if (value === undefined) throw new UsageError(`Flag ${flag} needs a value: ${flag}=${hint(arg)}`);
  if (arg.type === "enum" && !arg.options?.includes(value)) {
    throw new UsageError(`Flag ${flag} cannot be "${value}": use one of ${arg.options?.join(", ")}`);
  }
  return value;
}

function booleanValue(flag: string, negated: boolean, value: string | undefined): boolean {
  if (value === undefined) return !negated;
  if (negated || (value !== "true" && value !== "false")) {
    throw new UsageError(`Flag ${flag} cannot be "${value}": use true or false`);
  }
  return value === "true";
}

function takePositionals(given: readonly string[], args: Args): Record<string, string | string[] | undefined> {
  const values: Record<string, string | string[] | undefined> = {};
  let rest = given;
  for (const [name, arg] of Object.entries(args)) {
    if (arg.type !== "positional") continue;
    const taken = arg.repeatable ? rest : rest.slice(0, 1);
    rest = rest.slice(taken.length);
    if (arg.required !== false && arg.default === undefined && taken.length === 0) {
      throw new UsageError(`Argument ${arg.valueHint ?? name.toUpperCase()} is missing`);
    }
    values[name] = arg.repeatable ? [...taken] : (taken[0] ?? arg.default);
  }
  if (rest[0] !== undefined) throw new UsageError(`Unexpected argument "${rest[0]}"`);
  return values;
}

function hint(arg: Arg): string {
  return arg.valueHint ?? (arg.type === "enum" ? (arg.options?.join("|") ?? "VALUE") : "VALUE");
}
