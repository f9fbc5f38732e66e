/** What the status says of a plan: counts, problems and conditions. Pure; times come in with the plan. */
import type { Condition, DeepReadonly } from "../../api/core.ts";
import { RETRY_ANNOTATION } from "../../api/names.ts";
import type { NodeCounts, NodeProblem, Onload, OnloadStatus } from "../../api/onload.ts";
import { CONDITION, REASON, type ConditionType, type Reason } from "../../api/reasons.ts";
import type { ResourceProblem } from "../observe/preflight.ts";
import type { NodePlan, RolloutPlan } from "../rollout/plan.ts";
import { isDone } from "../rollout/slots.ts";
import { isInBetween } from "../rollout/states.ts";

/** At most so many entries of status.problems. */
const MAX_PROBLEMS = 10;

/** What conditions are made from, beside the plan. */
export interface Situation {
  /** The version that nodes are brought to. */
  version: string;
  paused: boolean;
  deleting: boolean;
  /** Nodes have run another version before. */
  upgrading: boolean;
  /** The version that failed, while a rollback holds. */
  rollbackFrom: string | undefined;
  /** Problems of the whole resource, worst first. */
  problems: readonly ResourceProblem[];
}

/** What a status is made from. */
export interface StatusInput {
  onload: DeepReadonly<Onload>;
  /** The version that nodes are brought to. */
  version: string;
  /** The selector that holds from now on. */
  selector: DeepReadonly<OnloadStatus["selector"]>;
  plan: RolloutPlan;
  problems: readonly ResourceProblem[];
  rollback: DeepReadonly<OnloadStatus["rollback"]>;
  lastReady: DeepReadonly<OnloadStatus["lastReady"]>;
  /** The condition Protected, if that is known. */
  protection?: ConditionDraft;
  /** Milliseconds since the epoch. */
  now: number;
}

/** The whole status. */
export function statusOf(input: StatusInput): OnloadStatus {
  const { onload, version, selector, plan, problems, rollback, lastReady, protection, now } = input;
  const generation = onload.metadata.generation ?? 0;
  const nodes = countNodes(plan);
  const situation = {
    version,
    paused: onload.spec.upgrade.paused,
    deleting: onload.metadata.deletionTimestamp !== undefined,
    upgrading: onload.status?.lastReady !== undefined && onload.status.lastReady.version !== version,
    rollbackFrom: rollback?.fromVersion,
    problems,
  };
  const drafts = [...conditionsOf(plan, nodes, situation), ...(protection ? [protection] : [])];
  return {
    observedGeneration: generation,
    version,
    ...(selector ? { selector: { ...selector } } : {}),
    conditions: withTimes(drafts, onload.status?.conditions as Condition[] | undefined, generation, now),
    nodes,
    problems: listProblems(plan),
    ...(plan.stalled ? { stalledSince: stalledSince(plan, onload, now) } : {}),
    ...(lastReady ? { lastReady: lastReady as NonNullable<OnloadStatus["lastReady"]> } : {}),
    ...(rollback ? { rollback: rollback as NonNullable<OnloadStatus["rollback"]> } : {}),
  };
}

/** Since when nothing moves: what the status before says, if that can be believed. */
function stalledSince({ stalled }: RolloutPlan, { status }: DeepReadonly<Onload>, now: number): string {
  return (stalled === "noted" ? status?.stalledSince : undefined) ?? new Date(now).toISOString();
}

/** A condition before it has a time. */
export type ConditionDraft = Omit<Condition, "lastTransitionTime" | "type"> & { type: ConditionType; reason: Reason };

/** Makes drafts of one condition. */
type Drafter = (status: "True" | "False", reason: Reason, message: string) => ConditionDraft;

/** Makes drafts of conditions of one type. */
export function drafterOf(type: ConditionType): Drafter {
  return (status, reason, message) => ({ type, status, reason, message });
}

/** status.nodes. */
export function countNodes(plan: RolloutPlan): NodeCounts {
  const counts = { desired: 0, updated: 0, ready: 0, upgrading: 0, failed: 0 };
  for (const node of plan.nodes) {
    if (node.facts.want !== undefined) {
      counts.desired++;
      if (hasAllLabels(node)) counts.updated++;
      if (isDone(node)) counts.ready++;
    }
    if (isInBetween(node)) counts.upgrading++;
    if (node.problem?.failed) counts.failed++;
  }
  return counts;
}

function hasAllLabels({ facts: { want, labels, sfcManaged } }: NodePlan): boolean {
  return labels.plugin === want && labels.onload === want && (!sfcManaged || labels.sfc === want);
}

/** status.problems: the failed ones first, then as the nodes are sorted. */
function listProblems(plan: RolloutPlan): NodeProblem[] {
  const list = plan.nodes.filter(({ problem }) => problem !== undefined);
  list.sort((a, b) => Number(b.problem!.failed) - Number(a.problem!.failed));
  return list.slice(0, MAX_PROBLEMS).map(({ facts, state, problem }) => ({
    node: facts.name,
    step: state,
    reason: problem!.reason,
    message: problem!.message.slice(0, 4096),
    ...(problem!.since === undefined ? {} : { since: new Date(problem!.since).toISOString() }),
  }));
}

/**
 * The three conditions.
 *
 * @param counts of the plan; see countNodes
 */
export function conditionsOf(plan: RolloutPlan, counts: NodeCounts, situation: Situation): ConditionDraft[] {
  return [ready(counts, situation), progressing(plan, counts, situation), degraded(plan, situation)];
}

function ready(
  { desired, ready: done }: NodeCounts,
  { version, deleting, rollbackFrom, problems }: Situation,
): ConditionDraft {
  const draft = drafterOf(CONDITION.Ready);
  if (deleting) return draft("False", REASON.Deleting, "The resource is being deleted");
  const blocking = problems.find(({ reason }) => reason === REASON.KmmNotInstalled || reason === REASON.InvalidSpec);
  if (blocking) return draft("False", blocking.reason, blocking.message);
  if (desired === 0) return draft("False", REASON.NoMatchingNodes, "No node has the labels of spec.selector");
  const counts = `${done} of ${desired} nodes are ready with version ${version}`;
  if (done < desired) return draft("False", REASON.NodesNotReady, counts);
  if (rollbackFrom !== undefined) {
    return draft("False", REASON.RolledBack, `${counts}, after version ${rollbackFrom} failed`);
  }
  return draft("True", REASON.AllNodesReady, counts);
}

const AFTER_FAILURE = `see status.problems, and edit spec.onload, or set annotation ${RETRY_ANNOTATION} to try again`;

function progressing(plan: RolloutPlan, { desired, ready: done }: NodeCounts, situation: Situation): ConditionDraft {
  const moving = plan.nodes.filter((node) => isInBetween(node) && !node.gate && !node.problem?.failed);
  const waiting = plan.nodes.filter(({ gate }) => gate !== undefined);
  const draft = drafterOf(CONDITION.Progressing);
  const now = moving.length > 0 ? `; now: ${describe(moving)}` : "";
  const why = `${gates(waiting)}${plan.slots && `; ${plan.slots}`}`;
  if (situation.deleting) {
    const waits = moving.length === 0 && waiting.length > 0 ? `: ${why}` : now;
    return draft("True", REASON.Deleting, `${nodesText(plan.nodes.length)} still to be cleaned${waits}`);
  }
  if (moving.length > 0) {
    const reason =
      situation.rollbackFrom !== undefined
        ? REASON.RollingBack
        : situation.upgrading
          ? REASON.Upgrading
          : REASON.Installing;
    return draft("True", reason, `${done} of ${desired} nodes are ready with version ${situation.version}${now}`);
  }
  if (waiting.length === 0) {
    if (plan.halted) return draft("False", REASON.Halted, `A node has failed; ${AFTER_FAILURE}`);
    return draft("False", REASON.AsExpected, "Nothing to do");
  }
  const upgrades = waiting.filter(({ facts }) => facts.want !== undefined);
  if (upgrades.length === 0)
    return draft("False", REASON.NodesNotReady, `${nodesText(waiting.length)} still to be let go: ${why}`);
  const held = `${nodesText(upgrades.length)} still to be upgraded`;
  if (situation.paused) return draft("False", REASON.Paused, `${held}: spec.upgrade.paused is true`);
  if (plan.halted) return draft("False", REASON.Halted, `${held}: a node has failed; ${AFTER_FAILURE}`);
  return draft("False", REASON.NodesNotReady, `${held}: ${why}`);
}

function degraded(plan: RolloutPlan, { problems, rollbackFrom }: Situation): ConditionDraft {
  const draft = drafterOf(CONDITION.Degraded);
  const failed = plan.nodes.filter(({ problem }) => problem?.failed);
  const parts = problems.map(({ message }) => message);
  if (failed.length > 0) {
    const first = failed[0]!;
    parts.push(`Node "${first.facts.name}" failed at ${first.state}: ${first.problem!.message}${moreThanOne(failed)}`);
  }
  if (parts.length > 0) return draft("True", problems[0]?.reason ?? REASON.NodesFailed, parts.join(". "));
  const other = plan.nodes.filter(({ problem }) => problem && !problem.passing);
  if (other.length > 0) {
    const first = other[0]!;
    const message = `Node "${first.facts.name}": ${first.problem!.message}${moreThanOne(other)}`;
    return draft("True", REASON.NodesNotReady, message);
  }
  if (rollbackFrom !== undefined) {
    return draft("True", REASON.RolledBack, `Version ${rollbackFrom} failed and was rolled back; see status.rollback`);
  }
  return draft("False", REASON.AsExpected, "Nothing is wrong");
}

function moreThanOne({ length }: readonly NodePlan[]): string {
  return length > 1 ? ` (and ${length - 1} more nodes)` : "";
}

function nodesText(count: number): string {
  return count === 1 ? "1 node" : `${count} nodes`;
}

/** `node-1 Draining, node-2 LoadingOnload and 3 more`. */
function describe(nodes: readonly NodePlan[]): string {
  const shown = nodes.slice(0, 3).map(({ facts, state }) => `${facts.name} ${state}`);
  return shown.join(", ") + (nodes.length > 3 ? ` and ${nodes.length - 3} more` : "");
}

/** `2 Cordoned, 1 NoFreeSlot`. */
function gates(nodes: readonly NodePlan[]): string {
  const counts = new Map<string, number>();
  for (const { gate } of nodes) if (gate) counts.set(gate, (counts.get(gate) ?? 0) + 1);
  return [...counts].map(([gate, count]) => `${count} ${gate}`).join(", ");
}

/** The conditions with their times: `lastTransitionTime` changes only when `status` does. */
export function withTimes(
  drafts: readonly ConditionDraft[],
  old: readonly Condition[] | undefined,
  generation: number,
  now: number,
): Condition[] {
  return drafts.map((draft) => {
    const before = old?.find(({ type }) => type === draft.type);
    const same = before?.status === draft.status;
    const lastTransitionTime = same ? before.lastTransitionTime : `${new Date(now).toISOString().slice(0, 19)}Z`;
    return { ...draft, lastTransitionTime, observedGeneration: generation };
  });
}
