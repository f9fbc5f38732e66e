/** What the status says of a plan: counts, problems and conditions. Pure; times come in with the plan. */
import type { Condition, DeepReadonly } from "../../api/core.ts";
import { RETRY_ANNOTATION } from "../../api/names.ts";
import type { NodeCounts, NodeProblem, Onload, OnloadStatus } from "../../api/onload.ts";
import { CONDITION, REASON, type ConditionType, type Reason } from "../../api/reasons.ts";
import type { NodePlan, RolloutPlan } from "../rollout/plan.ts";
import { isDone } from "../rollout/slots.ts";
import { isInBetween } from "../rollout/states.ts";

/** Most entries of status.problems. */
export const MOST_PROBLEMS = 10;

/** Something about the whole resource that needs a person. */
export interface Trouble {
  reason: Reason;
  message: string;
}

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
  /** Troubles of the whole resource, worst first. */
  troubles: readonly Trouble[];
}

/** What a status is made from. */
export interface StatusInput {
  onload: DeepReadonly<Onload>;
  /** The version that nodes are brought to. */
  version: string;
  plan: RolloutPlan;
  troubles: readonly Trouble[];
  rollback: DeepReadonly<OnloadStatus["rollback"]>;
  lastReady: DeepReadonly<OnloadStatus["lastReady"]>;
  /** Milliseconds since the epoch. */
  now: number;
}

/** The whole status. */
export function statusOf({ onload, version, plan, troubles, rollback, lastReady, now }: StatusInput): OnloadStatus {
  const generation = onload.metadata.generation ?? 0;
  const verdicts = judge(plan, {
    version,
    paused: onload.spec.upgrade.paused,
    deleting: onload.metadata.deletionTimestamp !== undefined,
    upgrading: onload.status?.lastReady !== undefined && onload.status.lastReady.version !== version,
    rollbackFrom: rollback?.fromVersion,
    troubles,
  });
  return {
    observedGeneration: generation,
    version,
    conditions: withTimes(verdicts, onload.status?.conditions as Condition[] | undefined, generation, now),
    nodes: countNodes(plan),
    problems: listProblems(plan),
    ...(plan.stalled ? { stalledSince: stalledSince(onload.status?.stalledSince, now) } : {}),
    ...(lastReady ? { lastReady: lastReady as NonNullable<OnloadStatus["lastReady"]> } : {}),
    ...(rollback ? { rollback: rollback as NonNullable<OnloadStatus["rollback"]> } : {}),
  };
}

/** Since when nothing moves: what the status before says, if that can be. */
function stalledSince(before: string | undefined, now: number): string {
  const time = Date.parse(before ?? "");
  return new Date(time <= now ? time : now).toISOString();
}

/** A condition before it has a time. */
export type Verdict = Omit<Condition, "lastTransitionTime" | "type"> & { type: ConditionType; reason: Reason };

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
export function listProblems(plan: RolloutPlan): NodeProblem[] {
  const list = plan.nodes.filter(({ problem }) => problem !== undefined);
  list.sort((a, b) => Number(b.problem!.failed) - Number(a.problem!.failed));
  return list.slice(0, MOST_PROBLEMS).map(({ facts, state, problem }) => ({
    node: facts.name,
    step: state,
    reason: problem!.reason,
    message: problem!.message.slice(0, 4096),
    ...(problem!.since === undefined ? {} : { since: new Date(problem!.since).toISOString() }),
  }));
}

/** The three conditions. */
export function judge(plan: RolloutPlan, situation: Situation): Verdict[] {
  return [ready(plan, situation), progressing(plan, situation), degraded(plan, situation)];
}

function ready(plan: RolloutPlan, { version, deleting, rollbackFrom, troubles }: Situation): Verdict {
  const { desired, ready: done } = countNodes(plan);
  const verdict = (status: "True" | "False", reason: Reason, message: string): Verdict => ({
    type: CONDITION.Ready,
    status,
    reason,
    message,
  });
  if (deleting) return verdict("False", REASON.Deleting, "The resource is being deleted");
  const blocking = troubles.find(({ reason }) => reason === REASON.KmmNotInstalled || reason === REASON.InvalidSpec);
  if (blocking) return verdict("False", blocking.reason, blocking.message);
  if (desired === 0) return verdict("False", REASON.NoMatchingNodes, "No node has the labels of spec.selector");
  const counts = `${done} of ${desired} nodes are ready with version ${version}`;
  if (done < desired) return verdict("False", REASON.NodesNotReady, counts);
  if (rollbackFrom !== undefined) {
    return verdict("False", REASON.RolledBack, `${counts}, after version ${rollbackFrom} failed`);
  }
  return verdict("True", REASON.AllNodesReady, counts);
}

const AFTER_FAILURE = `see status.problems, and edit spec.onload, or set annotation ${RETRY_ANNOTATION} to try again`;

function progressing(plan: RolloutPlan, situation: Situation): Verdict {
  const { desired, ready: done } = countNodes(plan);
  const moving = plan.nodes.filter((node) => isInBetween(node) && !node.gate && !node.problem?.failed);
  const waiting = plan.nodes.filter(({ gate }) => gate !== undefined);
  const verdict = (status: "True" | "False", reason: Reason, message: string): Verdict => ({
    type: CONDITION.Progressing,
    status,
    reason,
    message,
  });
  const now = moving.length > 0 ? `; now: ${describe(moving)}` : "";
  if (situation.deleting) {
    return verdict("True", REASON.Deleting, `${nodesText(plan.nodes.length)} still to be cleaned${now}`);
  }
  if (moving.length > 0) {
    const reason =
      situation.rollbackFrom !== undefined
        ? REASON.RollingBack
        : situation.upgrading
          ? REASON.Upgrading
          : REASON.Installing;
    return verdict("True", reason, `${done} of ${desired} nodes are ready with version ${situation.version}${now}`);
  }
  if (waiting.length === 0) {
    if (plan.halted) return verdict("False", REASON.Halted, `A node has failed; ${AFTER_FAILURE}`);
    return verdict("False", REASON.AsExpected, "Nothing to do");
  }
  const held = `${nodesText(waiting.length)} still to be upgraded`;
  if (situation.paused) return verdict("False", REASON.Paused, `${held}: spec.upgrade.paused is true`);
  if (plan.halted) return verdict("False", REASON.Halted, `${held}: a node has failed; ${AFTER_FAILURE}`);
  return verdict("False", REASON.NodesNotReady, `${held}: ${gates(waiting)}${plan.slots && `; ${plan.slots}`}`);
}

function degraded(plan: RolloutPlan, { troubles, rollbackFrom }: Situation): Verdict {
  const verdict = (status: "True" | "False", reason: Reason, message: string): Verdict => ({
    type: CONDITION.Degraded,
    status,
    reason,
    message,
  });
  const failed = plan.nodes.filter(({ problem }) => problem?.failed);
  const parts = troubles.map(({ message }) => message);
  if (failed.length > 0) {
    const first = failed[0]!;
    const more = failed.length > 1 ? ` (and ${failed.length - 1} more nodes)` : "";
    parts.push(`Node "${first.facts.name}" failed at ${first.state}: ${first.problem!.message}${more}`);
  }
  if (parts.length > 0) return verdict("True", troubles[0]?.reason ?? REASON.NodesFailed, parts.join(". "));
  const other = plan.nodes.filter(({ problem }) => problem && !problem.passing);
  if (other.length > 0) {
    const first = other[0]!;
    const more = other.length > 1 ? ` (and ${other.length - 1} more nodes)` : "";
    return verdict("True", REASON.NodesNotReady, `Node "${first.facts.name}": ${first.problem!.message}${more}`);
  }
  if (rollbackFrom !== undefined) {
    return verdict(
      "True",
      REASON.RolledBack,
      `Version ${rollbackFrom} failed and was rolled back; see status.rollback`,
    );
  }
  return verdict("False", REASON.AsExpected, "Nothing is wrong");
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
  verdicts: readonly Verdict[],
  old: readonly Condition[] | undefined,
  generation: number,
  now: number,
): Condition[] {
  return verdicts.map((verdict) => {
    const before = old?.find(({ type }) => type === verdict.type);
    const same = before?.status === verdict.status;
    const lastTransitionTime = same ? before.lastTransitionTime : `${new Date(now).toISOString().slice(0, 19)}Z`;
    return { ...verdict, lastTransitionTime, observedGeneration: generation };
  });
}
