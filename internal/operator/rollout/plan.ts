/** The plan for all nodes of one Onload resource: what state each is in, what to do now, and when to look again. */
import type { NodeFacts } from "../assess/facts.ts";
import { believed, type Present } from "./believed.ts";
import { deadlineOf } from "./deadlines.ts";
import { planNode, type NodePlan, type Policy } from "./node-plan.ts";
import { grantSlots, MAX_INSPECTIONS, slotText, type Grant } from "./slots.ts";
import { stalledNodes, stallProblem } from "./stall.ts";
import { hasLoadLabel, isWhole } from "./state-of.ts";
import { rowOf } from "./states.ts";

export interface RolloutPlan {
  /** Every node that is wanted or still has something of ours, by name. */
  nodes: NodePlan[];
  /** When to plan again if nothing happens, in milliseconds since the epoch. */
  wakeAt: number | undefined;
  /** Some node has failed, so that no other starts, whatever spec.upgrade.onFailure says. */
  halted: boolean;
  /** Who holds the slots, as a sentence without its end; "" if no node waits for one. */
  slots: string;
  /**
   * Nothing moves although nodes wait, and no wish of a person explains it. "noted": status.stalledSince says since when,
   * and can be believed.
   * undefined: something moves, or nothing waits.
   */
  stalled: "noted" | "unnoted" | undefined;
}

/**
 * What earlier plans by one policy have left for the next: most nodes of a rollout have nothing new from one plan to the
 * next. It holds as long as facts, and plans of nodes, are the same objects.
 */
export class QuietPlans {
  /** Plans of nodes for which no time counts, whatever the others do. */
  readonly alone = new WeakMap<NodeFacts, NodePlan>();
  /** The same, kept by a gate. */
  readonly gated = new WeakMap<NodePlan, NodePlan>();
}

/**
 * Plans. Pure: equal facts, policy and time give equal plans.
 *
 * @param nodes by name; see sortByNodeName
 * @param quiet what earlier plans by this policy have left, and this one leaves
 */
export function planRollout(
  nodes: readonly NodeFacts[],
  policy: Policy,
  now: number,
  quiet: QuietPlans = new QuietPlans(),
): RolloutPlan {
  const present = { now, clockSetAt: policy.clockSetAt };
  const stalledSince = isBelieved(policy.stalledSince, present) ? policy.stalledSince : undefined;
  const alone: NodePlan[] = [];
  let halted = false;
  for (const facts of nodes) {
    const plan = quiet.alone.get(facts) ?? kept(planNode(facts, policy, present), quiet, facts);
    if (rowOf(plan.state).absent && facts.keptBy === undefined) continue;
    alone.push(plan);
    if (plan.problem?.failed) halted = true;
  }
  const slots = grantSlots(alone, { ...policy, halted });
  const isAwaited = [...slots.grants.values()].includes("NoFreeSlot");
  const held = isAwaited ? slotText(slots, policy.maxUnavailable) : "";
  const leaving = alone.some(isLeaving);
  let looks = MAX_INSPECTIONS;
  const plans = alone.map((each) => {
    const plan = granted(each, slots.grants.get(each.facts.name), quiet);
    if (mayBeLetGo(plan) && looks-- > 0) return inspected(plan);
    return plan.step === "ClearMark" && leaving && canBeClearedLater(plan.facts) ? putOff(plan, policy, now) : plan;
  });
  const onPurpose = slots.holders.every(({ facts }) => facts.cordoned);
  const stalled = stalledNodes(plans, onPurpose);
  const stallEnd = stalled.length > 0 && stalledSince !== undefined ? stalledSince + policy.limits.step : undefined;
  const wakeAt = wakeTime(plans, stallEnd, now);
  const isNoted = stalledSince !== undefined;
  const stall = stalled.length === 0 ? undefined : isNoted ? "noted" : "unnoted";
  const isOver = stallEnd !== undefined && now >= stallEnd;
  const judged = isOver ? judgeStall(plans, stalled, stalledSince!, policy, held) : plans;
  return { nodes: judged, wakeAt, halted, slots: held, stalled: stall };
}

/** Leaves the plan of a node for later if it is the same at any later time. */
function kept(plan: NodePlan, quiet: QuietPlans, observed: NodeFacts): NodePlan {
  const { facts, problem, failureRecord, renewal, deadline, renewsAt, forceAt: force } = plan;
  const timed = [problem, failureRecord, renewal, deadline, renewsAt, force];
  // Times that cannot be believed yet can be later.
  if (facts === observed && timed.every((each) => each === undefined)) quiet.alone.set(observed, Object.freeze(plan));
  return plan;
}

function isBelieved(time: number | undefined, present: Present): boolean {
  return time !== undefined && believed(time, present) === time;
}

/** When the first time of any node is over, in milliseconds since the epoch. */
function wakeTime(nodes: readonly NodePlan[], stallEnd: number | undefined, now: number): number | undefined {
  let first = Infinity;
  const consider = (at: number | undefined): void => {
    if (at !== undefined && at > now && at < first) first = at;
  };
  consider(stallEnd);
  for (const { deadline, renewsAt, forceAt: force, problem } of nodes) {
    consider(deadline);
    consider(renewsAt);
    consider(force);
    consider(problem?.retriedUntil);
  }
  return first === Infinity ? undefined : first;
}

/** What a node may do when all are seen together. */
function granted(plan: NodePlan, grant: Grant | undefined, { gated }: QuietPlans): NodePlan {
  if (grant === undefined || grant === "Start") return plan;
  if (grant === "Inspect") return inspected(plan);
  const known = gated.get(plan);
  if (known?.gate === grant) return known;
  const kept: NodePlan = { ...plan, step: "None", gate: grant };
  gated.set(plan, kept);
  return kept;
}

function inspected(plan: NodePlan): NodePlan {
  return { ...plan, step: "Inspect" };
}

/** After a step's time, that nothing moves is a problem of every node that waits and has no other. */
function judgeStall(
  plans: readonly NodePlan[],
  stalled: readonly NodePlan[],
  since: number,
  { limits }: Policy,
  slots: string,
): NodePlan[] {
  const waiting = new Set(stalled);
  return plans.map((plan) => {
    const problem = waiting.has(plan) ? stallProblem(plan, slots, since, limits.step) : undefined;
    return problem ? { ...plan, problem } : plan;
  });
}

/** Whether a node that is to run no version unloads, or is about to. A draining node does not count: pods may take long. */
function isLeaving({ facts, state, problem }: NodePlan): boolean {
  const { phase, needsSlot, drains } = rowOf(state);
  const unloads = phase !== undefined && !needsSlot && !drains;
  return facts.want === undefined && !problem?.failed && unloads;
}

/** Whether it must be known which pods hold amd.com/onload on a node, because spec.selector would let it go. */
function mayBeLetGo({ facts, step }: NodePlan): boolean {
  return facts.letGo && facts.holders === undefined && (step === "None" || step === "Wait") && isWhole(facts);
}

/** Puts the last step off, for no longer than a step may take. */
function putOff(plan: NodePlan, { limits }: Policy, now: number): NodePlan {
  const deadline = deadlineOf({ ...plan, step: "Wait" }, limits);
  if (deadline === undefined || now >= deadline) return plan;
  return { ...plan, step: "Wait", deadline };
}

/**
 * Clearing a node's load labels costs KMM 1.1 one request, as unloading a module does, and its client sends 20 a
 * second. So nodes that still unload come first, unless another resource waits for this node.
 */
function canBeClearedLater(facts: NodeFacts): boolean {
  return hasLoadLabel(facts) && !facts.claimed;
}

/** The plan without the steps that take nodes out of service: for when what they would get is not in the cluster. */
export function withoutStarts(plan: RolloutPlan): RolloutPlan {
  // One that waits for a slot waits for the same: those that were to start first do not.
  const starts = ({ facts, state, step, gate }: NodePlan): boolean =>
    facts.want !== undefined && rowOf(state).needsSlot === true && (step !== "None" || gate === "NoFreeSlot");
  const held = (node: NodePlan): NodePlan => ({ ...node, step: "None", gate: "NotApplied" });
  const nodes = plan.nodes.map((node) => (starts(node) ? held(node) : node));
  return { ...plan, nodes, slots: nodes.some(({ gate }) => gate === "NoFreeSlot") ? plan.slots : "" };
}
