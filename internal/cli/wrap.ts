/** Narrower than this no text is broken: words would stand alone. */
const MIN_WIDTH = 30;

/** How much further to the right a text goes on that is broken. */
const FURTHER = "    ";

/**
 * A text in lines that are no longer than the screen, as far as its words allow. All but the first stand further to the
 * right: whatever text it is, these do not look like lines of ours.
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
  for (const word of text.trim().split(/\s+/)) {
    const before = lines.length === 0 ? indent : hanging;
    if (line === "") line = before + word;
    else if (line.length + 1 + word.length <= width) line += ` ${word}`;
    else {
      lines.push(line);
      line = hanging + word;
    }
  }
  return [...lines, line];
}
