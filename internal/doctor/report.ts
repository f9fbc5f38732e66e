/** How what was found out is shown to people. Pure. */
import { counted } from "../cli/counted.ts";
import { printable } from "../cli/printable.ts";
import { formatTableWithNotes } from "../cli/table-with-notes.ts";
import type { Examined } from "./doctor.ts";
import { worstLink, type Link } from "./links.ts";

/** Longest text of a cell: messages of the scheduler name every node. */
const MAX_CELL = 1000;

/**
 * The chain of one pod or node.
 *
 * @param columns of the screen; undefined if there is none
 */
export function chainText({ kind, namespace, name, node, links }: Examined, columns?: number): string {
  const on = kind === "Pod" && node !== "" ? ` on node ${node}` : "";
  const what = printable(`${kind} ${namespace === "" ? "" : `${namespace}/`}${name}${on}`);
  const told = new Set<string>();
  const rows = links.map(({ link, verdict, seen, todo }) => {
    const row = [link, verdict, cell(seen), told.has(todo) ? "See above" : cell(todo)];
    if (todo !== "") told.add(todo);
    return row;
  });
  return `${what}\n${formatTableWithNotes(["Link", "Verdict", "Seen", "To do"], rows, 2, columns)}`;
}

/**
 * One line for each pod, with its worst link.
 *
 * @param columns of the screen; undefined if there is none
 */
export function overviewText(all: readonly Examined[], columns?: number): string {
  if (all.length === 0) return "No pod holds amd.com/onload\n";
  const rows = all.map((each) => {
    const worst = worstLink(each.links);
    return [each.namespace, each.name, each.node || "-", acceleratedText(each), each.verdict, ...worstCells(worst)];
  });
  const count = (wanted: boolean | null): number => all.filter(({ accelerated }) => accelerated === wanted).length;
  const sum = `${counted(all.length, "pod")}: ${count(true)} accelerated, ${count(false)} on the kernel, ${count(null)} without sockets or unknown`;
  const head = ["Namespace", "Pod", "Node", "Accelerated", "Verdict", "Link", "Seen", "To do"];
  return `${formatTableWithNotes(head, rows, 2, columns)}\n${sum}\n`;
}

function worstCells(link: Link | undefined): string[] {
  return link === undefined ? ["-", "-", "-"] : [link.link, cell(link.seen), cell(link.todo)];
}

function acceleratedText({ accelerated }: Examined): string {
  return accelerated === null ? "-" : accelerated ? "yes" : "no";
}

function cell(text: string): string {
  return printable(text, MAX_CELL) || "-";
}
