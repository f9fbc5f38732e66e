import type { Arg, Subcommand } from "./command.ts";
import { commonArgs } from "./command.ts";
import { wrapped } from "./wrap.ts";

/**
 * The text of `--help`, without colour, so that it reads the same in a terminal, a pipe and a manual.
 *
 * @param path the words that call this command, such as ["onloadctl", "manifests"]
 * @param screen columns of the screen, if there is one; words and commands that are longer stay whole
 */
export function usageText(command: Subcommand, path: readonly string[], screen: number = WIDTH): string {
  const width = Math.max(MIN_WIDTH, Math.min(WIDTH, screen));
  const name = path.join(" ");
  const args = Object.entries(command.args ?? {});
  const own = args.filter(([flag, arg]) => arg.type !== "positional" && !(flag in commonArgs));
  const common = args.filter(([flag]) => flag in commonArgs);
  const positionals = args.filter(([, arg]) => arg.type === "positional");
  const children = Object.entries(command.subcommands ?? {}).filter(([, child]) => !child.hidden);
  const parts = [`${command.summary.replace(/\.$/, "")}.`];
  for (const paragraph of command.description?.split(/\n{2,}/) ?? []) parts.push(wrapped(paragraph, width).join("\n"));

  const forms: string[] = [];
  if (command.run)
    forms.push([name, ...positionals.map(positionalForm), ...(own.length > 0 ? ["[flags]"] : [])].join(" "));
  if (children.length > 0) forms.push(`${name} COMMAND [flags]`);
  parts.push(section("Usage", forms));
  if (positionals.length > 0) {
    parts.push(
      section(
        "Arguments",
        columns(
          width,
          positionals.map(([flag, arg]) => [positionalForm([flag, arg]), describeArgument(arg)]),
        ),
      ),
    );
  }
  for (const [title, inPods] of [
    ["Commands", false],
    ["Commands that run in the cluster's pods", true],
  ] as const) {
    const rows = children
      .filter(([, child]) => (child.inPods ?? false) === inPods)
      .map(([child, { summary }]) => [child, summary] as const);
    if (rows.length > 0) parts.push(section(title, columns(width, rows)));
  }
  const topics = Object.entries(command.topics ?? {});
  if (topics.length > 0)
    parts.push(
      section(
        `Topics (${name} help TOPIC)`,
        columns(
          width,
          topics.map(([topic, { summary }]) => [topic, summary]),
        ),
      ),
    );
  if (command.examples && command.examples.length > 0) {
    parts.push(
      section(
        "Examples",
        command.examples.flatMap(({ run, does }) => [`# ${does}`, ...run.split("\n"), ""]).slice(0, -1),
      ),
    );
  }
  if (own.length > 0) parts.push(section("Flags", columns(width, own.map(flagRow))));
  const more: [string, string][] = [...common.map(flagRow), ["--help, -h", "Show this text"]];
  if (path.length === 1) more.push(["--version", "Show the version"]);
  parts.push(section(own.length > 0 || common.length > 0 ? "Common flags" : "Flags", columns(width, more)));
  return `${parts.join("\n\n")}\n`;
}

/** How an argument stands in a command line: [NAME], FILE... */
export function positionalForm([name, arg]: [string, Arg]): string {
  const word = `${arg.valueHint ?? name.toUpperCase()}${arg.repeatable ? "..." : ""}`;
  return arg.required === false || arg.default !== undefined ? `[${word}]` : word;
}

function flagRow(flag: [string, Arg]): [string, string] {
  return [flagForm(flag), describeArgument(flag[1])];
}

/** How a flag stands in a command line, with its values and its short form: --output=json|yaml, -o. */
export function flagForm([name, arg]: [string, Arg]): string {
  const alias = arg.alias !== undefined ? `, -${arg.alias}` : "";
  const value =
    arg.type === "boolean"
      ? arg.default === true
        ? "=true|false"
        : ""
      : arg.implied !== undefined
        ? `[=${arg.valueHint ?? "VALUE"}]`
        : `=${arg.type === "enum" && !arg.valueHint ? arg.options?.join("|") : (arg.valueHint ?? "VALUE")}`;
  return `--${name}${value}${alias}`;
}

/** What an argument means, with its default and whether it is required or may be repeated. */
export function describeArgument(arg: Arg): string {
  const notes: string[] = [];
  if (arg.required && arg.type !== "positional") notes.push("required");
  if (arg.repeatable && arg.type !== "positional") notes.push("may be repeated");
  if (arg.implied !== undefined) notes.push(`${arg.implied} if no value is given`);
  if (arg.default !== undefined && arg.default !== "" && arg.default !== false)
    notes.push(`default ${String(arg.default)}`);
  return `${arg.description ?? ""}${notes.length > 0 ? ` (${notes.join(", ")})` : ""}`;
}

function section(title: string, lines: string[]): string {
  return [`${title}:`, ...lines.map((line) => (line === "" ? "" : `  ${line}`))].join("\n");
}

/** Longest line, in characters: longer ones are hard to read. */
const WIDTH = 110;
/** A narrower screen breaks the lines itself. */
const MIN_WIDTH = 60;

/** Two columns, of which the second is wrapped. A long first cell gets a line of its own. */
function columns(width: number, rows: readonly (readonly [string, string])[]): string[] {
  // On a narrow screen both columns have half of it.
  const first = Math.min(36, Math.floor(width / 2) - 4, Math.max(...rows.map(([left]) => left.length)));
  const lines: string[] = [];
  for (const [left, right] of rows) {
    const texts = wrapped(right, width - first - 4);
    const beside = left.length > first ? undefined : texts.shift();
    lines.push(beside === undefined ? left : `${left.padEnd(first)}  ${beside}`.trimEnd());
    for (const line of texts) lines.push(`${" ".repeat(first)}  ${line}`);
  }
  return lines;
}
