import { readdirSync } from "node:fs";
import { Counter, Gauge, type Metric, type Registry } from "../probes/prom-client.ts";

/**
 * The process metrics that Go's client offers under the same names. prom-client's own set adds some fifty series about
 * Node.js, a timer that wakes the process and a garbage collection observer.
 */
export function registerProcessMetrics(registry: Registry): void {
  const started = Math.round(Date.now() / 1000 - process.uptime());
  let counted = 0;
  const cpu = new Counter({
    name: "process_cpu_seconds_total",
    help: "Total user and system CPU time spent in seconds",
    registers: [],
    collect() {
      const { user, system } = process.cpuUsage();
      const seconds = (user + system) / 1e6;
      this.inc(Math.max(0, seconds - counted));
      counted = seconds;
    },
  });
  const start = new Gauge({
    name: "process_start_time_seconds",
    help: "Start time of the process since unix epoch in seconds",
    registers: [],
  });
  start.set(started);
  const memory = new Gauge({
    name: "process_resident_memory_bytes",
    help: "Resident memory size in bytes",
    registers: [],
    collect() {
      this.set(process.memoryUsage.rss());
    },
  });
  const files = new Gauge({
    name: "process_open_fds",
    help: "Number of open file descriptors",
    registers: [],
    collect() {
      try {
        this.set(readdirSync("/proc/self/fd").length);
      } catch {
        // Only Linux has it.
        this.remove();
      }
    },
  });
  for (const metric of [cpu, start, memory, files]) registry.registerMetric(metric as Metric);
}
