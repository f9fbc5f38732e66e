/** The operator's process: the real reconciler with its memory, which a crash takes away. */
import { Registry } from "../../../probes/prom-client.ts";
import type { DeepReadonly, Node, Pod } from "../../../api/core.ts";
import { withDefaults } from "../../../api/onload.ts";
import { silentLogger } from "../../../cli/log.ts";
import { Store } from "../../../kube/store.ts";
import { NodePods, type PodWatch } from "../../cache/node-pods.ts";
import type { RawOnload } from "../../cache/caches.ts";
import { FailureLogs } from "../../observe/failure-logs.ts";
import { planFor, PlanMemo } from "../../plan.ts";
import { OnloadReconciler } from "../../reconcile.ts";
import { EventReporter } from "../../report/events.ts";
import { RolloutLog } from "../../report/rollout-log.ts";
import { OperatorMetrics } from "../../report/metrics.ts";
import { ALONE } from "../../observe/rivals.ts";
import { describeStatus, type NodeStatus } from "../../view/status-view.ts";
import { type Api, keyOf } from "./api.ts";
import { type CacheName, CACHE_NAMES, ModelCaches } from "./caches.ts";
import { APPS, CONSENT } from "./names.ts";
import type { OnloadObject } from "./resources.ts";
import { type ClientHooks, Crash, type Fault, ModelClient, Pass, type Seen } from "./client.ts";

interface Watched {
  node: string;
  store: Store<Pod>;
  onChange: () => void;
  synced: boolean;
}

/** After an error a pass is tried again after this time. */
const BACKOFF_MS = 1000;

const ENVIRONMENT = {
  ownNode: "n0",
  pluginImage: undefined,
  ownImage: "registry/onloadctl:1",
  forceEverywhere: false,
};

export class Operator {
  readonly #api: Api;
  readonly #hooks: ClientHooks;
  readonly #violate: (text: string) => void;
  #client!: ModelClient;
  #caches!: ModelCaches;
  #reconciler!: OnloadReconciler;
  #watches = new Set<Watched>();
  readonly #running = new Map<Pass, Promise<void>>();
  /** Resources to look at. */
  readonly #woken = new Set<string>();
  /** How far the operator's wall clock is behind all others. */
  behindMs = 0;
  /** When to look at a resource even if nothing happens, in milliseconds since the epoch. */
  readonly #due = new Map<string, number>();

  constructor(api: Api, hooks: Omit<ClientHooks, "onLook">, violate: (text: string) => void) {
    this.#api = api;
    this.#hooks = { ...hooks, onLook: (node, pods) => this.#looks.set(node, pods) };
    this.#violate = violate;
    this.#start();
    api.subscribe((kind, key, old, current) => {
      this.#caches.note(kind, key);
      if (kind === "nodes" && old && !current) this.#gone.push(key);
    });
  }

  /** The pods of nodes, as this process has listed them last. */
  readonly #looks = new Map<string, readonly Pod[]>();
  /** Nodes that went and whose deletion the caches have not seen. */
  #gone: string[] = [];
  #pods!: NodePods;

  #start(): void {
    this.#client = new ModelClient(this.#api, this.#hooks);
    this.#caches = new ModelCaches(this.#api);
    this.#watches = new Set();
    this.#looks.clear();
    this.#gone = [];
    this.#pods = new NodePods(
      this.#client,
      (node, onChange) => this.#watch(node, onChange),
      () => this.#wakeAll(),
    );
    this.#reconciler = new OnloadReconciler({
      client: this.#client,
      caches: this.#caches.forOperator,
      pods: this.#pods,
      reporter: new EventReporter(
        { record: () => undefined },
        new OperatorMetrics(new Registry(), "1"),
        new RolloutLog(silentLogger, () => this.#api.now),
      ),
      environment: ENVIRONMENT,
      standing: () => ALONE,
      outdated: () => undefined,
      absence: () => undefined,
      now: () => this.#api.now - this.behindMs,
      monotonic: () => this.#api.now,
    });
    this.#due.clear();
    this.#wakeAll();
  }

  #wakeAll(): void {
    for (const onload of this.#api.list("onloads")) this.#woken.add(keyOf(onload));
  }

  #watch(node: string, onChange: () => void): PodWatch {
    const watched: Watched = { node, store: new Store<Pod>(), onChange, synced: false };
    this.#watches.add(watched);
    return {
      get hasSynced() {
        return watched.synced;
      },
      store: watched.store,
      stop: () => this.#watches.delete(watched),
      ended: Promise.resolve(),
    };
  }

  /** The caches catch up, or some of them; what changes wakes the resources. */
  sync(names: readonly CacheName[] = CACHE_NAMES, holders = true): void {
    if (names.includes("nodes")) for (const name of this.#gone.splice(0)) this.#pods.forget(name);
    const changed = this.#caches.sync(names);
    if (changed) {
      this.#wakeAll();
      for (const key of this.#due.keys()) this.#woken.add(key);
    }
    if (!holders) return;
    for (const watched of this.#watches) if (follow(watched, this.#api.podsOn(watched.node))) watched.onChange();
  }

  /** What `onloadctl status` says of a resource's nodes, from what this process has seen. */
  rows(onload: DeepReadonly<OnloadObject>): NodeStatus[] {
    const raw = onload as unknown as RawOnload;
    const now = this.#api.now - this.behindMs;
    const [refusals, failureLogs] = [new Map<string, string>(), new FailureLogs()];
    const collected = { pods: this.#pods, refusals, podRefusals: {}, unanswered: [], failureLogs };
    const deps = { caches: this.#caches.forOperator, collected, environment: ENVIRONMENT };
    const read = withDefaults(raw as never);
    const planned = planFor(deps, read, now, new PlanMemo());
    const serving = { state: "acts", message: "", elected: true } as const;
    const observed = { raw, onload: read, planned, problem: undefined, heldBack: undefined, attention: [], serving };
    return describeStatus([observed], now)[0]!.nodes;
  }

  /** When the next pass is due by itself. */
  nextDue(): number | undefined {
    return this.#due.size > 0 ? Math.min(...this.#due.values()) : undefined;
  }

  /** Resources that are woken or due. */
  ready(): string[] {
    const due = [...this.#due].filter(([, at]) => at <= this.#api.now).map(([key]) => key);
    return [...new Set([...this.#woken, ...due])].sort();
  }

  #isBusy(key: string): boolean {
    return [...this.#running.keys()].some((pass) => pass.key === key);
  }

  /** One pass; it is left alone if one of its calls waits. Does nothing while one over the same resource runs. */
  async reconcile(key: string, faults: readonly Fault[] = []): Promise<void> {
    if (this.#isBusy(key)) return;
    this.#woken.delete(key);
    this.#due.delete(key);
    const namespace = this.#caches.seen("namespaces").find(({ metadata }) => metadata.name === APPS);
    const seen = {
      onloads: this.#caches.seen<OnloadObject>("onloads"),
      nodes: this.#caches.seen<Node>("nodes"),
      podsOn: this.#knownPods(),
      consents: namespace?.metadata.annotations?.[CONSENT] === "true",
    };
    const pass = new Pass(key, seen, faults);
    this.#client.begin(pass);
    const running = this.#run(pass);
    this.#running.set(pass, running);
    await (faults.some(({ kind }) => kind === "delay") || this.#running.size > 1 ? idle() : running);
    await this.#bury();
  }

  /** What this process knows now of the pods of nodes: by a watch, or from the last look. */
  #knownPods(): Seen["podsOn"] {
    const known = new Map<string, readonly DeepReadonly<Pod>[]>(this.#looks);
    for (const { node, store, synced } of this.#watches) if (synced) known.set(node, [...store.list()]);
    return (node) => known.get(node);
  }

  async #run(pass: Pass): Promise<void> {
    const client = this.#client;
    try {
      const result = await this.#reconciler.reconcile(pass.key, pass.stop.signal, silentLogger);
      const after = result.requeueAfterMs;
      if (after !== undefined) this.#due.set(pass.key, this.#api.now + after);
    } catch (error) {
      if (isBug(error)) this.#violate(`The operator has a bug: ${(error as Error).stack}`);
      this.#due.set(pass.key, this.#api.now + BACKOFF_MS);
    }
    if (pass.inFlight > 0 && !client.dead)
      this.#violate(`A pass over ${pass.key} has ended with ${pass.inFlight} calls under way`);
    if (pass.inFlight === 0) client.end(pass);
    this.#running.delete(pass);
  }

  /** A process that has died takes all that it knew with it, and another one starts. */
  async #bury(): Promise<void> {
    if (!this.#client.dead) return;
    for (const pass of this.#running.keys()) pass.stop.abort(new Crash());
    await this.releaseAll();
    await Promise.all(this.#running.values());
    this.#start();
  }

  /** The process is killed between two calls. */
  async crash(): Promise<void> {
    this.#client.dead = true;
    await this.#bury();
  }

  async release(index: number): Promise<void> {
    if (this.#client.delayed === 0) return;
    this.#client.release(index);
    await idle();
    await this.#bury();
  }

  async releaseAll(): Promise<void> {
    while (this.#client.delayed > 0) {
      this.#client.release(0);
      await idle();
    }
  }
}

/** Lets everything that can run do so. */
function idle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** What the engine counts as a mistake in the program. */
function isBug(error: unknown): boolean {
  const errors = error instanceof AggregateError ? (error.errors as unknown[]) : [error];
  return errors.some(
    (each) => each instanceof TypeError || each instanceof ReferenceError || each instanceof RangeError,
  );
}

function follow(watched: Watched, pods: Pod[]): boolean {
  const present = new Map(pods.map((pod) => [keyOf(pod), pod]));
  let changed = !watched.synced;
  watched.synced = true;
  for (const key of watched.store.keys()) {
    if (present.has(key)) continue;
    watched.store.delete(key);
    changed = true;
  }
  for (const [key, pod] of present) {
    if (watched.store.get(key)?.metadata.resourceVersion === pod.metadata.resourceVersion) continue;
    watched.store.set(pod);
    changed = true;
  }
  return changed;
}
