import { Counter, Gauge, type Registry } from "../probes/prom-client.ts";
import { STACK_COUNTERS } from "../acceleration/stack-counters.ts";
import type { Holder } from "./holders.ts";

/** A stack of a container, and what was read of it. */
export interface StackOfContainer {
  holder: Holder;
  id: number;
  values: Readonly<Record<string, number>>;
}

const LABELS = ["namespace", "pod", "container", "stack"];

/** Metrics of the stacks of containers that hold Onload. The series of one that is gone go with the next look. */
export class StackMetrics {
  readonly #series = new Map<string, Counter | Gauge>();
  readonly #stacks: Gauge;
  readonly #reads: Counter;

  constructor(registry: Registry) {
    for (const { name, type, help } of STACK_COUNTERS) {
      const of = { help, labelNames: LABELS, registers: [registry] };
      const metric =
        type === "counter"
          ? new Counter({ ...of, name: `onload_stack_${name}_total` })
          : new Gauge({ ...of, name: `onload_stack_${name}` });
      this.#series.set(name, metric);
    }
    this.#stacks = new Gauge({
      name: "onload_deviceplugin_stacks",
      help: "Onload stacks of the node, by whether their counters are shown. Those of containers that hold amd.com/onload are, up to a limit.",
      labelNames: ["shown"],
      registers: [registry],
    });
    this.#reads = new Counter({
      name: "onload_deviceplugin_stack_reads_total",
      help: "Readings of the counters of stacks.",
      labelNames: ["result"],
      registers: [registry],
    });
    for (const result of ["success", "error"]) this.#reads.inc({ result }, 0);
  }

  /**
   * Takes stacks in place of those that were there.
   *
   * @param total stacks of the node; undefined if that is not known
   */
  show(stacks: readonly StackOfContainer[], total: number | undefined): void {
    for (const metric of this.#series.values()) metric.reset();
    this.#stacks.reset();
    for (const { holder, id, values } of stacks) {
      const { namespace, pod, container } = holder;
      const labels = { namespace, pod, container, stack: String(id) };
      for (const [name, value] of Object.entries(values)) this.#series.get(name)?.inc(labels, value);
    }
    if (total === undefined) return;
    this.#stacks.set({ shown: "true" }, stacks.length);
    this.#stacks.set({ shown: "false" }, Math.max(0, total - stacks.length));
  }

  read(ok: boolean): void {
    this.#reads.inc({ result: ok ? "success" : "error" });
  }
}
