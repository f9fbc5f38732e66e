import type { Finding } from "./verify.ts";

/** An image that a run has built or found. */
export interface ResultImage {
  tag: string;
  id: string;
  /** Bytes, uncompressed. */
  size: number;
  /** Digest in the registry; undefined if it was not pushed. */
  digest?: string | undefined;
  /** Milliseconds that the build took; undefined if nothing had changed. */
  took?: number | undefined;
}

/** A table: the first line has the headings, columns are three spaces apart. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => (row[column] ?? "").length)));
  return rows
    .map(
      (row) =>
        `${row
          .map((cell, column) => cell.padEnd(widths[column]!))
          .join("   ")
          .trimEnd()}\n`,
    )
    .join("");
}

/** The images of a run, one per line. */
export function imageTable(images: readonly ResultImage[]): string {
  return table([
    ["IMAGE", "SIZE", "ID", "DIGEST"],
    ...images.map(({ tag, size, id, digest }) => [tag, megabytes(size), id.slice(0, 12), digest ?? "not pushed"]),
  ]);
}

/** The checks of an image and their results. */
export function findingLines(name: string, findings: readonly Finding[]): string {
  const width = Math.max(0, ...findings.map(({ check }) => check.length));
  const lines = findings.map(
    ({ ok, check, detail }) => `  ${ok ? "ok    " : "FAILED"}  ${check.padEnd(width)}  ${detail}\n`,
  );
  return `${name}\n${lines.join("")}`;
}

function megabytes(size: number): string {
  return size < 1e6 ? `${(size / 1e3).toFixed(0)} kB` : `${(size / 1e6).toFixed(size < 1e7 ? 1 : 0)} MB`;
}
