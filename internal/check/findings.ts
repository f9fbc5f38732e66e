/** What `onloadctl check` finds, and how it is shown. Pure. */
import { counted } from "../cli/counted.ts";
import { printable } from "../cli/printable.ts";
import { formatTableWithNotes } from "../cli/table-with-notes.ts";

/**
 * ok: as it should be. warning: it works, and something is to be known. failed: it cannot work so. unknown: it could not
 * be found out.
 */
export type Result = "ok" | "warning" | "failed" | "unknown";

/** One thing that was checked. */
export interface Finding {
  /** What was checked, in a few words. */
  what: string;
  result: Result;
  /** What was found, and what to do. */
  message: string;
}

/** Makes findings about one thing. */
export type Finder = (result: Result, message: string) => Finding;

/** Makes findings about one thing. */
export function finderOf(what: string): Finder {
  return (result, message) => ({ what, result, message });
}

/** Whether nothing has failed: what could not be found out is no failure. */
export function isFine(findings: readonly Finding[]): boolean {
  return findings.every(({ result }) => result !== "failed");
}

/**
 * As a table with a line that sums it up.
 *
 * @param columns of the screen; undefined if there is none
 */
export function findingsText(findings: readonly Finding[], columns?: number): string {
  const rows = findings.map(({ what, result, message }) => [what, result, printable(message, 2000)]);
  const count = (wanted: Result): number => findings.filter(({ result }) => result === wanted).length;
  const sum = `${count("ok")} ok, ${counted(count("warning"), "warning")}, ${count("failed")} failed, ${count("unknown")} unknown`;
  return `${formatTableWithNotes(["Check", "Result", "Message"], rows, 1, columns)}\n${sum}\n`;
}
