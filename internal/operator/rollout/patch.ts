/** The one PATCH that a step is: labels and the mark that says when, together. */
import { onloadModuleLabel, pluginLabel, sfcModuleLabel, type OnloadKey } from "../../api/names.ts";
import { formatMark, markAnnotation } from "./mark.ts";
import type { NodePlan } from "./plan.ts";
import { labelChange } from "./table.ts";

/** A JSON merge patch of a node. */
export interface NodePatch {
  metadata: { labels?: Record<string, string | null>; annotations: Record<string, string | null> };
}

/**
 * The patch that a plan asks for; undefined where the node is left as it is.
 *
 * @param attempt see attemptOf
 * @param now milliseconds since the epoch
 */
export function nodePatch(plan: NodePlan, key: OnloadKey, attempt: string, now: number): NodePatch | undefined {
  const { step, facts, restart } = plan;
  if ((step === "None" || step === "Wait") && !restart) return undefined;
  const annotation = markAnnotation(key);
  if (step === "ClearMark") return { metadata: { annotations: { [annotation]: null } } };
  const labels = labelsOf(plan, key);
  const mark = (name: string): Record<string, string> => ({
    [annotation]: formatMark({ step: name, since: now, attempt }),
  });
  if (labels) return { metadata: { labels, annotations: mark(step) } };
  const begins = (step === "Evict" || step === "ReplacePlugin") && facts.mark?.step !== step;
  if (begins) return { metadata: { annotations: mark(step) } };
  if (restart && facts.mark) return { metadata: { annotations: mark(facts.mark.step) } };
  return undefined;
}

/**
 * Whether the patch may only be made on the node exactly as it was seen: taking a module away on stale knowledge could
 * take it from under a pod.
 */
export function needsFreshNode({ step }: NodePlan): boolean {
  return step === "UnlabelPlugin" || step === "UnlabelOnload" || step === "UnlabelSfc";
}

function labelsOf({ step, facts }: NodePlan, key: OnloadKey): Record<string, string | null> | undefined {
  const change = labelChange(step, facts);
  if (!change) return undefined;
  const labels: Record<string, string | null> = {};
  if (change.plugin !== undefined) labels[pluginLabel(key)] = change.plugin;
  if (change.onload !== undefined) labels[onloadModuleLabel(key)] = change.onload;
  if (change.sfc !== undefined) labels[sfcModuleLabel(key)] = change.sfc;
  return labels;
}
