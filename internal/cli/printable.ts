import { hideSecrets } from "./secrets.ts";

/**
 * A text from elsewhere (a resource, a node, a log, a server), fit for terminals, logs, events and status: on one line,
 * without characters that move the cursor, colour or reorder what is printed, without logins, and with an end.
 *
 * @param max number of characters; what is longer ends in "..."
 */
export function printable(text: string, max = 500): string {
  // The format characters (\p{Cf}) include those that reverse the direction of writing.
  const plain = hideSecrets(text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\s]+/gu, " ").trim());
  return plain.length > max ? `${plain.slice(0, max - 3)}...` : plain;
}

/** The same for a text of several lines: line ends and tabs stay, and so does its length. */
export function printableLines(text: string): string {
  return hideSecrets(text.replaceAll("\r\n", "\n").replace(/(?![\n\t])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, " "));
}

const OBEYED = /(?![\n\t])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;
const OBEYED_IN_YAML = /(?![\n\t])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\ufffe\uffff]/gu;

/**
 * JSON whose every character that a terminal obeys is written as an escape, as it allows within double quotes. Line ends
 * and tabs of the layout stay. What a parser reads from it is the same.
 */
export function escapeControls(text: string): string {
  return text.replace(OBEYED, (character) =>
    Array.from({ length: character.length }, (_, i) => unit(character.charCodeAt(i))).join(""),
  );
}

/** The same for YAML, which has no surrogates, and no non-characters outside of escapes. */
export function escapeControlsInYaml(text: string): string {
  return text.toWellFormed().replace(OBEYED_IN_YAML, (character) => {
    const code = character.codePointAt(0)!;
    return code > 0xffff ? `\\U${code.toString(16).padStart(8, "0")}` : unit(code);
  });
}

function unit(code: number): string {
  return `\\u${code.toString(16).padStart(4, "0")}`;
}
