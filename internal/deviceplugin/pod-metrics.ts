import { Counter, Gauge, type Registry } from "../probes/prom-client.ts";
import { isAccelerated, isCut, type ContainerFacts } from "../acceleration/facts.ts";
import type { Holder } from "./holders.ts";

/** A container that holds Onload, and what a look has found in it. */
export interface LookedInto {
  holder: Holder;
  facts: ContainerFacts;
}

/** Labels as kube-state-metrics has them, by which the series are joined. */
const CONTAINER = ["namespace", "pod", "container"] as const;

/** Metrics of the containers that hold Onload. The series of one that is gone go with the next look. */
export class PodMetrics {
  readonly #info: Gauge;
  readonly #processes: Gauge;
  readonly #stacks: Gauge;
  readonly #sockets: Gauge;
  readonly #accelerated: Gauge;
  readonly #cut: Gauge;
  readonly #looks: Counter;
  readonly #cpu: Counter;

  constructor(registry: Registry) {
    const gauge = (name: string, help: string, labelNames: string[] = []): Gauge =>
      new Gauge({
        name: `onload_pod_${name}`,
        help,
        labelNames: [...CONTAINER, ...labelNames],
        registers: [registry],
      });
    this.#info = gauge("info", "1 for each container that holds amd.com/onload.", ["uid"]);
    this.#processes = gauge("processes", "Processes by whether they have Onload's library (mapped), and if not, why.", [
      "library",
    ]);
    this.#stacks = gauge("stacks", "Onload stacks of a container's processes.");
    this.#sockets = gauge(
      "sockets",
      "Sockets by kind, and by whether Onload or the kernel serves them. Those of the kernel on loopback addresses are a kind of their own.",
      ["kind", "accelerated"],
    );
    this.#accelerated = gauge(
      "accelerated",
      "1 if Onload serves any of a container's sockets, 0 if the kernel serves all, absent while it has none beyond the loopback.",
    );
    this.#cut = new Gauge({
      name: "onload_deviceplugin_pod_look_incomplete",
      help: "Containers with more processes, descriptors or sockets than one look reads, or beyond those that are looked into.",
      registers: [registry],
    });
    this.#looks = new Counter({
      name: "onload_deviceplugin_pod_looks_total",
      help: "Looks into containers that hold amd.com/onload.",
      labelNames: ["result"],
      registers: [registry],
    });
    this.#cpu = new Counter({
      name: "onload_deviceplugin_pod_look_cpu_seconds_total",
      help: "Processor time of these looks.",
      registers: [registry],
    });
    for (const result of ["success", "error"]) this.#looks.inc({ result }, 0);
  }

  /** Takes what a look has found in place of what was there. */
  show(containers: readonly LookedInto[], notLookedInto: number): void {
    this.clear();
    for (const { holder, facts } of containers) {
      const { namespace, pod, container, podUid } = holder;
      const labels = { namespace, pod, container };
      this.#info.set({ ...labels, uid: podUid }, 1);
      this.#stacks.set(labels, facts.stacks);
      for (const [library, count] of Object.entries(facts.processes))
        this.#processes.set({ ...labels, library }, count);
      for (const { kind, accelerated, count } of facts.sockets) {
        this.#sockets.set({ ...labels, kind, accelerated: String(accelerated) }, count);
      }
      const accelerated = isAccelerated(facts);
      if (accelerated !== undefined) this.#accelerated.set(labels, accelerated ? 1 : 0);
    }
    this.#cut.set(containers.filter(({ facts }) => isCut(facts)).length + notLookedInto);
  }

  /** Takes every series of a container away. */
  clear(): void {
    for (const gauge of [this.#info, this.#processes, this.#stacks, this.#sockets, this.#accelerated]) gauge.reset();
    this.#cut.set(0);
  }

  looked(ok: boolean, cpuMs: number): void {
    this.#looks.inc({ result: ok ? "success" : "error" });
    this.#cpu.inc(cpuMs / 1000);
  }
}
