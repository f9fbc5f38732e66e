import { printable } from "../cli/printable.ts";
import { formatTable } from "../cli/table.ts";
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

/** The images of a run, one per line. */
export function imageTable(images: readonly ResultImage[]): string {
  return formatTable(
    ["Image", "Size", "ID", "Digest"],
    images.map(({ tag, size, id, digest }) => [tag, megabytes(size), id.slice(0, 12), digest ?? "not pushed"]),
  );
}

/** The checks of an image and their results. */
export function findingLines(name: string, findings: readonly Finding[]): string {
  // A text of an image must not look like further lines of ours.
  const rows = findings.map(({ ok, check, detail }) => ({
    ok,
    check: printable(check),
    detail: printable(detail, 2000),
  }));
  const width = Math.max(0, ...rows.map(({ check }) => check.length));
  const lines = rows.map(
    ({ ok, check, detail }) => `  ${ok ? "ok    " : "FAILED"}  ${check.padEnd(width)}  ${detail}\n`,
  );
  return `${printable(name)}\n${lines.join("")}`;
}

function megabytes(size: number): string {
  return size < 1e6 ? `${(size / 1e3).toFixed(0)} kB` : `${(size / 1e6).toFixed(size < 1e7 ? 1 : 0)} MB`;
}
