import { Lexer } from "yaml";

/** How deep objects and lists may lie within one another. The schema of a CRD has about 40 levels. */
export const MAX_LEVELS = 200;

/** Marks that the next token is the text of a value, whatever it looks like. */
const TEXT_FOLLOWS = "\u001f";
/** A document begins. */
const DOCUMENT = "\u0002";

/**
 * Where a YAML text has more levels than {@link MAX_LEVELS}: an offset; undefined if nowhere. The parser's time grows with
 * the square of the levels and more, so that a file of 10 kB would take minutes. Its first stage, which this uses, takes
 * one step a character.
 *
 * Levels may be counted a few too high: each column at which something begins counts, within those it is indented from.
 */
export function tooDeepAt(text: string): number | undefined {
  const columns: number[] = [];
  let brackets = 0;
  let offset = 0;
  let lineStart = 0;
  let isText = false;
  for (const token of new Lexer().lex(text)) {
    if (token === DOCUMENT || token === TEXT_FOLLOWS) {
      isText = token === TEXT_FOLLOWS;
      continue;
    }
    const first = isText ? "" : token[0]!;
    isText = false;
    if (first === "[" || first === "{") brackets++;
    else if (first === "]" || first === "}") brackets = Math.max(0, brackets - 1);
    // Blanks, line ends and comments begin nothing. Within brackets, columns mean nothing.
    if (brackets === 0 && !/^[ \t\r\n#]/.test(first)) {
      const column = offset - lineStart;
      while (columns.length > 0 && columns.at(-1)! >= column) columns.pop();
      columns.push(column);
    }
    if (brackets + columns.length > MAX_LEVELS) return offset;
    const lastLine = token.lastIndexOf("\n");
    if (lastLine >= 0) lineStart = offset + lastLine + 1;
    offset += token.length;
  }
  return undefined;
}
