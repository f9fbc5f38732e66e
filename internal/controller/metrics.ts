import { Counter, Gauge, Histogram, Registry } from "../probes/prom-client.ts";
import type { Clock } from "../kube/clock.ts";
import type { RequestObserver } from "../kube/transport.ts";
import { registerProcessMetrics } from "./process-metrics.ts";
import type { QueueObserver, WorkQueue } from "./workqueue.ts";

const RECONCILE_BUCKETS = [
  0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.25, 1.5, 1.75, 2,
  2.5, 3, 3.5, 4, 4.5, 5, 6, 7, 8, 9, 10, 15, 20, 25, 30, 40, 50, 60,
];
const QUEUE_BUCKETS = [1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 0.01, 0.1, 1, 10, 100, 1000];
const RESULTS = ["success", "error", "requeue", "requeue_after"] as const;

/**
 * Metrics under the names that controller-runtime and client-go give them, so that existing dashboards and alerts work.
 */
export class ControllerMetrics {
  readonly registry = new Registry();
  readonly #queues = new Map<string, { queue: WorkQueue; clock: Clock }>();
  readonly #reconcileTotal = this.#counter(
    "controller_runtime_reconcile_total",
    "Total number of reconciliations per controller",
    ["controller", "result"],
  );
  readonly #reconcileErrors = this.#counter(
    "controller_runtime_reconcile_errors_total",
    "Total number of reconciliation errors per controller",
    ["controller"],
  );
  readonly #terminalErrors = this.#counter(
    "controller_runtime_terminal_reconcile_errors_total",
    "Total number of terminal reconciliation errors per controller",
    ["controller"],
  );
  readonly #panics = this.#counter(
    "controller_runtime_reconcile_panics_total",
    "Total number of reconciliation panics per controller",
    ["controller"],
  );
  readonly #reconcileTime = this.#histogram(
    "controller_runtime_reconcile_time_seconds",
    "Length of time per reconciliation per controller",
    ["controller"],
    RECONCILE_BUCKETS,
  );
  readonly #maxConcurrent = this.#gauge(
    "controller_runtime_max_concurrent_reconciles",
    "Maximum number of concurrent reconciles per controller",
    ["controller"],
  );
  readonly #activeWorkers = this.#gauge(
    "controller_runtime_active_workers",
    "Number of currently used workers per controller",
    ["controller"],
  );
  readonly #depth = this.#gauge("workqueue_depth", "Current depth of workqueue", ["name", "controller"]);
  readonly #adds = this.#counter("workqueue_adds_total", "Total number of adds handled by workqueue", [
    "name",
    "controller",
  ]);
  readonly #retries = this.#counter("workqueue_retries_total", "Total number of retries handled by workqueue", [
    "name",
    "controller",
  ]);
  readonly #queueTime = this.#histogram(
    "workqueue_queue_duration_seconds",
    "How long in seconds an item stays in workqueue before being requested",
    ["name", "controller"],
    QUEUE_BUCKETS,
  );
  readonly #workTime = this.#histogram(
    "workqueue_work_duration_seconds",
    "How long in seconds processing an item from workqueue takes",
    ["name", "controller"],
    QUEUE_BUCKETS,
  );
  readonly #unfinished = this.#gauge(
    "workqueue_unfinished_work_seconds",
    "How many seconds of work has been done that is in progress and has not been observed by work_duration",
    ["name", "controller"],
  );
  readonly #longest = this.#gauge(
    "workqueue_longest_running_processor_seconds",
    "How many seconds has the longest running processor for workqueue been running",
    ["name", "controller"],
  );
  readonly #requests = this.#counter(
    "rest_client_requests_total",
    "Number of HTTP requests, partitioned by status code, method, and host",
    ["code", "method", "host"],
  );
  readonly #leader = this.#gauge(
    "leader_election_master_status",
    "Gauge of if the reporting system is master of the relevant lease, 0 indicates backup, 1 indicates master",
    ["name"],
  );

  constructor() {
    registerProcessMetrics(this.registry);
  }

  /** Starts a controller's series at 0, so that a quiet controller can be told from a missing one. */
  register(controller: string, workers: number, queue: WorkQueue, clock: Clock): void {
    const both = { name: controller, controller };
    for (const result of RESULTS) this.#reconcileTotal.inc({ controller, result }, 0);
    for (const counter of [this.#reconcileErrors, this.#terminalErrors, this.#panics]) counter.inc({ controller }, 0);
    this.#reconcileTime.zero({ controller });
    this.#maxConcurrent.set({ controller }, workers);
    this.#activeWorkers.set({ controller }, 0);
    for (const counter of [this.#adds, this.#retries]) counter.inc(both, 0);
    for (const histogram of [this.#queueTime, this.#workTime]) histogram.zero(both);
    this.#depth.set(both, 0);
    this.#queues.set(controller, { queue, clock });
  }

  reconciled(controller: string, result: (typeof RESULTS)[number]): void {
    this.#reconcileTotal.inc({ controller, result });
    if (result === "error") this.#reconcileErrors.inc({ controller });
  }

  terminalError(controller: string): void {
    this.#terminalErrors.inc({ controller });
  }

  panicked(controller: string): void {
    this.#panics.inc({ controller });
  }

  reconcileTime(controller: string, ms: number): void {
    this.#reconcileTime.observe({ controller }, ms / 1000);
  }

  activeWorkers(controller: string, change: 1 | -1): void {
    this.#activeWorkers.inc({ controller }, change);
  }

  /** Observes a controller's queue. */
  queue(controller: string): QueueObserver {
    const both = { name: controller, controller };
    return {
      added: () => this.#adds.inc(both),
      retried: () => this.#retries.inc(both),
      depth: (length) => this.#depth.set(both, length),
      started: (waitedMs) => this.#queueTime.observe(both, waitedMs / 1000),
      finished: (tookMs) => this.#workTime.observe(both, tookMs / 1000),
    };
  }

  /** Give this to the transport. */
  readonly onRequest: RequestObserver = ({ code, method, host }) => this.#requests.inc({ code, method, host });

  /** Whether we hold the Lease. */
  leading(lease: string, leading: boolean): void {
    this.#leader.set({ name: lease }, leading ? 1 : 0);
  }

  get contentType(): string {
    return this.registry.contentType;
  }

  /** All metrics in Prometheus' text format. */
  async metrics(): Promise<string> {
    for (const [controller, { queue, clock }] of this.#queues) {
      const running = Array.from(queue.startTimes, (started) => (clock.monotonic() - started) / 1000);
      const both = { name: controller, controller };
      this.#unfinished.set(
        both,
        running.reduce((sum, seconds) => sum + seconds, 0),
      );
      this.#longest.set(both, Math.max(0, ...running));
    }
    return this.registry.metrics();
  }

  #counter(name: string, help: string, labelNames: string[]): Counter {
    return new Counter({ name, help, labelNames, registers: [this.registry] });
  }

  #gauge(name: string, help: string, labelNames: string[]): Gauge {
    return new Gauge({ name, help, labelNames, registers: [this.registry] });
  }

  #histogram(name: string, help: string, labelNames: string[], buckets: number[]): Histogram {
    return new Histogram({ name, help, labelNames, buckets, registers: [this.registry] });
  }
}
