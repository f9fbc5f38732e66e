/** What an uninstallation does, in words, before it begins. Pure. */
import { printable } from "../cli/printable.ts";
import { CUSTOM_RESOURCE_DEFINITIONS, NAMESPACES } from "../kube/resource.ts";
import { brokenLine } from "../cli/wrap.ts";
import { planText } from "../operator/view/plan-view.ts";
import { describeObject, type LiveObject } from "./installed.ts";
import { namespaceKept } from "./remove.ts";
import type { Survey } from "./survey.ts";

/** Whether there is anything to remove. */
export function isNothing({ onloads, installed }: Pick<Survey, "onloads" | "installed">, crd: boolean): boolean {
  const removed = installed.filter(({ resource }) => crd || resource.kind !== CUSTOM_RESOURCE_DEFINITIONS.kind);
  return onloads.length === 0 && removed.length === 0;
}

/** What to say of an object that a resource without its finalizer has left. */
export function leftOver(name: string): string {
  return `${name}, whose Onload resource is gone without having cleaned its nodes: to clean them, make that resource again before you run this`;
}

/**
 * The steps, and what stays.
 *
 * @param columns of the screen; undefined if there is none
 */
export function outline(found: Survey, crd: boolean, columns?: number): string {
  const { onloads, plans, worker, installed, others, foreign, namespace } = found;
  const parts: string[] = [];
  if (onloads.length > 0) {
    const who =
      worker.who === "this"
        ? `this command does the operator's work on their nodes. ${worker.why}`
        : worker.who === "operator"
          ? `the operator cleans their nodes. ${worker.why}`
          : `nobody can clean their nodes. ${worker.why}`;
    const head = `Onload resources that are deleted: ${onloads.length}; ${printable(who, Infinity)}`;
    parts.push(`${brokenLine(head, columns).join("\n")}\n\n${planText(plans, undefined, columns)}`);
  }
  const crds = installed.filter(({ resource }) => resource.kind === CUSTOM_RESOURCE_DEFINITIONS.kind);
  const keepsNamespace = foreign.length > 0;
  const removed = installed.filter(
    ({ resource: { kind } }) =>
      (crd || kind !== CUSTOM_RESOURCE_DEFINITIONS.kind) && !(keepsNamespace && kind === NAMESPACES.kind),
  );
  if (removed.length > 0) {
    const when = onloads.length > 0 ? ", once every node is clean" : "";
    parts.push(`Objects that are removed${when}, in this order:\n${list(removed.map(describeObject))}`);
  }
  const stays = [
    ...(crd ? [] : crds.map(crdStays)),
    ...(keepsNamespace ? [namespaceKept(namespace, foreign)] : []),
    ...others,
    ...found.leftovers.map(leftOver),
    ...namespacesOf(found).map((name) => `Namespace "${name}"`),
    "KMM",
  ];
  parts.push(`What stays:\n${list(stays)}`);
  return parts.join("\n");
}

function crdStays(crd: LiveObject): string {
  const name = describeObject(crd);
  return crd.terminating
    ? `${name} does not: it was deleted already, and goes with the last Onload resource`
    : `${name} (--crd removes it)`;
}

function namespacesOf({ onloads, namespace }: Survey): string[] {
  const all = new Set(onloads.flatMap(({ metadata }) => metadata.namespace ?? []));
  all.delete(namespace);
  return [...all].toSorted();
}

function list(lines: readonly string[]): string {
  return lines.map((line) => `  ${printable(line, Infinity)}\n`).join("");
}
