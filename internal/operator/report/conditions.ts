/** What the status says of a plan: counts, problems and conditions. Pure; times come in with the plan. */
import { counted } from "../../cli/counted.ts";
import { firstFew } from "../../cli/first-few.ts";
import type { Condition, DeepReadonly } from "../../api/core.ts";
import { onloadKeyOf, type OnloadKey } from "../../api/names.ts";
import type { NodeCounts, NodeProblem, Onload, OnloadStatus } from "../../api/onload.ts";
import { CONDITION, NODE_REASON, REASON, type ConditionType, type Reason } from "../../api/reasons.ts";
import type { ResourceProblem } from "../observe/preflight.ts";
import type { NodePlan } from "../rollout/node-plan.ts";
import type { RolloutPlan } from "../rollout/plan.ts";
import { isDone } from "../rollout/slots.ts";
import { rowOf } from "../rollout/states.ts";
import { headlineOf } from "./headline.ts";
import { tallyOf, type NodeTally } from "./tally.ts";

/** At most so many entries of status.problems. */
export const MAX_PROBLEMS = 10;

/** What conditions are made from, beside the plan. */
export interface Situation {
  /** Which resource it is. */
  key: OnloadKey;
  /** The version that nodes are brought to. */
  version: string;
  paused: boolean;
  deleting: boolean;
  /** Nodes have run another version before. */
  upgrading: boolean;
  /** The rollback that holds. */
  rollback: DeepReadonly<OnloadStatus["rollback"]>;
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
  selectorHeldBack?: DeepReadonly<OnloadStatus["selectorHeldBack"]>;
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
  const { onload, version, selector, selectorHeldBack, plan, problems, rollback, lastReady, protection, now } = input;
  const generation = onload.metadata.generation ?? 0;
  const tally = tallyOf(plan);
  const situation = situationOf(onload, version, rollback, problems);
  const found = conditionsOf(plan, tally, situation);
  const drafts = [...found, ...stalledOf(found, plan), ...(protection ? [protection] : [])];
  const conditions = withTimes(drafts, onload.status?.conditions as Condition[] | undefined, generation, now);
  return {
    observedGeneration: generation,
    version,
    ...(selector ? { selector: { ...selector } } : {}),
    ...(selectorHeldBack ? { selectorHeldBack: { ...selectorHeldBack } } : {}),
    conditions,
    headline: headlineOf(conditions),
    nodes: tally.counts,
    problems: listProblems(tally),
    ...(plan.stalled ? { stalledSince: stalledSince(plan, onload, now) } : {}),
    ...(lastReady ? { lastReady: lastReady as NonNullable<OnloadStatus["lastReady"]> } : {}),
    ...(rollback ? { rollback: rollback as NonNullable<OnloadStatus["rollback"]> } : {}),
  };
}

/** What conditions are made from, for a resource whose nodes are brought to `version`. */
export function situationOf(
  { metadata, spec, status }: DeepReadonly<Onload>,
  version: string,
  rollback: Situation["rollback"],
  problems: readonly ResourceProblem[],
): Situation {
  return {
    key: onloadKeyOf({ metadata }),
    version,
    paused: spec.upgrade.paused,
    deleting: metadata.deletionTimestamp !== undefined,
    upgrading: status?.lastReady !== undefined && status.lastReady.version !== version,
    rollback,
    problems,
  };
}

/** Since when nothing moves: what the status before says, if that can be believed. */
function stalledSince({ stalled }: RolloutPlan, { status }: DeepReadonly<Onload>, now: number): string {
  return (stalled === "noted" ? status?.stalledSince : undefined) ?? new Date(now).toISOString();
}

/** A condition before it has a time. */
export type ConditionDraft = Omit<Condition, "lastTransitionTime" | "type"> & { type: ConditionType; reason: Reason };

/** Makes drafts of one condition. */
type Drafter = (status: ConditionDraft["status"], reason: Reason, message: string) => ConditionDraft;

/** Makes drafts of conditions of one type. */
export function drafterOf(type: ConditionType): Drafter {
  return (status, reason, message) => ({ type, status, reason, message });
}

/** status.problems: the failed ones first, then as the nodes are sorted. */
function listProblems({ failed, troubled }: NodeTally): NodeProblem[] {
  return [...failed, ...troubled].slice(0, MAX_PROBLEMS).map(({ facts, state, problem }) => ({
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
 * @param tally of the plan
 */
export function conditionsOf(plan: RolloutPlan, tally: NodeTally, situation: Situation): ConditionDraft[] {
  return [ready(plan, tally.counts, situation), progressing(plan, tally, situation), degraded(tally, situation)];
}

function ready(plan: RolloutPlan, { desired, ready: done }: NodeCounts, situation: Situation): ConditionDraft {
  const { version, deleting, rollback, problems } = situation;
  const draft = drafterOf(CONDITION.Ready);
  if (deleting) return draft("False", REASON.Deleting, "The resource is being deleted");
  const blocking = problems.find(({ reason }) => reason === REASON.KmmNotInstalled || reason === REASON.InvalidSpec);
  if (blocking) return draft("False", blocking.reason, blocking.message);
  if (desired === 0) return draft("False", REASON.NoMatchingNodes, noNode(plan));
  const counts = readyText(done, desired, version);
  if (done < desired) return draft("False", REASON.NodesNotReady, counts);
  if (rollback) return draft("False", REASON.RolledBack, `${counts}, after version ${rollback.fromVersion} failed`);
  return draft("True", REASON.AllNodesReady, counts);
}

/** Why no node is this resource's. */
function noNode({ nodes }: RolloutPlan): string {
  const kept = nodes.filter(isKept);
  if (kept.length === 0) return "No node has the labels of spec.selector";
  return `Every node that has the labels of spec.selector is kept by another Onload resource: ${namesOf(kept)}`;
}

function isKept({ facts }: NodePlan): boolean {
  return facts.want === undefined && facts.keptBy !== undefined;
}

/** What a person can do after a failure. */
function afterFailure({ key: { namespace, name } }: Situation): string {
  return `correct spec.onload, or try the same again: onloadctl retry ${name} -n ${namespace}`;
}

/** Reasons of Degraded that stay until a person does something about the resource itself. */
const STALLING: ReadonlySet<Reason> = new Set<Reason>([
  REASON.InvalidSpec,
  REASON.KernelRefused,
  REASON.ChangeHeldBack,
  REASON.NodesFailed,
  REASON.RolledBack,
]);

/**
 * The condition Stalled, if it holds: nothing moves, and nothing will without a person.
 *
 * @param plan undefined if the spec cannot be read
 */
export function stalledOf(drafts: readonly ConditionDraft[], plan: RolloutPlan | undefined): ConditionDraft[] {
  const isTrue = (condition: ConditionType): ConditionDraft | undefined =>
    drafts.find(({ type, status }) => type === condition && status === "True");
  const bad = isTrue(CONDITION.Degraded);
  if (!bad || isTrue(CONDITION.Progressing)) return [];
  // What is reported of a node may be from before the retry: whether that has failed too is not known yet.
  if (plan?.nodes.some(({ problem }) => problem?.retriedUntil !== undefined)) return [];
  if (!STALLING.has(bad.reason) && !(plan && allUnmapped(plan))) return [];
  return [drafterOf(CONDITION.Stalled)("True", bad.reason, bad.message)];
}

/** Whether no node that is still to be done can be: none of their kernels has a mapping. */
function allUnmapped({ nodes }: RolloutPlan): boolean {
  const left = nodes.filter((node) => node.facts.want !== undefined && !isDone(node));
  return left.length > 0 && left.every(({ problem }) => problem?.reason === NODE_REASON.NoKernelMapping);
}

function progressing(plan: RolloutPlan, { counts, moving, waiting }: NodeTally, situation: Situation): ConditionDraft {
  const { desired, ready: done } = counts;
  const draft = drafterOf(CONDITION.Progressing);
  const now = moving.length > 0 ? `; now: ${describe(moving)}` : "";
  const why = `${gates(waiting)}${plan.slots && `; ${plan.slots}`}`;
  if (situation.deleting) {
    const waits = moving.length === 0 && waiting.length > 0 ? `: ${why}` : now;
    return draft("True", REASON.Deleting, `${counted(plan.nodes.length, "node")} still to be cleaned${waits}`);
  }
  if (moving.length > 0) {
    const isLeaving = moving.every(({ facts }) => facts.want === undefined);
    if (isLeaving) return draft("True", REASON.LettingGo, `${counted(moving.length, "node")} let go${now}`);
    const reason = situation.rollback ? REASON.RollingBack : situation.upgrading ? REASON.Upgrading : REASON.Installing;
    return draft("True", reason, `${readyText(done, desired, situation.version)}${now}`);
  }
  if (waiting.length === 0) {
    if (plan.halted)
      return draft("False", REASON.Halted, `A node has failed; see status.problems, and ${afterFailure(situation)}`);
    return draft("False", REASON.AsExpected, "Nothing to do");
  }
  const wanted = waiting.filter(({ facts }) => facts.want !== undefined);
  if (wanted.length === 0)
    return draft("False", REASON.NodesNotReady, `${counted(waiting.length, "node")} still to be let go: ${why}`);
  const what = wanted.every(({ state }) => rowOf(state).needsSlot) ? "still to be upgraded" : "not ready";
  const held = `${counted(wanted.length, "node")} ${what}`;
  if (situation.paused) {
    const { namespace, name } = situation.key;
    const remedy = `to go on: onloadctl resume ${name} -n ${namespace}`;
    return draft("False", REASON.Paused, `${held}: spec.upgrade.paused is true; ${remedy}`);
  }
  if (plan.halted)
    return draft(
      "False",
      REASON.Halted,
      `${held}: a node has failed; see status.problems, and ${afterFailure(situation)}`,
    );
  return draft("False", REASON.NodesNotReady, `${held}: ${why}`);
}

function degraded({ failed, troubled }: NodeTally, situation: Situation): ConditionDraft {
  const { problems, rollback } = situation;
  const draft = drafterOf(CONDITION.Degraded);
  const parts = problems.map(({ message }) => message);
  if (failed.length > 0) {
    const first = failed[0]!;
    parts.push(`Node "${first.facts.name}" failed at ${first.state}: ${first.problem!.message}${moreThanOne(failed)}`);
  }
  if (parts.length > 0) return draft("True", problems[0]?.reason ?? REASON.NodesFailed, parts.join(". "));
  const other = troubled.filter(({ problem }) => !problem!.passing);
  if (other.length > 0) {
    const first = other[0]!;
    const message = `Node "${first.facts.name}": ${first.problem!.message}${moreThanOne(other)}`;
    return draft("True", REASON.NodesNotReady, message);
  }
  if (rollback) return draft("True", REASON.RolledBack, rollbackText(rollback, situation));
  return draft("False", REASON.AsExpected, "Nothing is wrong");
}

function rollbackText(
  { fromVersion, toVersion, message }: NonNullable<Situation["rollback"]>,
  situation: Situation,
): string {
  const why = message === undefined ? "" : `: ${message}`;
  return `Version ${fromVersion} failed and is rolled back to ${toVersion}${why}; ${afterFailure(situation)}`;
}

function moreThanOne({ length }: readonly NodePlan[]): string {
  return length > 1 ? ` (and ${counted(length - 1, "more node")})` : "";
}

function readyText(done: number, desired: number, version: string): string {
  return `${done} of ${counted(desired, "node is", "nodes are")} ready with version ${version}`;
}

/** `node-1 Draining, node-2 LoadingOnload and 3 more`. */
function describe(nodes: readonly NodePlan[]): string {
  return firstFew(nodes, 3, ({ facts, state }) => `${facts.name} ${state}`);
}

function namesOf(nodes: readonly NodePlan[]): string {
  return firstFew(nodes, 3, ({ facts }) => facts.name);
}

/** `2 Cordoned, 1 NoFreeSlot`: gates, and the problems of nodes that need none. */
function gates(nodes: readonly NodePlan[]): string {
  const counts = new Map<string, number>();
  for (const { gate, problem } of nodes) {
    const why = gate ?? problem?.reason ?? "";
    counts.set(why, (counts.get(why) ?? 0) + 1);
  }
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
