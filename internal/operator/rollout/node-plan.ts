/** The plan for one node, whatever the others do. */
import type { NodeFacts } from "../assess/facts.ts";
import { isPresentAttempt, type Attempt } from "../observe/step-record.ts";
import { withBelievedTimes, type Present } from "./believed.ts";
import { holdReason, keptProblem, renewalFor, type HoldReason, type Renewal } from "./cordon.ts";
import {
  deadlineOf,
  forceAt,
  isWaiting,
  retriedUntil,
  waitingSince,
  type Limits,
  type NodeAtStep,
} from "./deadlines.ts";
import { problemOf, type Problem } from "./failure.ts";
import type { Gate } from "./gates.ts";
import { lastFailure, type FailureDraft } from "./lasting-failure.ts";
import { stateOf } from "./state-of.ts";
import { rowOf, stepFor, type NodeState } from "./states.ts";
import type { StepName } from "./steps.ts";

/** What the resource says about how to roll out. */
export interface Policy extends Attempt {
  /** Most nodes that may be out at once; see resolveMaxUnavailable. */
  maxUnavailable: number;
  /** See SlotPolicy. */
  letGoConfirmed: boolean;
  /** See SlotPolicy. */
  unanswered: readonly string[];
  paused: boolean;
  /** Whether the API server keeps spec.upgrade.paused. If not, a person may have paused what seems not to be. */
  pauseKnown: boolean;
  limits: Limits;
  /** Whether the DaemonSet controller has seen the DaemonSet's present template. */
  templateSeen: boolean;
  /** Whether there is an image for the device plugin. */
  pluginImageKnown: boolean;
  /** Whether KMM skips nodes that are cordoned, and does not notice when they are uncordoned. */
  kmmSkipsCordoned: boolean;
  /** Since when nothing moves although nodes wait, as the last status says, in milliseconds since the epoch. */
  stalledSince: number | undefined;
  /** See {@link Present}. */
  clockSetAt: number | undefined;
}

/** What to do with one node now. */
export interface NodePlan {
  facts: NodeFacts;
  state: NodeState;
  step: StepName;
  problem: Problem | undefined;
  /** The new failure record: null removes it, undefined leaves it as it is. */
  failureRecord: FailureDraft | null | undefined;
  /** Why a node that should start waits. */
  gate: Gate | undefined;
  /** The step record is written anew without a step: the step gets its time again, or the node is cordoned. */
  renewal: Renewal | undefined;
  /** Evict and Wait: when the step must be done or is given up, in milliseconds since the epoch. */
  deadline: number | undefined;
  /** When the step gets its time again, in milliseconds since the epoch; see renewWaitAt. */
  renewsAt: number | undefined;
  /** Evict: when to delete the pods that are still there, in milliseconds since the epoch. */
  forceAt: number | undefined;
}

/**
 * The kubelet says that there is nothing more to offer with its next status, every 10 s by default
 * (--node-status-update-frequency). A pod that is evicted before may come back to the node, which then refuses it.
 */
const LAST_OFFER_MS = 30_000;

/** Until when pods are not evicted because the kubelet still offers amd.com/onload, in milliseconds since the epoch. */
function offeredUntil({ allocatable, ready, stepRecord }: NodeFacts, state: NodeState): number | undefined {
  const waits = rowOf(state).drains && allocatable > 0 && ready && stepRecord?.step === "UnlabelPlugin";
  return waits ? stepRecord.since + LAST_OFFER_MS : undefined;
}

/**
 * Whether a step gets its time, or gets it again. A record whose time cannot be believed is written anew, so that the next
 * process uses the new time too. If there is no record, or somebody has garbled it, one is written unless something else
 * tells how long the node has waited.
 */
function isRedated({ facts, state, step }: NodeAtStep, observed: NodeFacts): boolean {
  if (!isWaiting(step)) return false;
  if (observed.stepRecord === undefined) return waitingSince(facts, state) === undefined;
  return facts.stepRecord?.since !== observed.stepRecord.since;
}

/**
 * When the step record of a node is renewed because the node has served until then, in milliseconds since the epoch. If
 * the plugin's pod ends on a node that still offers devices, the wait for the next pod starts now, and not at our last
 * step. The time is recorded at once, because it cannot be found out later.
 *
 * @returns undefined if the node is not in that situation. A pod that never ends renews the record once.
 */
function renewWaitAt({ stepRecord, plugin, ready, allocatable }: NodeFacts, state: NodeState): number | undefined {
  const isCounted = stepRecord !== undefined && plugin.goneBy !== undefined && stepRecord.since >= plugin.goneBy;
  const offers = ready && allocatable > 0 && plugin.since === undefined && !isCounted;
  // A step that has just been taken is why the pod goes.
  return rowOf(state).plugin === "starts" && offers && stepRecord ? stepRecord.since + LAST_OFFER_MS : undefined;
}

/** What follows for a node from its own facts. */
export function planNode(observed: NodeFacts, policy: Policy, time: Present): NodePlan {
  const { limits, attempt } = policy;
  const { now } = time;
  const facts = withBelievedTimes(observed, time);
  const state = stateOf(facts);
  const renewsAt = renewWaitAt(facts, state);
  const hasServed = renewsAt !== undefined && now >= renewsAt;
  const kept = holdReason(facts, state, policy);
  const offered = kept ? undefined : offeredUntil(facts, state);
  const waits =
    (offered !== undefined && now < offered) || (rowOf(state).needsTemplate === true && !policy.templateSeen);
  const at: NodeAtStep = { facts, state, step: kept ? "None" : waits ? "Wait" : stepFor(state, facts) };
  const since = waitingSince(facts, state) ?? facts.stepRecord?.since;
  const found = presentProblem(at, limits, now, kept, since);
  const present = hasServed ? withoutTimeout(found) : found;
  const restart = present?.failed && isSeenBefore(facts, policy) ? restartOf(present) : undefined;
  const begins = hasServed || isRedated(at, observed) ? BEGINS_ANEW : undefined;
  const renewal = renewalOf(at, policy, restart, begins);
  const { problem, record } = lastFailure(at, restart && present?.byTime ? undefined : present, attempt, now);
  return {
    ...at,
    problem: withRetry(problem, restart ? ABOUT_TO_RETRY : retriedUntil(at, isReported(present), limits, now)),
    failureRecord: record,
    gate: kept,
    renewal,
    deadline: hasServed ? undefined : (offered ?? deadlineOf(at, limits)),
    renewsAt,
    forceAt: kept ? undefined : forceAt(facts, state, limits),
  };
}

/** The step gets its time again, and nothing else. */
const BEGINS_ANEW: Renewal = { cordoned: false, remind: false };

function renewalOf(
  { facts, state }: NodeAtStep,
  policy: Policy,
  restart: Renewal | undefined,
  begins: Renewal | undefined,
): Renewal | undefined {
  const renewal = renewalFor(facts, state, policy) ?? restart ?? begins;
  // The end of a cordon may be seen together with a retry.
  return renewal && restart?.retried ? { ...renewal, retried: true } : renewal;
}

/** A step that gets its time again is not late. */
function withoutTimeout(problem: Problem | undefined): Problem | undefined {
  return problem?.byTime ? undefined : problem;
}

/** That a node is kept as it is explains what does not happen there meanwhile. */
function presentProblem(
  at: NodeAtStep,
  limits: Limits,
  now: number,
  kept: HoldReason | undefined,
  since: number | undefined,
): Problem | undefined {
  const problem = problemOf(at, limits, now);
  return kept && (!problem || problem.passing) ? keptProblem(at.facts, kept, since) : problem;
}

/** Whether a failure belongs to an earlier attempt. A newer one starts the step's time again. */
function isSeenBefore({ stepRecord, failureRecord }: NodeFacts, policy: Policy): boolean {
  return !isPresentAttempt(stepRecord?.attempt ?? failureRecord?.attempt ?? policy.attempt, policy);
}

/** Whether KMM or the kubelet reports a failure now. */
function isReported(problem: Problem | undefined): boolean {
  return problem?.failed === true && problem.byTime !== true;
}

/** The retry is recorded next, and counts from then on. No time of its own, because a plan may be kept. */
const ABOUT_TO_RETRY = 0;

/** @param until see Problem.retriedUntil */
function withRetry(problem: Problem | undefined, until: number | undefined): Problem | undefined {
  return problem?.failed && until !== undefined ? { ...problem, retriedUntil: until } : problem;
}

/** The step begins anew in a new attempt. */
function restartOf({ byTime }: Problem): Renewal {
  return byTime ? BEGINS_ANEW : { ...BEGINS_ANEW, retried: true };
}
