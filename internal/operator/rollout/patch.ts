/** The one PATCH that a step is: labels, and the step record that says when, together. */
import { onloadModuleName, pluginLabel, sfcModuleName, type OnloadKey } from "../../api/names.ts";
import type { NodeFacts } from "../assess/facts.ts";
import type { Kmm, ModuleRef, NodeLabels } from "../kmm/kmm.ts";
import { reminderLabel, reminderValue } from "../kmm/reminder.ts";
import { failureRecordAnnotation, formatFailureRecord } from "../observe/failure-record.ts";
import { recordAnnotations } from "../observe/records.ts";
import { formatStepRecord, stepRecordAnnotation } from "../observe/step-record.ts";
import type { NodePlan } from "./node-plan.ts";
import { rowOf } from "./states.ts";
import { labelChange, stepRowOf } from "./steps.ts";

/** A JSON merge patch of a node. */
export interface NodePatch {
  metadata: { labels?: Record<string, string | null>; annotations: Record<string, string | null> };
}

/** Whether there is anything to do on a node now. */
export function isDue({ step, renewal, failureRecord }: NodePlan): boolean {
  return renewal !== undefined || failureRecord !== undefined || (step !== "None" && step !== "Wait");
}

/** Whether the patch of a node is its step, and not only what is noted about it. */
export function takesStep({ step, facts }: NodePlan): boolean {
  const { patches } = stepRowOf(step);
  return patches === "always" || (patches === "once" && facts.stepRecord?.step !== step);
}

/**
 * The patch that a plan asks for; undefined if the node is left as it is.
 *
 * @param attempt see attemptOf
 * @param now milliseconds since the epoch
 */
export function nodePatch(
  plan: NodePlan,
  key: OnloadKey,
  kmm: Kmm,
  attempt: string,
  now: number,
): NodePatch | undefined {
  const { step, facts } = plan;
  if (step === "ClearMark") {
    // A record that a person has garbled is removed too.
    const annotations = Object.fromEntries(recordAnnotations(key).map((name) => [name, null]));
    return { metadata: { labels: { ...leftovers(facts, key, kmm), ...withoutReminder(facts, key) }, annotations } };
  }
  const annotations = { ...stepNote(plan, key, attempt, now), ...failureNote(plan, key, now) };
  const labels = labelsOf(plan, key, kmm);
  if (labels) return { metadata: { labels: { ...labels, ...withoutReminder(facts, key) }, annotations } };
  if (plan.renewal?.forget) return { metadata: { labels: { [reminderLabel(key)]: null }, annotations } };
  if (plan.renewal?.remind) return { metadata: { labels: { [reminderLabel(key)]: reminderValue(now) }, annotations } };
  return Object.keys(annotations).length > 0 ? { metadata: { annotations } } : undefined;
}

/** Annotations of a merge patch. */
type Notes = Record<string, string | null>;

function stepNote(plan: NodePlan, key: OnloadKey, attempt: string, now: number): Notes {
  const { step, facts, state, renewal } = plan;
  const takes = takesStep(plan);
  if (!takes && !renewal) return {};
  const name = takes ? step : (facts.stepRecord?.step ?? rowOf(state).step);
  const cordoned = !takes && renewal?.cordoned ? ({ cordoned: true } as const) : {};
  const retried = !takes && renewal?.retried ? ({ retried: true } as const) : {};
  const isLetGo = facts.want === undefined && (takes || facts.stepRecord?.letGo);
  const letGo = isLetGo ? ({ letGo: true } as const) : {};
  return {
    [stepRecordAnnotation(key)]: formatStepRecord({
      step: name,
      since: now,
      attempt,
      ...cordoned,
      ...retried,
      ...letGo,
    }),
  };
}

function failureNote({ failureRecord: draft }: NodePlan, key: OnloadKey, now: number): Notes {
  if (draft === undefined) return {};
  return { [failureRecordAnnotation(key)]: draft && formatFailureRecord({ ...draft, since: draft.since ?? now }) };
}

function withoutReminder({ reminded }: NodeFacts, key: OnloadKey): NodeLabels {
  return reminded ? { [reminderLabel(key)]: null } : {};
}

function labelsOf({ step, facts }: NodePlan, key: OnloadKey, kmm: Kmm): NodeLabels | undefined {
  const change = labelChange(step, facts);
  if (!change) return undefined;
  const { loadLabels, labels, sfcManaged } = facts;
  const module = (mod: "onload" | "sfc"): NodeLabels => {
    const version = change[mod];
    if (version === undefined) return {};
    const ref = refOf(key, mod);
    return version === null
      ? kmm.labelsToUnload(ref, loadLabels[mod])
      : kmm.labelsToLoad(ref, version, loadLabels[mod]);
  };
  // The version before had sfc, and this one has not.
  const sfcIsLeft = step === "LabelOnload" && !sfcManaged && labels.sfc === undefined;
  return {
    ...(change.plugin === undefined ? {} : { [pluginLabel(key)]: change.plugin }),
    ...module("onload"),
    ...module("sfc"),
    ...(sfcIsLeft ? kmm.labelsToClear(refOf(key, "sfc"), loadLabels.sfc) : {}),
  };
}

/** The labels that unloading the modules has left on a node. */
function leftovers({ loadLabels }: NodeFacts, key: OnloadKey, kmm: Kmm): NodeLabels {
  return {
    ...kmm.labelsToClear(refOf(key, "onload"), loadLabels.onload),
    ...kmm.labelsToClear(refOf(key, "sfc"), loadLabels.sfc),
  };
}

function refOf({ namespace, name }: OnloadKey, module: "onload" | "sfc"): ModuleRef {
  return { namespace, module: module === "onload" ? onloadModuleName(name) : sfcModuleName(name) };
}
