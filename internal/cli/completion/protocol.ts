import { printable } from "../printable.ts";
import type { Candidate } from "./complete.ts";

/** The word with which shells ask. kubectl uses the same for its plugins. */
export const COMPLETE_WORD = "__complete";

/** Longest list that a shell is given. */
const MAX_CANDIDATES = 1000;

/**
 * Candidates as shells read them, and kubectl of its plugins (the protocol of Cobra): a candidate a line, with its
 * description after a tab, and at the end a line with a colon and the sum of what the shell shall do: 4: offer no files.
 *
 * Names come from a cluster and a shell puts them on a command line. What a shell could read as anything but a word is
 * left out: no name of Kubernetes has such signs.
 */
export function answerText(candidates: readonly Candidate[], files: boolean): string {
  const lines = candidates
    .filter(({ value }) => /^[A-Za-z0-9_.:/@%+,=-]+$/.test(value))
    .slice(0, MAX_CANDIDATES)
    .map(({ value, description }) => (description ? `${value}\t${printable(description, 200)}` : value));
  return [...lines, files ? ":0" : ":4", ""].join("\n");
}
