import moduleText from "./dockerfiles/module.Dockerfile" with { type: "text" };
import onloadctlText from "./dockerfiles/onloadctl.Dockerfile" with { type: "text" };
import sourceText from "./dockerfiles/source.Dockerfile" with { type: "text" };
import userText from "./dockerfiles/user.Dockerfile" with { type: "text" };
import { hasUnseen } from "../cli/printable.ts";

/** The kinds of image, in the order in which they are built. */
export const PARTS = ["source", "user", "module", "onloadctl"] as const;
export type Part = (typeof PARTS)[number];

/** Our own Dockerfiles. */
export const DOCKERFILES: Readonly<Record<Part, string>> = {
  source: sourceText,
  user: userText,
  module: moduleText,
  onloadctl: onloadctlText,
};

/** Whether a Dockerfile has `ARG name`. */
export function declaresArg(dockerfile: string, name: string): boolean {
  return argsOf(dockerfile).some((arg) => arg.name === name);
}

/** The default that a Dockerfile gives to `ARG name`, if it is plain text. */
export function argDefault(dockerfile: string, name: string): string | undefined {
  return argsOf(dockerfile).find((arg) => arg.name === name && /^[^\s$"']+$/.test(arg.value ?? ""))?.value;
}

interface Arg {
  name: string;
  /** As it is written; undefined if there is none. */
  value: string | undefined;
}

/** The ARG instructions of a Dockerfile, one for each line. */
function argsOf(dockerfile: string): Arg[] {
  return dockerfile.split("\n").flatMap((line) => {
    const [, name, value] = /^\s*ARG\s+([^\s=]+)(?:\s*=(.*))?\s*$/i.exec(line) ?? [];
    return name === undefined ? [] : [{ name, value: value?.trim() }];
  });
}

/** Of a label's value. Ours come from names, versions and the README of a source. */
const MAX_LABEL = 4096;

/**
 * All labels as one LABEL instruction, because engines commit a layer for each LABEL and for each --label.
 *
 * @throws Error if a value could end the instruction and begin another, or is longer than any
 */
export function labelInstruction(labels: readonly (readonly [string, string])[]): string {
  return `LABEL ${labels.map(([name, value]) => `${name}=${labelText(name, value)}`).join(" ")}`;
}

function labelText(name: string, value: string): string {
  if (value.length > MAX_LABEL)
    throw new Error(`Cannot set the label ${name}: it has more than ${MAX_LABEL} characters`);
  // What nobody sees would make of the script of a dry run another one than people read.
  if (/[\n\t]/.test(value) || hasUnseen(value)) {
    throw new Error(
      `Cannot set the label ${name} to ${JSON.stringify(value)}: it has a line break, or a character that nobody sees`,
    );
  }
  return `"${value.replace(/[\\"$]/g, "\\$&")}"`;
}
