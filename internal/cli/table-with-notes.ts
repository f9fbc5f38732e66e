import { printable } from "./printable.ts";
import { formatTable } from "./table.ts";
import { wrapped } from "./wrap.ts";

/** How far what stands below a row is moved to the right. */
const INDENT = "  ";

/**
 * A table whose last columns are sentences. If a line of it would be longer than the screen, the sentences stand below
 * their row instead, each on lines of its own, broken between words: a terminal would break them within.
 *
 * @param notes how many of the last columns are sentences; one that is "-" or empty is left out below a row
 * @param columns of the screen; undefined: there is none, and lines are as long as they are
 */
export function formatTableWithNotes(
  headings: readonly string[],
  rows: readonly (readonly string[])[],
  notes: number,
  columns: number | undefined,
): string {
  const table = formatTable(headings, rows);
  if (columns === undefined || table.split("\n").every((line) => line.length <= columns)) return table;
  const first = headings.length - notes;
  const [heading = "", ...lines] = formatTable(
    headings.slice(0, first),
    rows.map((row) => row.slice(0, first)),
  )
    .trimEnd()
    .split("\n");
  const noteLines = (row: readonly string[]): string[] =>
    row.slice(first).flatMap((text, i) => {
      if (text === "" || text === "-") return [];
      const name = notes === 1 ? "" : `${headings[first + i]}: `;
      return wrapped(`${name}${printable(text, Infinity)}`, columns, INDENT);
    });
  const out = lines.flatMap((line, i) => [line, ...noteLines(rows[i] ?? [])]);
  return `${[heading, ...out].join("\n")}\n`;
}
