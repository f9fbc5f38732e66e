/** Manual pages in the man(7) language, from the definitions of the commands. */
import type { Arg, Subcommand } from "../../../internal/cli/command.ts";
import { describeArgument, flagForm, positionalForm } from "../../../internal/cli/usage.ts";

/** What all pages have in common. */
export interface ManPageOptions {
  version: string;
  /** YYYY-MM-DD. */
  date: string;
}

/**
 * The pages of a command and all below it that are no secret, by their file: onloadctl-manifests-sample.1.
 *
 * @param path the words that call the command
 */
export async function manPages(
  command: Subcommand,
  path: readonly string[],
  options: ManPageOptions,
): Promise<Map<string, string>> {
  const pages = new Map([[`${path.join("-")}.1`, manPage(command, path, options)]]);
  for (const [name, child] of Object.entries(command.subcommands ?? {})) {
    if (child.hidden === true) continue;
    for (const page of await manPages(await child.load(), [...path, name], options)) pages.set(...page);
  }
  return pages;
}

function manPage(command: Subcommand, path: readonly string[], { version, date }: ManPageOptions): string {
  const name = path.join("-");
  const args = Object.entries(command.args ?? {});
  const positionals = args.filter(([, arg]) => arg.type === "positional");
  const flags = args.filter(([, arg]) => arg.type !== "positional");
  const children = Object.entries(command.subcommands ?? {}).filter(([, child]) => child.hidden !== true);
  const lines = [
    `.TH ${text(name.toUpperCase())} 1 ${date} "onloadctl ${version}" "onloadctl"`,
    ".SH NAME",
    `${text(name)} \\- ${text(command.summary.replace(/\.$/, ""))}`,
    ".SH SYNOPSIS",
  ];
  const call = `.B ${text(path.join(" "))}`;
  if (command.run) lines.push(call, ...positionals.map((arg) => `.I ${text(positionalForm(arg))}`), `.RI [ flags ]`);
  if (command.run && children.length > 0) lines.push(".br");
  if (children.length > 0) lines.push(call, ".I command", `.RI [ flags ]`);
  const paragraphs = command.description?.split(/\n{2,}/) ?? [];
  if (paragraphs.length > 0)
    lines.push(".SH DESCRIPTION", ...paragraphs.flatMap((each) => [".PP", text(each)]).slice(1));
  if (positionals.length > 0)
    lines.push(".SH ARGUMENTS", ...positionals.flatMap((arg) => entry(positionalForm(arg), arg[1])));
  lines.push(".SH OPTIONS", ...flags.flatMap((arg) => entry(flagForm(arg), arg[1])));
  lines.push(".TP", `.B ${text("--help, -h")}`, "Show the help of this command.");
  if (children.length > 0) {
    lines.push(
      ".SH COMMANDS",
      ...children.flatMap(([child, { summary }]) => [".TP", `.B ${text(child)}`, text(`${summary}.`)]),
    );
  }
  const examples = command.examples ?? [];
  if (examples.length > 0) {
    lines.push(
      ".SH EXAMPLES",
      ...examples
        .flatMap(({ run, does }) => [
          ".PP",
          text(`${does}:`),
          ".PP",
          ".RS 4",
          ".EX",
          ...run.split("\n").map(text),
          ".EE",
          ".RE",
        ])
        .slice(1),
    );
  }
  lines.push(".SH EXIT STATUS", "0: done; 1: failed; 2: wrong usage. Commands that have more say so above.");
  const others = [
    ...(path.length > 1 ? [path.slice(0, -1).join("-")] : []),
    ...children.map(([child]) => `${name}-${child}`),
  ];
  if (others.length > 0)
    lines.push(
      ".SH SEE ALSO",
      others.map((other, i) => `.BR ${text(other)} (1)${i < others.length - 1 ? "," : ""}`).join("\n"),
    );
  return `${lines.join("\n")}\n`;
}

function entry(form: string, arg: Arg): string[] {
  const about = describeArgument(arg);
  return [".TP", `.B ${text(form)}`, text(about === "" ? "(no more to say)" : `${about.replace(/\.$/, "")}.`)];
}

/** A text in which nothing is a request or an escape of the language. */
function text(plain: string): string {
  return plain
    .replaceAll(/\s*\n\s*/g, " ")
    .replaceAll("\\", "\\e")
    .replaceAll("-", "\\-")
    .replaceAll("`", "\\(ga")
    .replaceAll('"', "\\(dq")
    .replace(/^(?=[.'])/, "\\&");
}
