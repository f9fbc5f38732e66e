import { printable } from "./printable.ts";

/**
 * A table as kubectl prints it: upper-case headings, columns three spaces apart, no borders, no trailing blanks.
 * Empty cells show as `<none>`; texts are made safe before they are measured.
 *
 * @param gap blanks between columns
 */
export function formatTable(headings: readonly string[], rows: readonly (readonly string[])[], gap = 3): string {
  const table = [
    headings.map((heading) => heading.toUpperCase()),
    ...rows.map((row) => row.map((cell) => printable(cell, Infinity) || "<none>")),
  ];
  const widths = headings.map((_, column) => Math.max(...table.map((row) => row[column]?.length ?? 0)));
  return table
    .map(
      (row) =>
        row
          .map((cell, column) => cell.padEnd(widths[column] ?? 0))
          .join(" ".repeat(gap))
          .trimEnd() + "\n",
    )
    .join("");
}

/** How long ago something was, as kubectl prints ages: 45s, 12m, 5h, 3d. */
export function formatAge(milliseconds: number): string {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  if (seconds < 120) return `${seconds}s`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)}m`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3600)}h`;
  return `${Math.floor(seconds / 86_400)}d`;
}
