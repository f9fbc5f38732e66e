import { hideSecrets } from "./secrets.ts";

// What a terminal obeys or nobody sees: controls, what reorders a line (in \p{Cf}), line separators, and characters of no
// width (\p{DI}, Default_Ignorable_Code_Point), by which two names look alike.
const UNSEEN_OR_BLANK = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{DI}\s]+/gu;
const UNSEEN_IN_LINES = /(?![\n\t])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{DI}]/gu;
const IS_UNSEEN = /(?![\n\t])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{DI}]/u;
/** Writing systems stack three marks on a letter at most; more of them grow over the lines above and below. */
const STACKED = /(\p{M}{3})\p{M}+/gu;

/** Whether a text has what a terminal obeys or nobody sees, other than line ends and tabs. */
export function hasUnseen(text: string): boolean {
  return IS_UNSEEN.test(text);
}

/**
 * A text from elsewhere (a resource, a node, a log, a server), fit for terminals, logs, events and status: on one line,
 * without characters that move the cursor, colour or reorder what is printed, without logins, and with an end.
 *
 * @param max number of characters; what is longer ends in "..."
 */
export function printable(text: string, max = 500): string {
  const plain = hideSecrets(text.replace(UNSEEN_OR_BLANK, " ").replace(STACKED, "$1").trim());
  return plain.length > max ? `${plain.slice(0, max - 3)}...` : plain;
}

/** The same for a text of several lines: line ends and tabs stay, and so does its length. */
export function printableLines(text: string): string {
  return hideSecrets(text.replaceAll("\r\n", "\n").replace(UNSEEN_IN_LINES, " ").replace(STACKED, "$1"));
}

/** YAML has no non-characters outside of escapes. */
const UNSEEN_IN_YAML = /(?![\n\t])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{DI}\ufffe\uffff]/gu;

/**
 * JSON whose every character that a terminal obeys is written as an escape, as it allows within double quotes. Line ends
 * and tabs of the layout stay. What a parser reads from it is the same.
 */
export function escapeControls(text: string): string {
  return text.replace(UNSEEN_IN_LINES, (character) =>
    Array.from({ length: character.length }, (_, i) => unit(character.charCodeAt(i))).join(""),
  );
}

/** The same for YAML, which has no surrogates either. */
export function escapeControlsInYaml(text: string): string {
  return text.toWellFormed().replace(UNSEEN_IN_YAML, (character) => {
    const code = character.codePointAt(0)!;
    return code > 0xffff ? `\\U${code.toString(16).padStart(8, "0")}` : unit(code);
  });
}

function unit(code: number): string {
  return `\\u${code.toString(16).padStart(4, "0")}`;
}
