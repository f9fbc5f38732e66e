import { Counter, Gauge, Histogram, Registry } from "../probes/prom-client.ts";
import { VERSION } from "../cli/version.ts";
import type { Nic } from "./nics.ts";

/** The device plugin's metrics, in a registry of their own. Series start at 0 if their labels are known before. */
export class PluginMetrics {
  readonly registry = new Registry();
  readonly #devices = this.#gauge("devices", "Devices offered to the kubelet, by health.", ["health"]);
  readonly #registered = this.#gauge("registered", "1 while the kubelet has a ListAndWatch stream open.");
  readonly #lastList = this.#gauge(
    "last_list_and_watch_timestamp_seconds",
    "When a list of devices was last sent to the kubelet.",
  );
  readonly #nics = this.#gauge("nics", "NICs known to Onload, by driver and NUMA node.", ["driver", "numa_node"]);
  readonly #registrations = this.#counter("registrations_total", "Attempts to register with the kubelet.", ["result"]);
  readonly #unknown = this.#counter(
    "observation_errors_total",
    "Looks at the node that failed because descriptors or memory ran out, or by an i/o error. The health of devices stays as it was.",
  );
  readonly #allocations = this.#counter("allocations_total", "Allocate calls of the kubelet.", ["result"]);
  readonly #allocationSeconds = new Histogram({
    name: "onload_deviceplugin_allocation_duration_seconds",
    help: "Time to answer an Allocate call.",
    buckets: [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.1],
    registers: [this.registry],
  });

  constructor(onloadVersion: string) {
    this.#gauge("build_info", "1; the versions are in the labels.", ["version", "onload_version"]).set(
      { version: VERSION, onload_version: onloadVersion },
      1,
    );
    this.#registered.set(0);
    for (const counter of [this.#registrations, this.#allocations]) {
      for (const result of ["success", "error"]) counter.inc({ result }, 0);
    }
  }

  devices(count: number, healthy: boolean): void {
    this.#devices.set({ health: "healthy" }, healthy ? count : 0);
    this.#devices.set({ health: "unhealthy" }, healthy ? 0 : count);
  }

  nics(nics: readonly Nic[]): void {
    this.#nics.reset();
    for (const nic of nics) this.#nics.inc({ driver: nic.driver ?? "", numa_node: nic.numaNode ?? "" });
  }

  listed(now: number): void {
    this.#lastList.set(now / 1000);
  }

  streams(open: number): void {
    this.#registered.set(open > 0 ? 1 : 0);
  }

  /** Counts a look at the node that found nothing out. */
  observationError(): void {
    this.#unknown.inc();
  }

  registration(ok: boolean): void {
    this.#registrations.inc({ result: ok ? "success" : "error" });
  }

  allocation(ok: boolean, seconds: number): void {
    this.#allocations.inc({ result: ok ? "success" : "error" });
    this.#allocationSeconds.observe(seconds);
  }

  #gauge(name: string, help: string, labelNames: string[] = []): Gauge {
    return new Gauge({ name: `onload_deviceplugin_${name}`, help, labelNames, registers: [this.registry] });
  }

  #counter(name: string, help: string, labelNames: string[] = []): Counter {
    return new Counter({ name: `onload_deviceplugin_${name}`, help, labelNames, registers: [this.registry] });
  }
}
