/** Narrower than this no text is broken: words would stand alone. */
const MIN_WIDTH = 30;

/**
 * A text in lines that are no longer than the screen, as far as its words allow.
 *
 * @param columns of the screen
 * @param indent what each line begins with
 */
export function wrapped(text: string, columns: number, indent = ""): string[] {
  const width = Math.max(MIN_WIDTH, columns) - indent.length;
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(/\s+/)) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(indent + line);
      line = word;
    } else {
      line = line === "" ? word : `${line} ${word}`;
    }
  }
  lines.push(indent + line);
  return lines;
}
