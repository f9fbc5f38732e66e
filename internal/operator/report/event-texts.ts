/**
 * What Events say of a rollout: one for each step on a node, and one for each change of a problem or a condition. Pure:
 * from the steps that were taken, and from what changed between two plans or two statuses.
 */
import type { DeepReadonly } from "../../api/core.ts";
import type { OnloadStatus } from "../../api/onload.ts";
import { CONDITION, EVENT_REASON, NODE_REASON, REASON, type EventReason } from "../../api/reasons.ts";
import type { EvictionResult } from "../act/evict.ts";
import type { Holder, NodeFacts } from "../assess/facts.ts";
import { MAX_PROBLEMS } from "./conditions.ts";
import type { NodePlan } from "../rollout/node-plan.ts";
import { rowOf, type NodeState } from "../rollout/states.ts";
import type { StepName } from "../rollout/steps.ts";

/** One event about the Onload resource. */
export interface EventText {
  type: "Normal" | "Warning";
  /** One of REASON, NODE_REASON or EVENT_REASON. */
  reason: string;
  note: string;
  /** The node it is about. */
  node?: string;
  /** The version of Onload it is about, if that is another than the resource's. */
  version?: string;
}

/** What the last plan said of a node, kept only to tell what has changed since. */
export interface PreviousNodeState {
  state: NodeState;
  /** Milliseconds of a clock that does not go back. */
  since: number;
  problem: string | undefined;
}

/** The event of every step, as reason and text; undefined for steps that have none. */
const STEP_EVENTS: Record<
  StepName,
  ((facts: NodeFacts, deleting: boolean) => [reason: EventReason, note: string]) | undefined
> = {
  None: undefined,
  Wait: undefined,
  Install: ({ want, sfcManaged }) => [
    EVENT_REASON.NodeLabelled,
    `labelled for ${sfcManaged ? "sfc" : "onload"} and device plugin ${want}`,
  ],
  LabelSfc: ({ want }) => [EVENT_REASON.ModuleLoading, `loading sfc ${want}`],
  LabelOnload: ({ want }) => [EVENT_REASON.ModuleLoading, `loading onload ${want}`],
  LabelPlugin: ({ want }) => [EVENT_REASON.ModuleReady, `modules ${want} are loaded; starting the device plugin`],
  UnlabelPlugin: (facts, deleting) => [
    EVENT_REASON.PluginRemoved,
    `taken out of service ${whyOut(facts, deleting)}: stopping device plugin ${facts.labels.plugin}`,
  ],
  Inspect: undefined,
  // Every pod that is evicted has an event of its own.
  Evict: undefined,
  UnlabelOnload: ({ labels }) => [
    EVENT_REASON.ModuleUnloading,
    `no pod holds amd.com/onload; unloading onload ${labels.onload}`,
  ],
  UnlabelSfc: ({ labels }) => [EVENT_REASON.ModuleUnloading, `unloading sfc ${labels.sfc}`],
  ReplacePlugin: () => [
    EVENT_REASON.PluginRemoved,
    "replacing the device plugin's pod with one of the present template",
  ],
  // The node is reported once it has gone from the plan.
  ClearMark: undefined,
};

/** For what a node leaves service. Nodes that lose their labels one after the other are not told apart by anything else. */
function whyOut({ want, keptBy }: NodeFacts, deleting: boolean): string {
  if (want !== undefined) return `for version ${want}`;
  if (deleting) return "because the resource is being deleted";
  return keptBy === undefined
    ? "because it no longer has the labels of spec.selector"
    : `because Onload ${keptBy} keeps it`;
}

/**
 * The event of a step that was taken; undefined for steps that have none.
 *
 * @param deleting whether the resource is being deleted
 */
export function eventOfStep(step: StepName, facts: NodeFacts, deleting: boolean): EventText | undefined {
  const event = STEP_EVENTS[step]?.(facts, deleting);
  if (!event) return undefined;
  const [reason, note] = event;
  return { type: "Normal", reason, note: `Node ${facts.name}: ${note}`, node: facts.name, ...versionOf(facts) };
}

/** The version that a node gets, or the one that leaves it. */
function versionOf({ want, labels }: NodeFacts): Pick<EventText, "version"> {
  const version = want ?? labels.onload ?? labels.plugin;
  return version === undefined ? {} : { version };
}

/** What is remembered of a node that joins. */
export const NEW_NODE: PreviousNodeState = { state: "Absent", since: 0, problem: undefined };

/**
 * What to go by in a process's first plan of a resource. The process before has reported the problems that are in the
 * status. Problems that did not fit into the status are treated as reported, because nothing shows otherwise.
 *
 * @param status of the resource; of a new one nothing has been told
 */
export function beforeProcess(status: unknown, plan: NodePlan): PreviousNodeState {
  const { observedGeneration = -1, problems = [] } = (status ?? {}) as DeepReadonly<OnloadStatus>;
  if (observedGeneration < 0) return NEW_NODE;
  const { facts, state, problem } = plan;
  const wasTold =
    problems.length >= MAX_PROBLEMS ||
    problems.some(({ node, reason }) => node === facts.name && reason === problem?.reason);
  return { state, since: 0, problem: wasTold ? problemKey(plan) : undefined };
}

/** Events of what has changed on a node since the last plan. */
export function eventsOfChange(before: PreviousNodeState, plan: NodePlan): EventText[] {
  const { facts, state, problem } = plan;
  const events: EventText[] = [];
  if (rowOf(state).complete && !rowOf(before.state).complete) {
    events.push({
      type: "Normal",
      reason: EVENT_REASON.NodeReady,
      note: `Node ${facts.name}: runs ${facts.want} and offers amd.com/onload`,
      node: facts.name,
      ...versionOf(facts),
    });
  }
  if (problem && problemKey(plan) !== before.problem) {
    events.push({
      type: problem.failed ? "Warning" : "Normal",
      reason: problem.reason,
      note: `Node ${facts.name}: at ${state}: ${problem.message}`,
      node: facts.name,
      ...versionOf(facts),
    });
  }
  return events;
}

/** The event of a node that has nothing of ours any more. */
export function eventOfCleaned(name: string): EventText {
  return {
    type: "Normal",
    reason: EVENT_REASON.NodeCleaned,
    note: `Node ${name}: nothing of Onload remains`,
    node: name,
  };
}

/** Whether nothing has changed on a node that is worth an event. */
export function isRemembered(before: PreviousNodeState, plan: NodePlan): boolean {
  return before.state === plan.state && before.problem === problemKey(plan);
}

/** What to remember of a node. */
export function remember(before: PreviousNodeState | undefined, plan: NodePlan, now: number): PreviousNodeState {
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

/** Events of a status that has been written: conditions whose status or reason changed, upgrades and rollbacks. */
export function eventsOfStatus(
  before: DeepReadonly<OnloadStatus> | undefined,
  after: DeepReadonly<OnloadStatus>,
): EventText[] {
  return [...upgradeEvents(before, after), ...rollbackEvents(before, after), ...conditionEvents(before, after)];
}

/** The status has been refused for some time. @param why what the API server says */
export function eventOfStaleStatus(why: string): EventText {
  const note = `The status says how things were, because it cannot be written: ${why}`;
  return { type: "Warning", reason: EVENT_REASON.StatusNotWritten, note };
}

/** What came of an eviction; undefined if nobody was evicted: the pod's end has another cause. */
export function eventOfEviction(
  node: string,
  { namespace, name }: Pick<Holder, "namespace" | "name">,
  result: EvictionResult,
  message: string,
): EventText | undefined {
  if (result === "gone") return undefined;
  const pod = `${namespace}/${name}`;
  const why = message === "" ? "" : `: ${message}`;
  if (result === "evicted" || result === "deleted")
    return { ...normal(EVENT_REASON.PodEvicted, `Node ${node}: ${result} pod ${pod}${why}`), node };
  const note = `Node ${node}: could not evict pod ${pod}${why}`;
  return { type: "Warning", reason: NODE_REASON.EvictionBlocked, note, node };
}

/** An upgrade begins when nodes are to leave the version that was Ready everywhere, and ends when another one is. */
function upgradeEvents(before: DeepReadonly<OnloadStatus> | undefined, after: DeepReadonly<OnloadStatus>): EventText[] {
  const from = before?.lastReady?.version;
  if (from === undefined) return [];
  const { version, rollback, lastReady } = after;
  const begins = version !== before?.version && version !== from && rollback === undefined;
  const ends = lastReady !== undefined && lastReady.version !== from;
  return [
    ...(begins ? [normal(EVENT_REASON.UpgradeStarted, `Upgrading nodes from version ${from} to ${version}`)] : []),
    ...(ends
      ? [normal(EVENT_REASON.UpgradeFinished, `Every node runs version ${lastReady.version}, after ${from}`)]
      : []),
  ];
}

function rollbackEvents(
  before: DeepReadonly<OnloadStatus> | undefined,
  after: DeepReadonly<OnloadStatus>,
): EventText[] {
  const { rollback } = after;
  if (rollback === undefined) return [];
  const { fromVersion, toVersion, message = "" } = rollback;
  if (before?.rollback?.since !== rollback.since) {
    const note = `Going back from version ${fromVersion} to ${toVersion}: ${message}`;
    return [{ type: "Warning", reason: EVENT_REASON.RollbackStarted, note }];
  }
  const isOver = (status: DeepReadonly<OnloadStatus>): boolean =>
    status.conditions?.some(({ type, reason }) => type === CONDITION.Ready && reason === REASON.RolledBack) ?? false;
  if (isOver(before) || !isOver(after)) return [];
  return [
    normal(EVENT_REASON.RollbackFinished, `Every node runs version ${toVersion} again, after ${fromVersion} failed`),
  ];
}

function normal(reason: EventReason, note: string): EventText {
  return { type: "Normal", reason, note };
}

function conditionEvents(
  before: DeepReadonly<OnloadStatus> | undefined,
  after: DeepReadonly<OnloadStatus>,
): EventText[] {
  return (after.conditions ?? []).flatMap((condition): EventText[] => {
    // Degraded tells the same.
    if (condition.type === CONDITION.Stalled) return [];
    const old = before?.conditions?.find(({ type }) => type === condition.type);
    if (old?.status === condition.status && old.reason === condition.reason) return [];
    const bad =
      (condition.type === CONDITION.Degraded && condition.status === "True") ||
      (condition.type === CONDITION.Protected && condition.status === "False");
    // That nothing is under way, or nothing wrong, is told only if it was otherwise before.
    const begins = condition.type === CONDITION.Progressing && condition.status === "True";
    if (!old && condition.type !== CONDITION.Ready && !bad && !begins) return [];
    const note = `${condition.type} is ${condition.status}: ${condition.message}`;
    return [{ type: bad ? "Warning" : "Normal", reason: condition.reason, note }];
  });
}
