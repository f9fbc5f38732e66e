/**
 * The rollout as a story of Events: one a step and node, and one a change of a condition. Pure: from what was done and
 * from what changed between two plans.
 */
import type { DeepReadonly } from "../../api/core.ts";
import type { OnloadStatus } from "../../api/onload.ts";
import { EVENT_REASON, type EventReason } from "../../api/reasons.ts";
import type { NodeFacts } from "../assess/facts.ts";
import type { NodePlan } from "../rollout/plan.ts";
import type { NodeState } from "../rollout/states.ts";
import type { StepName } from "../rollout/steps.ts";

/** One event about the Onload resource. */
export interface Tale {
  type: "Normal" | "Warning";
  /** One of REASON, NODE_REASON or EVENT_REASON. */
  reason: string;
  note: string;
  /** The node it is about. */
  node?: string;
}

/** What is remembered of a node from one plan to the next, only to tell what changed. */
export interface NodeMemory {
  state: NodeState;
  /** Milliseconds since the epoch. */
  since: number;
  problem: string | undefined;
}

/** The event of a step that was taken; undefined for steps that tell nothing by themselves. */
export function tellStep(step: StepName, facts: NodeFacts): Tale | undefined {
  const { name, want, labels, sfcManaged } = facts;
  const tale = (reason: EventReason, note: string): Tale => ({
    type: "Normal",
    reason,
    note: `Node ${name}: ${note}`,
    node: name,
  });
  switch (step) {
    case "Install":
      return tale(EVENT_REASON.NodeLabelled, `labelled for ${sfcManaged ? "sfc" : "onload"} and device plugin ${want}`);
    case "LabelSfc":
      return tale(EVENT_REASON.ModuleLoading, `loading sfc ${want}`);
    case "LabelOnload":
      return tale(EVENT_REASON.ModuleLoading, `loading onload ${want}`);
    case "LabelPlugin":
      return tale(EVENT_REASON.ModuleReady, `modules ${want} are loaded; starting the device plugin`);
    case "UnlabelPlugin":
      return tale(EVENT_REASON.PluginRemoved, `taken out of service: stopping device plugin ${labels.plugin}`);
    case "UnlabelOnload":
      return tale(EVENT_REASON.ModuleUnloading, `no pod holds amd.com/onload; unloading onload ${labels.onload}`);
    case "UnlabelSfc":
      return tale(EVENT_REASON.ModuleUnloading, `unloading sfc ${labels.sfc}`);
    case "ReplacePlugin":
      return tale(EVENT_REASON.PluginRemoved, "replacing the device plugin's pod with one of the present template");
    default:
      return undefined;
  }
}

/** Events of what has changed on a node since the last plan; the first plan of a process tells nothing. */
export function tellChange(before: NodeMemory | undefined, plan: NodePlan): Tale[] {
  const { facts, state, problem } = plan;
  if (!before) return [];
  const tales: Tale[] = [];
  if (state === "Ready" && before.state !== "Ready") {
    tales.push({
      type: "Normal",
      reason: EVENT_REASON.NodeReady,
      note: `Node ${facts.name}: runs ${facts.want} and offers amd.com/onload`,
      node: facts.name,
    });
  }
  if (problem && problemKey(plan) !== before.problem) {
    tales.push({
      type: problem.failed ? "Warning" : "Normal",
      reason: problem.reason,
      note: `Node ${facts.name}: at ${state}: ${problem.message}`,
      node: facts.name,
    });
  }
  return tales;
}

/** The event of a node that has nothing of ours any more. */
export function tellCleaned(name: string): Tale {
  return {
    type: "Normal",
    reason: EVENT_REASON.NodeCleaned,
    note: `Node ${name}: nothing of Onload is left`,
    node: name,
  };
}

/** Whether nothing has changed on a node that is worth an event. */
export function isRemembered(before: NodeMemory, plan: NodePlan): boolean {
  return before.state === plan.state && before.problem === problemKey(plan);
}

/** What to remember of a node. */
export function remember(before: NodeMemory | undefined, plan: NodePlan, now: number): NodeMemory {
  const since = before?.state === plan.state ? before.since : now;
  return { state: plan.state, since, problem: problemKey(plan) };
}

/**
 * A problem counts as the same as long as its reason does: messages may count seconds or pods, and a node that has failed
 * may fall back to an earlier state.
 */
function problemKey({ problem, state }: NodePlan): string | undefined {
  return problem && `${problem.failed ? "failed" : state} ${problem.reason}`;
}

type Conditions = DeepReadonly<OnloadStatus>["conditions"];

/** Events of conditions whose status or reason changed. */
export function tellConditions(before: Conditions, after: Conditions): Tale[] {
  return (after ?? []).flatMap((verdict): Tale[] => {
    const old = before?.find(({ type }) => type === verdict.type);
    if (old?.status === verdict.status && old.reason === verdict.reason) return [];
    const bad = verdict.type === "Degraded" && verdict.status === "True";
    if (!old && verdict.type !== "Ready" && !bad) return [];
    return [
      {
        type: bad ? "Warning" : "Normal",
        reason: verdict.reason,
        note: `${verdict.type} is ${verdict.status}: ${verdict.message}`,
      },
    ];
  });
}
