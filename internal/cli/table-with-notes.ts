import { printable } from "./printable.ts";
import { formatTable } from "./table.ts";
import { brokenLine } from "./wrap.ts";

/** How far what stands below a row is moved to the right. */
const INDENT = "  ";
/** Between columns where there is room, and where there is little. */
const [WIDE_GAP, NARROW_GAP] = [3, 2];

/** A table as it fits a screen. */
export interface FittedTable {
  readonly heading: string;
  /** The lines of each row: the row itself, then what stands below it. */
  readonly rows: readonly (readonly string[])[];
}

/**
 * A table whose last columns are sentences. Where it is wider than the screen, these stand below their row, each on lines
 * of its own that are broken between words. If that is not enough, further columns from the right stand there too, with
 * their headings: a terminal would break the row anywhere, and its columns would be none any more.
 *
 * @param notes how many of the last columns are sentences; what is "-" or empty is left out below a row
 * @param columns of the screen; undefined: there is none, and lines are as long as they are
 */
export function fitTable(
  headings: readonly string[],
  rows: readonly (readonly string[])[],
  notes: number,
  columns = Infinity,
): FittedTable {
  const first = headings.length - notes;
  for (const kept of [headings.length, ...Array.from({ length: first }, (_, moved) => first - moved)]) {
    for (const gap of [WIDE_GAP, NARROW_GAP]) {
      const lines = formatTable(
        headings.slice(0, kept),
        rows.map((row) => row.slice(0, kept)),
        gap,
      ).split("\n");
      const isLast = kept === 1 && gap === NARROW_GAP;
      if (!isLast && lines.some((line) => line.length > columns)) continue;
      const [heading = "", ...table] = lines;
      return {
        heading,
        rows: rows.map((row, i) => [table[i] ?? "", ...below(headings, row, kept, notes, columns)]),
      };
    }
  }
  return { heading: "", rows: [] };
}

/** What stands below a row of which only the first `kept` columns are in the table. */
function below(
  headings: readonly string[],
  row: readonly string[],
  kept: number,
  notes: number,
  columns: number,
): string[] {
  const first = headings.length - notes;
  const named = (from: number, to: number): string[] =>
    row.slice(from, to).flatMap((cell, i) => {
      const text = printable(cell, Infinity);
      if (text === "" || text === "-") return [];
      // One sentence alone needs no name.
      return notes === 1 && from + i === first ? [text] : [`${headings[from + i]}: ${text}`];
    });
  const cells = named(Math.min(kept, first), first).join(", ");
  const sentences = kept > first ? [] : named(first, headings.length);
  return [...(cells === "" ? [] : [cells]), ...sentences].flatMap((text) => brokenLine(text, columns, INDENT));
}

/** The same as one text; see {@link fitTable}. */
export function formatTableWithNotes(
  headings: readonly string[],
  rows: readonly (readonly string[])[],
  notes: number,
  columns: number | undefined,
): string {
  const { heading, rows: fitted } = fitTable(headings, rows, notes, columns);
  return `${[heading, ...fitted.flat()].join("\n")}\n`;
}
