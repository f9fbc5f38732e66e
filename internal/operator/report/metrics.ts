/** The operator's own metrics, beside those of the reconcile engine. */
import { Counter, Gauge, Histogram, type Registry } from "../../probes/prom-client.ts";
import { namespacedName } from "../../kube/object.ts";
import type { NodePlan } from "../rollout/node-plan.ts";
import { NODE_STATES, type NodeState } from "../rollout/states.ts";

const STEP_BUCKETS = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800];
const UPGRADE_BUCKETS = [1, 5, 10, 30, 60, 300, 600, 1800, 3600, 4 * 3600, 12 * 3600, 24 * 3600];

/** What the conditions of a resource say. */
export interface ConditionFlags {
  ready: boolean;
  degraded: boolean;
  /** The reason that kubectl shows as STATUS. */
  status: string;
}

/** What is known of one resource. */
interface ResourceSeries {
  key: Key;
  /** The last plan's. */
  nodes: readonly NodePlan[];
  conditions: ConditionFlags | undefined;
  /** The status whose series there is. */
  shown: string | undefined;
  /** Label values that its counters have, to be removed with it. */
  steps: Set<string>;
  reasons: Set<string>;
}

/** An OnloadKey as labels of a series: an interface would not do for prom-client. */
type Key = { namespace: string; name: string };

/**
 * The labels that name a resource. `namespace` would not do: Prometheus takes that of the operator's own pod for it, or
 * even must, where an administrator enforces that label.
 */
const RESOURCE_LABELS = ["onload_namespace", "onload_name"] as const;

function labelsOf({ namespace, name }: Key): Record<(typeof RESOURCE_LABELS)[number], string> {
  return { onload_namespace: namespace, onload_name: name };
}

const EVICTION_RESULTS = ["evicted", "deleted", "gone", "refused", "failed"] as const;

/** Metrics of all resources; the series of one end with forget(). */
export class OperatorMetrics {
  /** Plans are counted when somebody asks, because plans are many and scrapes few. */
  readonly #resources = new Map<string, ResourceSeries>();
  readonly #nodes: Gauge;
  readonly #failed: Gauge;
  readonly #ready: Gauge;
  readonly #degraded: Gauge;
  readonly #status: Gauge;
  readonly #steps: Counter;
  readonly #stepDuration: Histogram;
  readonly #upgradeDuration: Histogram;
  readonly #evictions: Counter;
  readonly #failures: Counter;

  /** @param version of the operator */
  constructor(registry: Registry, version: string) {
    const registers = [registry];
    const resource = RESOURCE_LABELS;
    new Gauge({
      name: "onload_operator_build_info",
      help: "1; the version is in the label",
      labelNames: ["version"],
      registers,
    }).set({ version }, 1);
    this.#nodes = new Gauge({
      name: "onload_operator_nodes",
      help: "Nodes of an Onload resource by the state that they are in",
      labelNames: [...resource, "state"],
      registers,
      collect: () => this.#collect(({ key, nodes }) => this.#countStates(key, nodes)),
    });
    this.#failed = new Gauge({
      name: "onload_operator_nodes_failed",
      help: "Nodes of an Onload resource that have failed and halt its rollout",
      labelNames: resource,
      registers,
      collect: () =>
        this.#collect(({ key, nodes }) => {
          this.#failed.set(labelsOf(key), nodes.filter(({ problem }) => problem?.failed).length);
        }),
    });
    this.#ready = new Gauge({
      name: "onload_operator_onload_ready",
      help: "Whether an Onload resource is Ready: 1 or 0",
      labelNames: resource,
      registers,
      collect: () =>
        this.#collect(({ key, conditions }) => conditions && this.#ready.set(labelsOf(key), conditions.ready ? 1 : 0)),
    });
    this.#degraded = new Gauge({
      name: "onload_operator_degraded",
      help: "Whether an Onload resource needs a person: 1 or 0",
      labelNames: resource,
      registers,
      collect: () =>
        this.#collect(
          ({ key, conditions }) => conditions && this.#degraded.set(labelsOf(key), conditions.degraded ? 1 : 0),
        ),
    });
    this.#status = new Gauge({
      name: "onload_operator_onload_status",
      help: "1; the status that kubectl shows of an Onload resource is in the label",
      labelNames: [...resource, "status"],
      registers,
      collect: () => this.#collect((series) => this.#showStatus(series)),
    });
    this.#steps = new Counter({
      name: "onload_operator_steps_total",
      help: "Steps taken on nodes",
      labelNames: [...resource, "step"],
      registers,
    });
    this.#stepDuration = new Histogram({
      name: "onload_operator_step_duration_seconds",
      help: "How long nodes spent in each state while being installed, upgraded or cleaned",
      labelNames: ["state"],
      buckets: STEP_BUCKETS,
      registers,
    });
    this.#upgradeDuration = new Histogram({
      name: "onload_operator_upgrade_duration_seconds",
      help: "How long an Onload resource took from a change until every node was done",
      labelNames: resource,
      buckets: UPGRADE_BUCKETS,
      registers,
    });
    this.#evictions = new Counter({
      name: "onload_operator_evictions_total",
      help: "Evictions of pods that hold amd.com/onload, by result: evicted, deleted, gone, refused or failed",
      labelNames: [...resource, "result"],
      registers,
    });
    this.#failures = new Counter({
      name: "onload_operator_node_failures_total",
      help: "Failures of nodes by reason",
      labelNames: [...resource, "reason"],
      registers,
    });
  }

  /** What a plan says of a resource's nodes. */
  planned(key: Key, nodes: readonly NodePlan[], conditions: ConditionFlags): void {
    Object.assign(this.#seriesOf(key), { nodes, conditions });
  }

  /** Nothing is done for the resource. @param status the reason, which kubectl shows as STATUS */
  untouched(key: Key, status: string): void {
    this.#seriesOf(key).conditions = { ready: false, degraded: true, status };
  }

  #seriesOf(key: Key): ResourceSeries {
    const id = namespacedName(key);
    const series = this.#resources.get(id) ?? {
      key,
      nodes: [],
      conditions: undefined,
      shown: undefined,
      steps: new Set(),
      reasons: new Set(),
    };
    if (!this.#resources.has(id)) {
      this.#resources.set(id, series);
      // An increase is seen only of a series that was there before.
      for (const result of EVICTION_RESULTS) this.#evictions.inc({ ...labelsOf(key), result }, 0);
    }
    return series;
  }

  #collect(show: (series: ResourceSeries) => void): void {
    for (const series of this.#resources.values()) show(series);
  }

  #showStatus(series: ResourceSeries): void {
    const { key, conditions, shown } = series;
    const status = conditions?.status;
    if (shown !== undefined && shown !== status) this.#status.remove({ ...labelsOf(key), status: shown });
    if (status !== undefined) this.#status.set({ ...labelsOf(key), status }, 1);
    series.shown = status;
  }

  #countStates(key: Key, nodes: readonly NodePlan[]): void {
    const counts = new Map<NodeState, number>();
    for (const { state } of nodes) counts.set(state, (counts.get(state) ?? 0) + 1);
    for (const state of NODE_STATES) this.#nodes.set({ ...labelsOf(key), state }, counts.get(state) ?? 0);
  }

  step(key: Key, step: string): void {
    this.#seriesOf(key).steps.add(step);
    this.#steps.inc({ ...labelsOf(key), step });
  }

  leftState(state: NodeState, ms: number): void {
    this.#stepDuration.observe({ state }, ms / 1000);
  }

  upgraded(key: Key, ms: number): void {
    this.#upgradeDuration.observe(labelsOf(key), ms / 1000);
  }

  evicted(key: Key, result: (typeof EVICTION_RESULTS)[number]): void {
    this.#evictions.inc({ ...labelsOf(key), result });
  }

  nodeFailed(key: Key, reason: string): void {
    this.#seriesOf(key).reasons.add(reason);
    this.#failures.inc({ ...labelsOf(key), reason });
  }

  /** Removes the series of a resource that is gone. */
  forget(key: Key): void {
    const id = namespacedName(key);
    const { steps = [], reasons = [], shown } = this.#resources.get(id) ?? {};
    this.#resources.delete(id);
    for (const step of steps) this.#steps.remove({ ...labelsOf(key), step });
    for (const reason of reasons) this.#failures.remove({ ...labelsOf(key), reason });
    if (shown !== undefined) this.#status.remove({ ...labelsOf(key), status: shown });
    for (const result of EVICTION_RESULTS) this.#evictions.remove({ ...labelsOf(key), result });
    for (const state of NODE_STATES) this.#nodes.remove({ ...labelsOf(key), state });
    for (const metric of [this.#failed, this.#ready, this.#degraded, this.#upgradeDuration])
      metric.remove(labelsOf(key));
  }
}
