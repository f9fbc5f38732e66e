/** Brings the nodes of one Onload resource nearer to what it asks for: observe, plan, act, report. */
import { errorText } from "../cli/errors.ts";
import type { Logger } from "../cli/log.ts";
import type { DeepReadonly } from "../api/core.ts";
import { FINALIZER, type OnloadKey } from "../api/names.ts";
import type { Onload } from "../api/onload.ts";
import { REASON } from "../api/reasons.ts";
import type { Result } from "../controller/controller.ts";
import type { ClusterClient } from "./cache/cluster-client.ts";
import { isNotFound } from "../kube/errors.ts";
import { splitKey } from "../kube/object.ts";
import { MODULES, ONLOADS } from "../api/resources.ts";
import { DAEMON_SETS, refOf } from "../kube/resource.ts";
import { takeSteps, type Deeds } from "./act/nodes.ts";
import { Applier } from "./act/objects.ts";
import type { ReconcilerCaches, RawOnload } from "./cache/caches.ts";
import { EVICTION_RETRY_MS, EvictionLog } from "./act/evict.ts";
import { LastWords } from "./observe/failure-logs.ts";
import { Memo } from "./memo.ts";
import type { NodePods } from "./cache/node-pods.ts";
import type { CollectedState } from "./observe/cluster.ts";
import { planFor, PlanMemo, type Planned, type OperatorEnvironment } from "./plan.ts";
import { notReadySince, Reporter } from "./report/status.ts";
import { withoutStarts, type RolloutPlan } from "./rollout/plan.ts";
import { attemptFor, beginRollback, nextLastReady, standingRollback, type Rollback } from "./rollout/rollback.ts";
import { tellConditions } from "./report/event-texts.ts";
import { statusOf, type Trouble } from "./report/conditions.ts";
import type { StepName } from "./rollout/steps.ts";
import type { Teller } from "./report/events.ts";
import { heldBackTrouble, KMM_MISSING, NO_IMAGE, readOnload, ServiceAccounts } from "./observe/preflight.ts";

/** A plan that was overtaken by a change is made again after this time, when the caches have caught up. */
const OVERTAKEN_MS = 20;
/**
 * A plan looks at every node, and thousands of events come while hundreds of nodes change: after one that took a
 * millisecond, those of the next ten share one more. On a small cluster nobody can tell.
 */
const REST_FACTOR = 10;
const LONGEST_REST_MS = 100;
/** Troubles whose end no event tells are looked at again after this time. */
const TROUBLE_MS = 10_000;
/** A step that failed is tried again after this time, where something else is due anyway. */
const FAILED_MS = 1000;
const NO_DEEDS: Deeds = { steps: [], errors: [], again: undefined };

/** What came of one pass. */
interface Work {
  /** Why an object could not be applied. */
  unapplied: Error | undefined;
  deeds: Deeds;
}
const NO_WORK: Work = { unapplied: undefined, deeds: NO_DEEDS };

/**
 * A label may come before what it refers to. Then KMM and the DaemonSet controller see all nodes of a new resource at
 * once, instead of going over all nodes for each one that is labelled.
 */
const LABELS_FIRST: ReadonlySet<StepName> = new Set<StepName>(["None", "Wait", "Install"]);

export interface ReconcilerDeps {
  client: ClusterClient;
  caches: ReconcilerCaches;
  pods: NodePods;
  teller: Teller;
  environment: OperatorEnvironment;
  now: () => number;
}

export class OnloadReconciler {
  readonly #deps: ReconcilerDeps;
  readonly #applier: Applier;
  readonly #reporter: Reporter;
  readonly #accounts: ServiceAccounts;
  readonly #lastWords: LastWords;
  readonly #evictions: EvictionLog;
  readonly #known = new Map<string, { read: Memo<ReturnType<typeof readOnload>>; memo: PlanMemo }>();

  constructor(deps: ReconcilerDeps) {
    const { client, caches, teller, now } = deps;
    this.#deps = deps;
    this.#applier = new Applier(client);
    this.#reporter = new Reporter(client, caches, now);
    this.#accounts = new ServiceAccounts(client, now);
    this.#lastWords = new LastWords(client);
    this.#evictions = new EvictionLog((onload, node, pod, result, message) =>
      teller.tellEviction(onload, node, pod, result, message),
    );
  }

  /** One pass over one resource; called again whenever something that it depends on changes. */
  async reconcile(key: string, signal: AbortSignal, log: Logger): Promise<Result> {
    const raw = this.#deps.caches.onloads.store.get(key);
    if (!raw) {
      this.#forget(key);
      return {};
    }
    const known = this.#known.get(key) ?? { read: new Memo<ReturnType<typeof readOnload>>(), memo: new PlanMemo() };
    this.#known.set(key, known);
    const { onload, trouble } = known.read.get(`${raw.metadata.uid} ${raw.metadata.resourceVersion}`, () =>
      readOnload(raw),
    );
    if (!onload) {
      // Not even its nodes can be told: nothing is touched until the spec is corrected.
      if (trouble) this.#deps.teller.tell(raw, { type: "Warning", reason: trouble.reason, note: trouble.message });
      return {};
    }
    if (!onload.metadata.deletionTimestamp) await this.#addFinalizer(raw, signal);
    const now = this.#deps.now();
    const began = performance.now();
    const planned = planFor({ ...this.#deps, collected: this.#collected() }, onload, now, known.memo);
    const restMs = Math.min((performance.now() - began) * REST_FACTOR, LONGEST_REST_MS);
    const rollback = planned.kmm.installed ? beginRollback(onload, planned.plan, now) : undefined;
    const [found, { unapplied, deeds }] = await Promise.all([
      this.#troubles(onload, planned, signal),
      rollback || trouble ? NO_WORK : this.#work(onload, planned, signal),
    ]);
    const troubles = [...(trouble ? [trouble] : []), ...found];
    const failures = [...deeds.errors];
    if (unapplied) {
      failures.push(unapplied);
      troubles.push({ reason: REASON.ApplyFailed, message: errorText(unapplied) });
    }
    const waitMs = await this.#report(raw, onload, planned, deeds, troubles, rollback, signal);
    const heard = await this.#listen(planned, signal);
    if (onload.metadata.deletionTimestamp && planned.plan.nodes.length === 0) await this.#finish(raw, planned, signal);
    const next = { ...this.#next(planned, deeds, troubles, heard, waitMs), restMs };
    if (failures.length === 0) return next;
    const error =
      failures.length === 1 ? failures[0]! : new AggregateError(failures, `Cannot take ${failures.length} steps`);
    // Backing off for one node must not keep others from what is due.
    if (next.requeueAfterMs === undefined) throw error;
    log.error("Some steps failed", { error });
    return { requeueAfterMs: Math.min(Math.max(next.requeueAfterMs, FAILED_MS), TROUBLE_MS), restMs };
  }

  #collected(): CollectedState {
    const failureLogs = { logs: this.#lastWords.words, revision: this.#lastWords.words.size };
    return { pods: this.#deps.pods, refusals: this.#evictions.refusals, failureLogs };
  }

  async #addFinalizer(raw: DeepReadonly<RawOnload>, signal: AbortSignal): Promise<void> {
    const { finalizers = [], resourceVersion } = raw.metadata;
    if (finalizers.includes(FINALIZER)) return;
    const patch = { metadata: { finalizers: [...finalizers, FINALIZER] } };
    const { client, caches } = this.#deps;
    caches.onloads.observe(await client.mergePatch<RawOnload>(ONLOADS, refOf(raw), patch, { resourceVersion, signal }));
  }

  async #troubles(onload: DeepReadonly<Onload>, planned: Planned, signal: AbortSignal): Promise<Trouble[]> {
    if (onload.metadata.deletionTimestamp) return [];
    if (!planned.kmm.installed) return [KMM_MISSING];
    const account = await this.#accounts.trouble(onload, signal);
    const image = planned.desired?.daemonSet ? [] : [NO_IMAGE];
    return [...image, ...account, ...heldBackTrouble(planned.desired?.heldBack ?? [])];
  }

  /** Applies objects and takes steps. What could not be applied is given back, because nodes can go on without it. */
  async #work(onload: DeepReadonly<Onload>, planned: Planned, signal: AbortSignal): Promise<Work> {
    const { plan, kmm } = planned;
    const { client, caches, pods, now } = this.#deps;
    const actor = { kmm, client, caches, pods, evictions: this.#evictions, now };
    const act = async (steps: RolloutPlan): Promise<Deeds> => {
      // Without KMM no step would come to an end; only cleaning up needs none of it.
      if (!kmm.installed && !onload.metadata.deletionTimestamp) return NO_DEEDS;
      return takeSteps(actor, onload, steps, attemptFor(onload), signal);
    };
    if (plan.nodes.every(({ step }) => LABELS_FIRST.has(step))) {
      const deeds = await act(plan);
      return { unapplied: await this.#applyObjects(planned, signal), deeds };
    }
    const unapplied = await this.#applyObjects(planned, signal);
    return { unapplied, deeds: await act(unapplied ? withoutStarts(plan) : plan) };
  }

  async #applyObjects({ desired, live, plan }: Planned, signal: AbortSignal): Promise<Error | undefined> {
    if (!desired) return undefined;
    try {
      await this.#applier.applyAll(this.#deps.caches, desired, live, signal);
      // KMM unloads a Module that goes: it must be on no node any more.
      const unused = plan.nodes.every(({ facts }) => facts.labels.sfc === undefined && !facts.sfc.present);
      if (!desired.sfc && unused) await this.#applier.remove(MODULES, live.sfc, signal);
      return undefined;
    } catch (error) {
      signal.throwIfAborted();
      return error as Error;
    }
  }

  async #report(
    raw: DeepReadonly<RawOnload>,
    onload: DeepReadonly<Onload>,
    planned: Planned,
    deeds: Deeds,
    troubles: readonly Trouble[],
    begun: Rollback | undefined,
    signal: AbortSignal,
  ): Promise<number | undefined> {
    const { teller, now } = this.#deps;
    const key = keyOf(raw);
    const held = (planned.desired?.heldBack.length ?? 0) > 0;
    const rollback = begun ?? standingRollback(onload);
    const status = statusOf({
      onload,
      version: begun?.toVersion ?? planned.effective.spec.onload.version,
      plan: planned.plan,
      troubles,
      rollback,
      lastReady: planned.kmm.installed ? nextLastReady(onload, planned.plan, held, now()) : onload.status?.lastReady,
      now: now(),
    });
    const isTrue = (condition: string): boolean =>
      status.conditions?.some(({ type, status: value }) => type === condition && value === "True") ?? false;
    const ready = isTrue("Ready");
    teller.tellPlan(raw, key, planned.plan, deeds, { ready, degraded: isTrue("Degraded") }, now());
    if (begun) {
      const note = `Going back from version ${begun.fromVersion} to ${begun.toVersion}: ${begun.message}`;
      teller.tell(raw, { type: "Warning", reason: "RollbackStarted", note });
    }
    const wait = await this.#reporter.write(`${key.namespace}/${key.name}`, raw, status, signal);
    if (wait !== undefined) return wait;
    for (const tale of tellConditions(onload.status?.conditions, status.conditions)) teller.tell(raw, tale);
    const since = notReadySince(onload.status);
    if (ready && since !== undefined) teller.tellReady(key, now() - since);
    return undefined;
  }

  /** Reads the logs of KMM's failed pods on nodes that wait for them. */
  async #listen({ plan }: Planned, signal: AbortSignal): Promise<boolean> {
    const { kmmPods } = this.#deps.caches;
    const failing = plan.nodes.filter(({ facts }) => facts.onload.failure ?? facts.sfc.failure);
    const pods = failing.slice(0, 10).flatMap(({ facts }) => kmmPods.store.byIndex("node", facts.name));
    return this.#lastWords.listen(pods, signal);
  }

  /** Every node is clean: the objects go, and then the resource. */
  async #finish(raw: DeepReadonly<RawOnload>, { live }: Planned, signal: AbortSignal): Promise<void> {
    await Promise.all([
      this.#applier.remove(MODULES, live.onload, signal),
      this.#applier.remove(MODULES, live.sfc, signal),
      this.#applier.remove(DAEMON_SETS, live.daemonSet, signal),
    ]);
    const { finalizers = [] } = raw.metadata;
    if (!finalizers.includes(FINALIZER)) return;
    const rest = finalizers.filter((each) => each !== FINALIZER);
    const { client, caches } = this.#deps;
    const current = caches.onloads.store.get(`${raw.metadata.namespace}/${raw.metadata.name}`) ?? raw;
    const resourceVersion = current.metadata.resourceVersion;
    try {
      await client.mergePatch(ONLOADS, refOf(raw), { metadata: { finalizers: rest } }, { resourceVersion, signal });
    } catch (error) {
      // The cache may not know yet that our last patch let it go.
      if (!isNotFound(error)) throw error;
    }
  }

  #next(
    planned: Planned,
    deeds: Deeds,
    troubles: readonly Trouble[],
    heard: boolean,
    waitMs: number | undefined,
  ): Result {
    const { plan } = planned;
    const times: number[] = [];
    if (deeds.again === "now") times.push(0);
    if (deeds.again === "soon" || heard) times.push(OVERTAKEN_MS);
    if (waitMs !== undefined) times.push(waitMs);
    if (troubles.some(({ reason }) => reason === REASON.ServiceAccountMissing)) times.push(TROUBLE_MS);
    if (plan.nodes.some(({ state }) => state === "Draining")) times.push(EVICTION_RETRY_MS);
    if (plan.wakeAt !== undefined) times.push(Math.max(1, plan.wakeAt - this.#deps.now() + 1));
    return times.length > 0 ? { requeueAfterMs: Math.min(...times) } : {};
  }

  #forget(key: string): void {
    const { namespace = "", name } = splitKey(key);
    this.#known.delete(key);
    // Which nodes were emptied for it is not known any more; others look again at theirs.
    this.#deps.pods.forgetAll();
    this.#reporter.forget(key);
    this.#deps.teller.forget({ namespace, name });
  }
}

function keyOf({ metadata }: DeepReadonly<RawOnload>): OnloadKey {
  return { namespace: metadata.namespace ?? "", name: metadata.name };
}
