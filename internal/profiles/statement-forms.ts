/** What statements and words are by their form alone. */
import { plainText, type Statement, type Word } from "./syntax.ts";

/** Commands that only print, whatever their words are. */
export const PRINTING: readonly string[] = ["echo", "printf", "log", "vlog", "err"];

/** Whether statements only print, whatever their conditions are: they set nothing, and look for nothing that is set. */
export function isSilent(statements: readonly Statement[]): boolean {
  return statements.every((statement) => {
    if (statement.kind === "command") {
      return PRINTING.includes(plainText(statement.words[0]!) ?? "") && statement.words.every(isHarmless);
    }
    if (statement.kind !== "if") return false;
    const { branches, otherwise } = statement;
    return branches.every(({ condition, body }) => isTest(condition) && isSilent(body)) && isSilent(otherwise);
  });
}

function isTest([first, ...more]: readonly Statement[]): boolean {
  if (first?.kind !== "command" || more.length > 0) return false;
  return ["[", "test"].includes(plainText(first.words[0]!) ?? "") && first.words.every(isHarmless);
}

/** The variable of a condition that asks whether it has no value: [ -z "$NAME" ]. */
export function askedFor([condition]: readonly Statement[]): string | undefined {
  if (condition?.kind !== "command" || plainText(condition.words[1] ?? condition.words[0]!) !== "-z") return undefined;
  const parts = condition.words[2]?.parts.filter((part) => part.kind !== "text" || part.text !== "") ?? [];
  return parts.length === 1 && parts[0]!.kind === "variable" ? parts[0]!.name : undefined;
}

/** Whether finding out a word cannot set a variable. */
function isHarmless({ parts }: Word): boolean {
  return parts.every(({ kind }) => kind === "text" || kind === "variable");
}

/** Whether a word is "$@": the command line of the program, which imports pass on. */
export function isArguments({ parts }: Word): boolean {
  const rest = parts.filter((part) => !(part.kind === "text" && part.text === ""));
  return rest.length === 1 && rest[0]!.kind === "refused" && rest[0]!.arguments === true;
}

/** Whether a word is NAME=VALUE. */
export function isAssignment({ parts }: Word): boolean {
  const [first] = parts;
  return first?.kind === "text" && !first.quoted && /^[A-Za-z_][A-Za-z0-9_]*=/.test(first.text);
}

/** The two sides of an assignment. */
export function splitAssignment({ line, parts }: Word): { name: string; value: Word } {
  const [first, ...rest] = parts as [{ kind: "text"; text: string; quoted: boolean }, ...Word["parts"]];
  const equals = first.text.indexOf("=");
  const text = first.text.slice(equals + 1);
  return {
    name: first.text.slice(0, equals),
    value: { line, parts: [...(text === "" ? [] : [{ ...first, text }]), ...rest] },
  };
}
