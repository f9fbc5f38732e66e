/**
 * Nodes that KMM skips, because they are cordoned or have a taint, and those whose taint keeps the device plugin's pod
 * away. Nothing is unloaded for a version that KMM would not load, and no module is asked for: the node stays as it is
 * until a person uncordons it, or until the taint goes. If KMM has been asked already, it is reminded then.
 *
 * The step record on the node says that it was seen so while it waited for KMM, for its pods to leave or for its plugin;
 * nothing else remembers it. The time that it stays as it is does not count: the step has its whole time again afterwards.
 */
import { NODE_REASON } from "../../api/reasons.ts";
import type { NodeFacts } from "../assess/facts.ts";
import { isPresentAttempt, type Attempt } from "../observe/step-record.ts";
import type { Problem } from "./failure.ts";
import { rowOf, type NodeState } from "./states.ts";
import { anyTaint, passingIf, taintText } from "./taint.ts";

/** The step record is written anew without a step. */
export interface Renewal {
  /** The node was seen cordoned, or with a taint, while it waited. */
  cordoned: boolean;
  /** KMM is reminded of the node. */
  remind: boolean;
  /** The reminder has done its work, and goes. */
  forget?: true;
  /** The step had failed in an attempt before, and is tried again. */
  retried?: true;
}

interface CordonPolicy extends Attempt {
  kmmSkipsCordoned: boolean;
}

/** Why a node stays as it is. */
export type HoldReason = "Cordoned" | "Tainted";

/** Why the node stays as it is; undefined if it goes on. */
export function holdReason(
  facts: NodeFacts,
  state: NodeState,
  { kmmSkipsCordoned }: CordonPolicy,
): HoldReason | undefined {
  const { want, cordoned, taints, plugin } = facts;
  if (want === undefined) return undefined;
  const row = rowOf(state);
  const stays = row.staysIfCordoned === true;
  const overlooked = isOverlooked(facts, state);
  if (kmmSkipsCordoned && cordoned && (stays || overlooked)) return "Cordoned";
  const isTainted =
    (stays && anyTaint(taints) !== undefined) ||
    (overlooked && taints.kmm !== undefined) ||
    (row.plugin === "starts" && !plugin.present && taints.plugin !== undefined);
  return isTainted ? "Tainted" : undefined;
}

/** Whether KMM has been asked to load a module and has done nothing for it. */
function isOverlooked(facts: NodeFacts, state: NodeState): boolean {
  const { loads } = rowOf(state);
  return loads !== undefined && !facts[loads].present;
}

/** What to note on a node that is kept, or is so no more. At most one patch per change. */
export function renewalFor(facts: NodeFacts, state: NodeState, policy: CordonPolicy): Renewal | undefined {
  const row = rowOf(state);
  const drains = row.drains && facts.stepRecord?.step === "Evict";
  const waits = row.plugin === "starts" && !facts.plugin.present;
  if (drains || waits) return waitRenewal(facts, state, policy);
  return loadRenewal(facts, state, policy) ?? sfcRenewal(facts, state, policy);
}

/**
 * KMM 1.1 has taken sfc away from a node, because no node of the same kernel was schedulable and Ready while it looked at
 * the Module (v1.1.0, internal/daemonset, GarbageCollect). That one is Ready again does not wake it.
 */
function sfcRenewal(facts: NodeFacts, state: NodeState, policy: CordonPolicy): Renewal | undefined {
  const { ready, cordoned, taints, want, labels, sfc, sfcManaged, reminded, stepRecord } = facts;
  if (!sfcManaged) return undefined;
  // The reminder is removed once KMM has reacted. KMM reacts only to a change of it.
  const { complete, lacks, loads } = rowOf(state);
  if (complete && reminded) return { cordoned: false, remind: false, forget: true };
  const isLost = labels.sfc === want && labels.onload === want && !sfc.present;
  if (!policy.kmmSkipsCordoned || !isLost || (lacks?.module !== "sfc" && loads !== "onload")) return undefined;
  if (!ready || cordoned || taints.kmm !== undefined) return undefined;
  const isRetried = stepRecord !== undefined && !isPresentAttempt(stepRecord.attempt, policy);
  return !reminded || isRetried ? { cordoned: false, remind: true } : undefined;
}

/** Nothing is done while the node is kept, so that time must not count. */
function waitRenewal(facts: NodeFacts, state: NodeState, policy: CordonPolicy): Renewal | undefined {
  const isNoted = facts.stepRecord?.cordoned === true;
  if (holdReason(facts, state, policy)) return isNoted ? undefined : { cordoned: true, remind: false };
  return isNoted ? { cordoned: false, remind: false } : undefined;
}

/** KMM may overlook the node, or has overlooked it. */
function loadRenewal(facts: NodeFacts, state: NodeState, policy: CordonPolicy): Renewal | undefined {
  if (!policy.kmmSkipsCordoned || facts.want === undefined || !isOverlooked(facts, state)) return undefined;
  const { stepRecord } = facts;
  if (holdReason(facts, state, policy)) return stepRecord?.cordoned ? undefined : { cordoned: true, remind: false };
  const isRetried = stepRecord !== undefined && !isPresentAttempt(stepRecord.attempt, policy);
  return stepRecord?.cordoned || isRetried ? { cordoned: false, remind: true } : undefined;
}

/** The problem of a node that stays as it is. */
export function keptProblem({ taints }: NodeFacts, keeper: HoldReason, since: number | undefined): Problem {
  const taint = anyTaint(taints);
  if (keeper === "Tainted" && taint) {
    return { reason: NODE_REASON.Tainted, message: taintText(taint), since, failed: false, ...passingIf(taint) };
  }
  const message = "The node is cordoned, and KMM loads nothing there: it stays as it is until uncordoned";
  return { reason: NODE_REASON.Cordoned, message, since, failed: false, passing: true };
}
