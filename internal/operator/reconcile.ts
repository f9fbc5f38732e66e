/**
 * Brings the nodes of one Onload resource nearer to what it asks for, in one pass:
 *
 * 1. gather: what is known of the resource, beside the caches
 * 2. decide: the plan, and in which order to work
 * 3. act: objects, nodes, pods
 * 4. report: events, metrics, status
 * 5. next: when to look again
 *
 * Each is awaited before the next begins, and nothing that a pass has started outlives it. What the API server refuses
 * is collected and reported; only being asked to stop ends a pass early.
 */
import { asError, errorText } from "../cli/errors.ts";
import type { Logger } from "../cli/log.ts";
import type { DeepReadonly } from "../api/core.ts";
import type { OnloadKey } from "../api/names.ts";
import type { Onload, OnloadStatus } from "../api/onload.ts";
import { CONDITION, REASON } from "../api/reasons.ts";
import type { Result } from "../controller/controller.ts";
import { splitKey } from "../kube/object.ts";
import { addFinalizer, removeFinalizer, type FinalizerResult } from "./act/finalizer.ts";
import { takeSteps, type Again, type SeenNodes, type StepResults } from "./act/nodes.ts";
import { applyObjects, removeObjects, type ObjectResults } from "./act/objects.ts";
import type { RawOnload, ReconcilerCaches } from "./cache/caches.ts";
import type { ClusterClient } from "./cache/cluster-client.ts";
import type { NodePods } from "./cache/node-pods.ts";
import { nextPass, restAfter } from "./next-pass.ts";
import { modulePods, type Collected } from "./observe/failure-logs.ts";
import {
  heldBackProblems,
  KMM_MISSING,
  NO_IMAGE,
  readOnload,
  withoutSpec,
  type ResourceProblem,
} from "./observe/preflight.ts";
import { firstOf, freshNodes } from "./order-of-work.ts";
import { planFor, type Planned, type OperatorEnvironment } from "./plan.ts";
import { statusOf } from "./report/conditions.ts";
import { eventsOfStatus } from "./report/event-texts.ts";
import type { EventReporter } from "./report/events.ts";
import { isTrue, notReadySince, unreadableStatus, writeStatus } from "./report/status.ts";
import { withoutStarts, type RolloutPlan } from "./rollout/plan.ts";
import { beginRollback, nextLastReady, standingRollback, type Rollback } from "./rollout/rollback.ts";
import { ResourceSession } from "./session.ts";

export interface ReconcilerDeps {
  client: ClusterClient;
  caches: ReconcilerCaches;
  pods: NodePods;
  reporter: EventReporter;
  /** Read anew in every pass. */
  environment: OperatorEnvironment;
  /** Milliseconds since the epoch. */
  now: () => number;
  /** Milliseconds of a clock that does not go back, for intervals. Default: `now`. */
  monotonic?: () => number;
}

/** What is known of a resource, beside the caches. */
interface Gathered {
  key: OnloadKey;
  raw: DeepReadonly<RawOnload>;
  onload: DeepReadonly<Onload>;
  deleting: boolean;
  /** Why the resource cannot work. */
  invalid: ResourceProblem | undefined;
  /** What is wrong with its ServiceAccount. */
  account: ResourceProblem | undefined;
}

/** What to do in a pass. */
interface Decision {
  planned: Planned;
  /** The rollback to begin: its next plan is another one, so that nothing else is done. */
  rollback: Rollback | undefined;
  problems: readonly ResourceProblem[];
  /** Whether nodes and objects are touched. */
  works: boolean;
  /** Whether nodes that serve may be taken out of service. */
  starts: boolean;
  seen: SeenNodes;
  planMs: number;
}

/** What came of working on nodes and objects. */
interface Work {
  /** The plan that was acted on. */
  plan: RolloutPlan;
  steps: StepResults["steps"];
  /** What went wrong with steps, and with objects. */
  errors: Error[];
  unapplied: Error[];
  /** What was refused although nothing is wrong: a cache is behind. */
  overtaken: Error[];
  again: Again;
  /** The resource has been let go. */
  released: boolean;
}

/** What came of a whole pass. */
interface PassResults extends Work {
  logs: Collected;
}

const NO_STEPS: StepResults = { steps: [], errors: [], overtaken: [], again: undefined };
const NO_OBJECTS: ObjectResults = { errors: [], overtaken: [] };
const NO_FINALIZER = { errors: [], overtaken: [] };

function workOf(
  plan: RolloutPlan,
  { steps, errors, overtaken, again }: StepResults,
  objects: ObjectResults,
  finalizer: Pick<FinalizerResult, "errors" | "overtaken"> = NO_FINALIZER,
): Work {
  return {
    plan,
    steps,
    errors: [...finalizer.errors, ...errors],
    unapplied: objects.errors,
    overtaken: [...finalizer.overtaken, ...objects.overtaken, ...overtaken],
    again,
    released: false,
  };
}

/** What came of reporting. */
interface Reported {
  problems: readonly ResourceProblem[];
  statusWaitMs: number | undefined;
  error: Error | undefined;
}

export class OnloadReconciler {
  readonly #deps: ReconcilerDeps & { monotonic: () => number };
  readonly #sessions = new Map<string, ResourceSession>();

  constructor(deps: ReconcilerDeps) {
    this.#deps = { ...deps, monotonic: deps.monotonic ?? deps.now };
  }

  /**
   * One pass over one resource; called again whenever something that it depends on changes.
   *
   * @throws Error if something failed and nothing else is due, so that the caller backs off
   */
  async reconcile(key: string, signal: AbortSignal, log: Logger): Promise<Result> {
    const raw = this.#deps.caches.onloads.store.get(key);
    const session = raw && this.#session(key, raw);
    if (!session) {
      this.#forget(key);
      return {};
    }
    const gathered = await this.#gather(raw, session, signal);
    if ("unreadable" in gathered) return this.#reportUnreadable(raw, session, gathered.unreadable, signal);
    const decision = this.#decide(gathered, session);
    const results = await this.#act(gathered, decision, session, signal);
    const reported = await this.#report(gathered, decision, results, session, signal);
    return this.#next(decision, results, reported, log);
  }

  /** 1. Reads the spec, and looks up the ServiceAccount that it names. */
  async #gather(
    raw: DeepReadonly<RawOnload>,
    session: ResourceSession,
    signal: AbortSignal,
  ): Promise<Gathered | { unreadable: ResourceProblem }> {
    const { client, monotonic } = this.#deps;
    const { namespace = "", name, deletionTimestamp } = raw.metadata;
    const deleting = deletionTimestamp !== undefined;
    const { onload: read, problem } = session.read.get(`${raw.metadata.uid} ${raw.metadata.resourceVersion}`, () =>
      readOnload(raw),
    );
    const onload = read ?? (deleting ? withoutSpec(raw) : undefined);
    // Not even its nodes can be told: nothing is touched until the spec is corrected.
    if (!onload) return { unreadable: problem! };
    const account = deleting ? undefined : await session.account.problem(client, onload, monotonic(), signal);
    return { key: { namespace, name }, raw, onload, deleting, invalid: deleting ? undefined : problem, account };
  }

  /** 2. Plans. */
  #decide(gathered: Gathered, session: ResourceSession): Decision {
    const { caches, pods, environment, now, monotonic } = this.#deps;
    const { onload, deleting, invalid } = gathered;
    const collected = { pods, refusals: session.evictions.refusals, failureLogs: session.failureLogs };
    const began = monotonic();
    const planned = planFor({ caches, collected, environment }, onload, now(), session.plan);
    const planMs = monotonic() - began;
    const { kmm, plan, desired, live } = planned;
    const rollback = kmm.installed ? beginRollback(onload, plan, now()) : undefined;
    return {
      planned,
      rollback,
      problems: deleting ? [] : problemsOf(gathered, planned),
      works: rollback === undefined && invalid === undefined,
      starts: desired?.daemonSet !== undefined && live.daemonSet !== undefined,
      seen: new Map(freshNodes(plan).flatMap((name) => entryOf(name, caches.nodes.store.get(name)))),
      planMs,
    };
  }

  /** 3. Applies objects and takes steps, and reads the logs of what failed meanwhile. */
  async #act(
    gathered: Gathered,
    decision: Decision,
    session: ResourceSession,
    signal: AbortSignal,
  ): Promise<PassResults> {
    const { client, monotonic } = this.#deps;
    const { plan } = decision.planned;
    const failing = plan.nodes.filter(({ facts }) => facts.onload.failure ?? facts.sfc.failure);
    const names = failing.map(({ facts }) => facts.name);
    const pods = modulePods(names, gathered.key, this.#deps.caches);
    const [worked, logs] = await Promise.allSettled([
      this.#work(gathered, decision, session, signal),
      session.failureLogs.collect(client, pods, monotonic(), signal),
    ]);
    signal.throwIfAborted();
    if (worked.status === "rejected") throw worked.reason;
    if (logs.status === "rejected") throw logs.reason;
    return { ...worked.value, logs: logs.value };
  }

  async #work(
    gathered: Gathered,
    { planned, works, starts, seen }: Decision,
    session: ResourceSession,
    signal: AbortSignal,
  ): Promise<Work> {
    const { raw, deleting } = gathered;
    if (!deleting) {
      // Without its finalizer the resource could be gone before its nodes are clean: no node is touched.
      const held = await addFinalizer(this.#deps, raw, signal);
      if (!held.done) return workOf(planned.plan, NO_STEPS, NO_OBJECTS, held);
    }
    if (!works) return workOf(planned.plan, NO_STEPS, NO_OBJECTS);
    if (deleting && planned.plan.nodes.length === 0) return this.#release(raw, planned, session, signal);
    const allowed = deleting || starts ? planned.plan : withoutStarts(planned.plan);
    if (firstOf(allowed) === "labels") {
      const steps = await this.#takeSteps(gathered, planned, allowed, seen, session, signal);
      return workOf(allowed, steps, await this.#applyObjects(planned, session, signal));
    }
    const objects = await this.#applyObjects(planned, session, signal);
    const plan = isComplete(objects) ? allowed : withoutStarts(allowed);
    return workOf(plan, await this.#takeSteps(gathered, planned, plan, seen, session, signal), objects);
  }

  /** Every node is clean: the objects go, and once all have gone, the resource. */
  async #release(
    raw: DeepReadonly<RawOnload>,
    { plan, live }: Planned,
    { applied }: ResourceSession,
    signal: AbortSignal,
  ): Promise<Work> {
    const objects = await removeObjects({ ...this.#deps, applied }, live, signal);
    if (!isComplete(objects)) return workOf(plan, NO_STEPS, objects);
    const freed = await removeFinalizer(this.#deps, raw, signal);
    return { ...workOf(plan, NO_STEPS, objects, freed), released: freed.done };
  }

  async #takeSteps(
    { onload, raw, deleting }: Gathered,
    { kmm }: Planned,
    plan: RolloutPlan,
    seen: SeenNodes,
    { evictions, inspected }: ResourceSession,
    signal: AbortSignal,
  ): Promise<StepResults> {
    // Without KMM no step would come to an end; only cleaning up needs none of it.
    if (!kmm.installed && !deleting) return NO_STEPS;
    const { client, caches, pods, reporter, now, monotonic } = this.#deps;
    const onEviction = reporter.reportEviction.bind(reporter, raw);
    const actor = { kmm, client, caches, pods, inspected, evictions, onEviction, now, monotonic };
    return takeSteps(actor, onload, plan, seen, signal);
  }

  async #applyObjects(
    { desired, live, plan }: Planned,
    { applied }: ResourceSession,
    signal: AbortSignal,
  ): Promise<ObjectResults> {
    if (!desired) return NO_OBJECTS;
    // KMM unloads a Module that goes: it must be on no node any more.
    const unused = plan.nodes.every(({ facts }) => facts.labels.sfc === undefined && !facts.sfc.present);
    return applyObjects({ ...this.#deps, applied }, desired, live, { sfc: !desired.sfc && unused }, signal);
  }

  /** 4. Tells of the plan, of what was done and of what went wrong. */
  async #report(
    { key, raw, onload }: Gathered,
    { planned, rollback: begun, problems: found }: Decision,
    results: PassResults,
    session: ResourceSession,
    signal: AbortSignal,
  ): Promise<Reported> {
    const { reporter, now } = this.#deps;
    const { plan, steps, released } = results;
    const problems = [...found, ...this.#failuresOf(results, session)];
    const held = (planned.desired?.heldBack.length ?? 0) > 0;
    const status = statusOf({
      onload,
      version: begun?.toVersion ?? planned.effective.spec.onload.version,
      plan,
      problems,
      rollback: begun ?? standingRollback(onload),
      lastReady: planned.kmm.installed ? nextLastReady(onload, plan, held, now()) : onload.status?.lastReady,
      now: now(),
    });
    const conditions = { ready: isTrue(status, CONDITION.Ready), degraded: isTrue(status, CONDITION.Degraded) };
    session.previousNodes = reporter.reportPlan(raw, key, session.previousNodes, plan, steps, conditions, now());
    if (released) return { problems, statusWaitMs: undefined, error: undefined };
    const { statusWaitMs, error } = await this.#writeStatus(raw, status, session, signal);
    if (error === undefined && statusWaitMs === undefined) {
      const since = notReadySince(onload.status);
      if (conditions.ready && since !== undefined) reporter.reportReady(key, now() - since);
    }
    return { problems, statusWaitMs, error };
  }

  /** What failed in this pass, as far as people need to know. */
  #failuresOf({ unapplied, errors, overtaken }: PassResults, session: ResourceSession): ResourceProblem[] {
    const problems = unapplied.map((error) => ({ reason: REASON.ApplyFailed, message: errorText(error) }));
    const passing = [...errors, ...overtaken];
    if (!session.failing.persists(passing.length > 0, this.#deps.monotonic())) return problems;
    const more = passing.length > 1 ? ` (and ${passing.length - 1} more)` : "";
    return [...problems, { reason: REASON.StepFailed, message: `${errorText(passing[0])}${more}` }];
  }

  /** Writes a status, and tells of the conditions that have changed once it is written. */
  async #writeStatus(
    raw: DeepReadonly<RawOnload>,
    status: OnloadStatus,
    session: ResourceSession,
    signal: AbortSignal,
  ): Promise<Pick<Reported, "statusWaitMs" | "error">> {
    const { reporter } = this.#deps;
    try {
      const statusWaitMs = await writeStatus(this.#deps, session, raw, status, signal);
      if (statusWaitMs !== undefined) return { statusWaitMs, error: undefined };
      const old = raw.status as DeepReadonly<OnloadStatus> | undefined;
      for (const text of eventsOfStatus(old, status)) reporter.report(raw, text);
      return { statusWaitMs, error: undefined };
    } catch (error) {
      signal.throwIfAborted();
      return { statusWaitMs: undefined, error: asError(error) };
    }
  }

  async #reportUnreadable(
    raw: DeepReadonly<RawOnload>,
    session: ResourceSession,
    problem: ResourceProblem,
    signal: AbortSignal,
  ): Promise<Result> {
    const { reporter, now } = this.#deps;
    const { namespace = "", name } = raw.metadata;
    reporter.reportUnreadable({ namespace, name });
    const { statusWaitMs, error } = await this.#writeStatus(
      raw,
      unreadableStatus(raw, problem, now()),
      session,
      signal,
    );
    if (error) throw error;
    return statusWaitMs === undefined ? {} : { requeueAfterMs: statusWaitMs };
  }

  /** 5. When to look again. */
  #next({ planMs }: Decision, results: PassResults, { problems, statusWaitMs, error }: Reported, log: Logger): Result {
    const { plan, again, overtaken, logs, errors, unapplied } = results;
    // What is refused again and again is no matter of a cache that is a moment behind.
    const stuck = problems.some(({ reason }) => reason === REASON.StepFailed) ? overtaken : [];
    const failures = [...errors, ...unapplied, ...stuck, ...(error ? [error] : [])];
    const failed = failures.length > 0;
    const soon = overtaken.length > stuck.length ? "soon" : again;
    const due = nextPass({ plan, again: soon, logs, statusWaitMs, problems, failed }, this.#deps.now());
    const restMs = restAfter(planMs);
    if (!failed) return due === undefined ? { restMs } : { requeueAfterMs: due, restMs };
    const all =
      failures.length === 1 ? failures[0]! : new AggregateError(failures, `Cannot take ${failures.length} steps`);
    if (due === undefined) throw all;
    log.error("Some steps failed", { error: all });
    return { requeueAfterMs: due, restMs };
  }

  #session(key: string, { metadata: { uid } }: DeepReadonly<RawOnload>): ResourceSession {
    const known = this.#sessions.get(key);
    if (known && known.uid === uid) return known;
    this.#forget(key);
    const session = new ResourceSession(uid);
    this.#sessions.set(key, session);
    return session;
  }

  /** The resource is gone, if it ever was there. */
  #forget(key: string): void {
    const session = this.#sessions.get(key);
    if (!session) return;
    this.#sessions.delete(key);
    for (const node of session.inspected) this.#deps.pods.forget(node);
    const { namespace = "", name } = splitKey(key);
    this.#deps.reporter.forget({ namespace, name });
  }
}

function isComplete({ errors, overtaken }: ObjectResults): boolean {
  return errors.length === 0 && overtaken.length === 0;
}

/** What is wrong with the whole resource, worst first. */
function problemsOf({ invalid, account }: Gathered, { kmm, desired }: Planned): ResourceProblem[] {
  const first = invalid ? [invalid] : [];
  if (!kmm.installed) return [...first, KMM_MISSING];
  return [
    ...first,
    ...(desired?.daemonSet ? [] : [NO_IMAGE]),
    ...(account ? [account] : []),
    ...heldBackProblems(desired?.heldBack ?? []),
  ];
}

function entryOf<T>(name: string, value: T | undefined): [string, T][] {
  return value === undefined ? [] : [[name, value]];
}
