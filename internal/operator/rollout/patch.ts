/** The one PATCH that a step is: labels and the mark that says when, together. */
import type { KmmCapabilities } from "../../api/kmm.ts";
import {
  kmm1DevicePluginLabel,
  kmm1ModuleLoaderLabel,
  moduleVersionLabel,
  onloadModuleName,
  pluginLabel,
  sfcModuleName,
  type OnloadKey,
} from "../../api/names.ts";
import { formatMark, markAnnotation } from "./mark.ts";
import type { NodePlan } from "./plan.ts";
import { labelChange } from "./table.ts";

/** A JSON merge patch of a node. */
export interface NodePatch {
  metadata: { labels?: Record<string, string | null>; annotations: Record<string, string | null> };
}

/** Whether there is anything to do on a node now. */
export function isDue({ step, restart }: NodePlan): boolean {
  return restart || (step !== "None" && step !== "Wait");
}

/**
 * The patch that a plan asks for; undefined where the node is left as it is.
 *
 * @param kmm undefined: KMM is not installed
 * @param attempt see attemptOf
 * @param now milliseconds since the epoch
 */
export function nodePatch(
  plan: NodePlan,
  key: OnloadKey,
  kmm: KmmCapabilities | undefined,
  attempt: string,
  now: number,
): NodePatch | undefined {
  const { step, facts, restart } = plan;
  if (!isDue(plan)) return undefined;
  const annotation = markAnnotation(key);
  if (step === "ClearMark") return { metadata: { annotations: { [annotation]: null } } };
  const labels = labelsOf(plan, key, kmm);
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

function labelsOf(
  { step, facts }: NodePlan,
  key: OnloadKey,
  kmm: KmmCapabilities | undefined,
): Record<string, string | null> | undefined {
  const change = labelChange(step, facts);
  if (!change) return undefined;
  const { plugin, onload, sfc } = change;
  return {
    ...(plugin === undefined ? {} : { [pluginLabel(key)]: plugin }),
    ...(onload === undefined ? {} : moduleLabels(key.namespace, onloadModuleName(key.name), onload, kmm)),
    ...(sfc === undefined ? {} : moduleLabels(key.namespace, sfcModuleName(key.name), sfc, kmm)),
  };
}

/**
 * The label that asks KMM for a module's version, and with KMM 1.1 the two that it would make from it.
 *
 * KMM 1.1 would set or remove them one by one, each with a request of a client that sends 20 a second. Where the second
 * comes after the module-loader pod, it is refused and tried again and again (v1.1.0,
 * controllers/node_label_module_version_reconciler.go), which in an upgrade of several nodes at once made 12 requests a
 * node and held up everything else. With all three in place its table of actions has nothing left to do, and where
 * something takes one away it does what it always did.
 */
function moduleLabels(
  namespace: string,
  module: string,
  version: string | null,
  kmm: KmmCapabilities | undefined,
): Record<string, string | null> {
  const asked = { [moduleVersionLabel(namespace, module)]: version };
  if (kmm?.nodeModulesConfig) return asked;
  return {
    ...asked,
    [kmm1ModuleLoaderLabel(namespace, module)]: version,
    [kmm1DevicePluginLabel(namespace, module)]: version,
  };
}
