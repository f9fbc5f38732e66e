/**
 * Plain scalars of YAML as kubectl reads them, which is by YAML 1.1 with exceptions (sigs.k8s.io/yaml, goyaml.v2,
 * resolve.go): `yes`, `on` and `y` are true, `0777` is octal, `1_000` a number, `1:30` and dates are strings.
 */
import type { ScalarTag, Tags } from "yaml";

const CORE = "tag:yaml.org,2002:";
const INTEGER = /^(?:0[bB][01]+|0[oO]?[0-7]+|0[xX][0-9a-fA-F]+|0|[1-9][0-9]*)$/;
const FLOAT = /^(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$/;

/** A tag that scalars of a form have by themselves. */
function scalar(name: string, test: RegExp, resolve: (text: string) => unknown): ScalarTag {
  return { tag: CORE + name, default: true, test, resolve };
}

/**
 * What only looks like a number, or is too large for one, stays a string. Underscores mean nothing, except that they must
 * stand between digits if the first character is a point.
 */
function number(text: string): number | string {
  if (text.startsWith(".") && /_(?![0-9])|(?<![0-9])_/.test(text)) return text;
  const [, sign, digits = ""] = /^([-+]?)(.*)$/s.exec(text.replaceAll("_", ""))!;
  const octal = /^0[oO]?([0-7]+)$/.exec(digits)?.[1];
  const isInteger = INTEGER.test(digits);
  if (!isInteger && !FLOAT.test(digits)) return text;
  const value = isInteger && octal !== undefined ? Number.parseInt(octal, 8) : Number(digits);
  if (!Number.isFinite(value)) return text;
  // There is no negative zero.
  return sign === "-" && value !== 0 ? -value : value;
}

const NULL = /^(?:~|[Nn]ull|NULL)?$/;
const TRUE = /^(?:[Yy]|[Yy]es|YES|[Tt]rue|TRUE|[Oo]n|ON)$/;
const FALSE = /^(?:[Nn]|[Nn]o|NO|[Ff]alse|FALSE|[Oo]ff|OFF)$/;
const NUMBER = /^[-+.0-9]/;

/** For the option customTags of the parser, with the schema "failsafe". */
export const SCALARS: Tags = [
  scalar("null", NULL, () => null),
  scalar("bool", TRUE, () => true),
  scalar("bool", FALSE, () => false),
  scalar("int", NUMBER, number),
  { tag: `${CORE}binary`, resolve: (text: string) => Buffer.from(text, "base64").toString() },
  "merge",
];

/** Whether a text without quotes is that text, and not a number or the like. */
export function isPlainText(text: string): boolean {
  if ([NULL, TRUE, FALSE].some((form) => form.test(text)) || text === "<<") return false;
  return !NUMBER.test(text) || typeof number(text) === "string";
}
