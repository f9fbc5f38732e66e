/** Narrower than this no text is broken: words would stand alone. */
const MIN_WIDTH = 30;

/** How much further to the right a text goes on that is broken. */
const FURTHER = "    ";

/**
 * What is not broken: words, and commands, so that a person can copy these whole. A command stands in backticks, or after
 * a colon up to a semicolon, a parenthesis or the end of the text.
 */
const PIECES =
  /`(?:kubectl|onloadctl|oc) [^`]{1,1000}`\S*|(?<=^|: )(?:kubectl|onloadctl|oc) [a-z](?:(?!;| \()[^`]){0,1000};?|\S+/g;

/** The words of a command; what is quoted is within one. */
const ARGUMENTS = /(?:'[^']*'|"[^"]*"|\S)+/g;

/**
 * A text in lines that are no longer than the screen, as far as its words allow. All but the first stand further to the
 * right: whatever text it is, these do not look like lines of ours. A command that is longer than a line goes on as a
 * shell reads it, by a backslash.
 *
 * @param columns of the screen; undefined: there is none, and the text stays on one line
 * @param indent what the first line begins with
 */
export function brokenLine(text: string, columns = Infinity, indent = ""): string[] {
  if (indent.length + text.length <= columns) return [indent + text];
  return wrapped(text, columns, indent, indent + FURTHER);
}

/**
 * A text in lines that are no longer than the screen, as far as its words allow.
 *
 * @param columns of the screen
 * @param indent what each line begins with
 * @param hanging what all but the first begin with
 */
export function wrapped(text: string, columns: number, indent = "", hanging = indent): string[] {
  const width = Math.max(MIN_WIDTH, columns);
  const lines: string[] = [];
  let line = "";
  const add = (piece: string, room: number): void => {
    const before = lines.length === 0 ? indent : hanging;
    if (line === "") line = before + piece;
    else if (line.length + 1 + piece.length <= room) line += ` ${piece}`;
    else {
      lines.push(line);
      line = hanging + piece;
    }
  };
  for (const [piece] of text.trim().replaceAll(/\s+/g, " ").matchAll(PIECES)) {
    const isLong = hanging.length + piece.length > width && piece.includes(" ");
    if (!isLong) {
      add(piece, width);
      continue;
    }
    if (line !== "") lines.push(line);
    line = "";
    const all = [...piece.matchAll(ARGUMENTS)];
    for (const [i, [word]] of all.entries()) {
      const count = lines.length;
      add(word, i === all.length - 1 ? width : width - GOES_ON.length);
      if (i > 0 && lines.length > count) lines[count] += GOES_ON;
    }
  }
  return [...lines, line === "" ? indent : line];
}

/** At the end of a line whose command goes on. */
const GOES_ON = " \\";
