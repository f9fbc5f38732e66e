/** The one PATCH that a step is: labels, and the step record that says when, together. */
import type { KmmCapabilities } from "../../api/kmm.ts";
import { latchLabel, OFF, ON } from "../../api/latch.ts";
import {
  kmm1DevicePluginLabel,
  kmm1ModuleLoaderLabel,
  moduleVersionLabel,
  onloadModuleName,
  pluginLabel,
  sfcModuleName,
  type OnloadKey,
} from "../../api/names.ts";
import { formatStepRecord, stepRecordAnnotation } from "../observe/step-record.ts";
import type { LatchFacts, NodeFacts, Version } from "./facts.ts";
import type { NodePlan } from "./plan.ts";
import { labelChange } from "./steps.ts";

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
  const annotation = stepRecordAnnotation(key);
  if (step === "ClearMark") {
    return { metadata: { labels: leftovers(facts, key, kmm), annotations: { [annotation]: null } } };
  }
  const labels = labelsOf(plan, key, kmm);
  const record = (name: string): Record<string, string> => ({
    [annotation]: formatStepRecord({ step: name, since: now, attempt }),
  });
  if (labels) return { metadata: { labels, annotations: record(step) } };
  const begins = (step === "Evict" || step === "ReplacePlugin") && facts.stepRecord?.step !== step;
  if (begins) return { metadata: { annotations: record(step) } };
  if (restart && facts.stepRecord) return { metadata: { annotations: record(facts.stepRecord.step) } };
  return undefined;
}

/**
 * Whether the patch may only be made on the node exactly as it was seen: taking a module away on stale knowledge could
 * take it from under a pod.
 */
export function needsFreshNode({ step }: NodePlan): boolean {
  return step === "UnlabelPlugin" || step === "UnlabelOnload" || step === "UnlabelSfc" || step === "ClearMark";
}

/** Labels of a merge patch; null removes one. */
type NodeLabels = Record<string, string | null>;

function labelsOf({ step, facts }: NodePlan, key: OnloadKey, kmm: KmmCapabilities | undefined): NodeLabels | undefined {
  const change = labelChange(step, facts);
  if (!change) return undefined;
  const { plugin, onload, sfc } = change;
  const { latches, sfcManaged } = facts;
  // The version before had sfc, and this one has not.
  const sfcIsLeft = step === "LabelOnload" && !sfcManaged && latches.sfc.stands === OFF;
  return {
    ...(plugin === undefined ? {} : { [pluginLabel(key)]: plugin }),
    ...(onload === undefined ? {} : moduleLabels(key, onloadModuleName(key.name), onload, latches.onload, kmm)),
    ...(sfc === undefined ? {} : moduleLabels(key, sfcModuleName(key.name), sfc, latches.sfc, kmm)),
    ...(sfcIsLeft ? withoutModule(key, sfcModuleName(key.name), latches.sfc, kmm) : {}),
  };
}

function moduleLabels(
  key: OnloadKey,
  module: string,
  version: Version | null,
  latch: LatchFacts,
  kmm: KmmCapabilities | undefined,
): NodeLabels {
  const label = latchLabel(key.namespace, module);
  if (version !== null) {
    // Where the Module does not ask for it, a latch would tell of something that is not so.
    const stands: NodeLabels = latch.asked ? { [label]: ON } : latch.stands === undefined ? {} : { [label]: null };
    return { ...versionLabels(key.namespace, module, version, kmm), ...stands };
  }
  // The version labels stay until the next version takes their place, or until all is gone.
  if (latch.holds && kmm && !kmm.nodeModulesConfig) return { [label]: OFF };
  return withoutModule(key, module, latch, kmm);
}

function withoutModule(
  key: OnloadKey,
  module: string,
  { stands }: LatchFacts,
  kmm: KmmCapabilities | undefined,
): NodeLabels {
  const latch = stands === undefined ? {} : { [latchLabel(key.namespace, module)]: null };
  return { ...versionLabels(key.namespace, module, null, kmm), ...latch };
}

/** What modules that their latches have unloaded leave on a node. */
function leftovers({ latches }: NodeFacts, key: OnloadKey, kmm: KmmCapabilities | undefined): NodeLabels {
  const { onload, sfc } = latches;
  return {
    ...(onload.stands === undefined ? {} : withoutModule(key, onloadModuleName(key.name), onload, kmm)),
    ...(sfc.stands === undefined ? {} : withoutModule(key, sfcModuleName(key.name), sfc, kmm)),
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
export function versionLabels(
  namespace: string,
  module: string,
  version: Version | null,
  kmm: KmmCapabilities | undefined,
): NodeLabels {
  const asked = { [moduleVersionLabel(namespace, module)]: version };
  if (kmm?.nodeModulesConfig) return asked;
  return {
    ...asked,
    [kmm1ModuleLoaderLabel(namespace, module)]: version,
    [kmm1DevicePluginLabel(namespace, module)]: version,
  };
}
