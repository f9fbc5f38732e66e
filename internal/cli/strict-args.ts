import type { Args, Arg } from "./command.ts";
import { UsageError } from "./errors.ts";

/** Arguments in the form that citty parses without guessing. */
export interface CheckedArgs {
  /** `--name=value` for flags, `--name` or `--no-name` for booleans, then `--` and the positionals. */
  normalised: string[];
  repeated: Record<string, string[]>;
}

/**
 * Checks a command line against the arguments a command has.
 *
 * Citty by itself accepts unknown flags, keeps only the last of a repeated one and ignores further positionals; each
 * of these would turn a typing error into a wrong deployment.
 *
 * @throws UsageError naming the argument and what would be right
 */
export function checkArgs(raw: readonly string[], args: Args): CheckedArgs {
  const { flags, positionals } = split(raw, args);
  const repeated = checkPositionals(positionals, args);
  const normalised: string[] = [];
  for (const [name, arg] of Object.entries(args)) {
    if (arg.type === "positional") continue;
    const values = flags.get(name) ?? [];
    if (arg.repeatable) repeated[name] = values;
    if (arg.required && values.length === 0) {
      throw new UsageError(`Flag --${name} is missing: give --${name}=${hint(arg)}`);
    }
    const last = values.at(-1);
    if (last === undefined) continue;
    normalised.push(arg.type === "boolean" ? (last === "true" ? `--${name}` : `--no-${name}`) : `--${name}=${last}`);
  }
  return { normalised: [...normalised, "--", ...positionals], repeated };
}

function split(raw: readonly string[], args: Args): { flags: Map<string, string[]>; positionals: string[] } {
  const names = flagNames(args);
  const flags = new Map<string, string[]>();
  const positionals: string[] = [];
  const tokens = [...raw];
  for (let token = tokens.shift(); token !== undefined; token = tokens.shift()) {
    if (token === "--") return { flags, positionals: [...positionals, ...tokens] };
    if (!token.startsWith("-") || token === "-") {
      positionals.push(token);
      continue;
    }
    const equals = token.indexOf("=");
    const given = equals < 0 ? token : token.slice(0, equals);
    const inline = equals < 0 ? undefined : token.slice(equals + 1);
    const { name, negated } = lookUp(given, names);
    const arg = args[name]!;
    const value =
      arg.type === "boolean" ? booleanText(given, negated, inline) : valueText(given, arg, inline ?? takeValue(tokens));
    const values = flags.get(name) ?? [];
    if (values.length > 0 && !arg.repeatable) throw new UsageError(`Flag --${name} is given twice: give it once`);
    flags.set(name, [...values, value]);
  }
  return { flags, positionals };
}

/** The next token where it can be a flag's value; another flag cannot. */
function takeValue(tokens: string[]): string | undefined {
  const next = tokens[0];
  return next === undefined || (next.startsWith("-") && next !== "-") ? undefined : tokens.shift();
}

function valueText(given: string, arg: Arg, value: string | undefined): string {
  if (value === undefined) throw new UsageError(`Flag ${given} needs a value: ${given}=${hint(arg)}`);
  if (arg.type === "enum" && !arg.options?.includes(value)) {
    throw new UsageError(`Flag ${given} cannot be "${value}": use one of ${arg.options?.join(", ")}`);
  }
  return value;
}

function checkPositionals(given: string[], args: Args): Record<string, string[]> {
  const repeated: Record<string, string[]> = {};
  let rest = given;
  for (const [name, arg] of Object.entries(args)) {
    if (arg.type !== "positional") continue;
    const taken = arg.repeatable ? rest : rest.slice(0, 1);
    rest = rest.slice(taken.length);
    if (arg.required !== false && arg.default === undefined && taken.length === 0) {
      throw new UsageError(`Argument ${arg.valueHint ?? name.toUpperCase()} is missing`);
    }
    if (arg.repeatable) repeated[name] = taken;
  }
  if (rest[0] !== undefined) throw new UsageError(`Unexpected argument "${rest[0]}"`);
  return repeated;
}

function flagNames(args: Args): Map<string, string> {
  const names = new Map<string, string>();
  for (const [name, arg] of Object.entries(args)) {
    if (arg.type === "positional") continue;
    names.set(`--${name}`, name);
    const alias = "alias" in arg ? arg.alias : undefined;
    for (const short of [alias ?? []].flat()) names.set(`${short.length === 1 ? "-" : "--"}${short}`, name);
  }
  return names;
}

function lookUp(given: string, names: Map<string, string>): { name: string; negated: boolean } {
  const name = names.get(given);
  if (name !== undefined) return { name, negated: false };
  const positive = given.startsWith("--no-") ? names.get(`--${given.slice(5)}`) : undefined;
  if (positive !== undefined) return { name: positive, negated: true };
  const near = nearest(given, [...names.keys()]);
  throw new UsageError(`Unknown flag ${given}${near ? `: did you mean ${near}?` : ": see --help"}`);
}

function booleanText(given: string, negated: boolean, value: string | undefined): string {
  if (value === undefined) return negated ? "false" : "true";
  if (negated || (value !== "true" && value !== "false")) {
    throw new UsageError(`Flag ${given} cannot be "${value}": use true or false`);
  }
  return value;
}

function hint(arg: Arg): string {
  return arg.valueHint ?? (arg.type === "enum" ? (arg.options?.join("|") ?? "VALUE") : "VALUE");
}

/** The candidate that is at most two edits away from `given`, for "did you mean". */
export function nearest(given: string, candidates: readonly string[]): string | undefined {
  let best: { candidate: string; distance: number } | undefined;
  for (const candidate of candidates) {
    const distance = editDistance(given, candidate);
    if (distance <= 2 && (best === undefined || distance < best.distance)) best = { candidate, distance };
  }
  return best?.candidate;
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitute = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(next[j - 1]! + 1, row[j]! + 1, substitute));
    }
    row = next;
  }
  return row[b.length]!;
}
