/** How many nodes may be out at once, as README and `kubectl explain onload.spec.upgrade` say it. */
import type { DeepReadonly, Node } from "../../../api/core.ts";
import { type Key, ownLabels, pluginLabel, ownAnnotations } from "./names.ts";
import { isNodeReady } from "./world.ts";

/** A number, or a percentage of the selected nodes, rounded down; at least 1. */
export function mayBeOut(maxUnavailable: number | string, selected: number): number {
  const text = String(maxUnavailable);
  const most = text.endsWith("%") ? Math.trunc((Number.parseInt(text, 10) / 100) * selected + 1e-9) : Number(text);
  return most < 1 ? 1 : most;
}

/** Nodes in between, cordoned or not Ready are out; not those that the resource has never touched and cannot serve. */
export function isOut(node: DeepReadonly<Node>, key: Key): boolean {
  const labels = node.metadata.labels ?? {};
  const touched =
    ownLabels(key).some((label) => label in labels) ||
    ownAnnotations(key).some((name) => name in (node.metadata.annotations ?? {}));
  if (!touched) return false;
  return !isNodeReady(node) || node.spec?.unschedulable === true || !(pluginLabel(key) in labels);
}
