/**
 * Measures the compiled device plugin against a grpc-go client that stands in for the kubelet, and compares the
 * results with limits: `bun scripts/bench/device-plugin.ts [--quick]`. Exits with 1 if a limit is exceeded.
 *
 * Device files and NIC are stand-ins in a temporary folder; everything that is measured is real. --quick takes a
 * tenth of the calls and restarts.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { FakeHost } from "../../internal/deviceplugin/testing/host.ts";
import { KubeletClient } from "../../internal/deviceplugin/testing/kubelet-client.ts";
import { executableCommand, PLUGIN_RUNTIME } from "../../internal/api/plugin-pod.ts";
import { builtExecutable } from "../../internal/testcluster/lib/built.ts";
import { run } from "../../internal/testcluster/lib/command.ts";
import { cpuSeconds, memoryMb, type Memory } from "./process.ts";

const scale = process.argv.includes("--quick") ? 0.1 : 1;
const allocations = 100_000 * scale;
const restarts = 1000 * scale;
const starts = 10;
/** Number of calls after which everything that they use is compiled. */
const WARM_UP = 20_000;

/** Limits. That of the growth includes what may be left until the next garbage collection. */
const LIMIT = { startMs: 300, p50Us: 500, p99Us: 5000, residentMb: 50, anonymousMb: 12, growthMb: 4 };

const rows: { what: string; measured: string; limit: string; ok: boolean }[] = [];
function row(what: string, value: number, limit: number | undefined, unit: string): void {
  const shown = (number: number): string => `${number.toFixed(unit === "ms" ? 2 : 1)} ${unit}`;
  rows.push({
    what,
    measured: shown(value),
    limit: limit === undefined ? "" : `< ${shown(limit)}`,
    ok: limit === undefined || value < limit,
  });
}

class Plugin implements AsyncDisposable {
  readonly #process;

  constructor(host: FakeHost) {
    const folder = join(host.root, "onloadctl");
    // As in the operator's DaemonSet.
    const [program, ...command] = executableCommand(folder);
    const env = { ...process.env, ...PLUGIN_RUNTIME };
    const args = [
      `--host-root=${host.root}`,
      `--kubelet-dir=${host.kubeletDir}`,
      `--proc-dir=${host.root}/proc`,
      "--metrics-bind-address=127.0.0.1:0",
      "--log-level=error",
    ];
    this.#process = spawn(program!, [...command, "device-plugin", ...args], {
      env,
      stdio: ["ignore", "ignore", "inherit"],
    });
  }

  memory(): Memory {
    return memoryMb(this.#process.pid!);
  }

  cpuSeconds(): number {
    return cpuSeconds(this.#process.pid!);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.kill("SIGTERM");
    if (this.#process.exitCode === null && this.#process.signalCode === null) await once(this.#process, "exit");
  }
}

const quantile = (values: number[], q: number): number =>
  values.toSorted((a, b) => a - b)[Math.floor((values.length - 1) * q)]!;

const executable = await builtExecutable();
const host = await FakeHost.ready();
await run([executable, "device-plugin", "copy-executable", `--to=${join(host.root, "onloadctl")}`]);
const kubelet = await KubeletClient.start(host.kubeletDir);
try {
  const took: number[] = [];
  for (let i = 0; i < starts; i++) {
    {
      const begun = performance.now();
      await using _plugin = new Plugin(host);
      await kubelet.next("list");
      took.push(performance.now() - begun);
    }
    await kubelet.next("ended");
  }
  row(`start to registered, median of ${starts}`, quantile(took, 0.5), LIMIT.startMs, "ms");

  await using plugin = new Plugin(host);
  await kubelet.next("list");
  // The plugin needs this time to notice that nobody calls it, and to give back the memory that its start took.
  await Bun.sleep(10_000);
  const idle = plugin.memory();
  row("resident memory, idle", idle.resident, LIMIT.residentMb, "MB");
  row("of it anonymous", idle.anonymous, LIMIT.anonymousMb, "MB");
  const cpu = plugin.cpuSeconds();
  await Bun.sleep(10_000);
  row("processor, idle, of one core", (plugin.cpuSeconds() - cpu) * 10, undefined, "%");

  kubelet.send({ quiet: true });
  // The first calls compile and cache code, which is not counted as growth.
  await kubelet.ask({ bench: WARM_UP }, "bench", 60_000);
  await kubelet.ask({ restart: 20 }, "restarted", 60_000);
  const warm = plugin.memory();
  row(`resident memory after ${WARM_UP} allocations at once`, warm.resident, undefined, "MB");
  row("of it anonymous", warm.anonymous, undefined, "MB");
  const bench = await kubelet.ask({ bench: allocations }, "bench", 600_000);
  row(`Allocate over the socket, p50 of ${allocations}`, bench["p50us"] / 1000, LIMIT.p50Us / 1000, "ms");
  row("Allocate over the socket, p99", bench["p99us"] / 1000, LIMIT.p99Us / 1000, "ms");
  row("growth of anonymous memory over them", plugin.memory().anonymous - warm.anonymous, LIMIT.growthMb, "MB");
  const before = plugin.memory().anonymous;
  const again = await kubelet.ask({ restart: restarts }, "restarted", 600_000);
  if (again.event === "error") throw new Error(again["error"]);
  row(`kubelet restart to devices listed, mean of ${restarts}`, again["ms"] / restarts, undefined, "ms");
  row("growth of anonymous memory over them", plugin.memory().anonymous - before, LIMIT.growthMb, "MB");
  await Bun.sleep(10_000);
  row("resident memory, idle again", plugin.memory().resident, undefined, "MB");
  row(
    "growth of anonymous memory since the first idle",
    plugin.memory().anonymous - idle.anonymous,
    LIMIT.growthMb,
    "MB",
  );
} finally {
  await kubelet[Symbol.asyncDispose]();
  await host.remove();
}
const width = Math.max(...rows.map(({ what }) => what.length));
for (const { what, measured, limit, ok } of rows) {
  console.log(`${ok ? "  " : "! "}${what.padEnd(width)}   ${measured.padStart(9)}   ${limit}`.trimEnd());
}
process.exit(rows.every(({ ok }) => ok) ? 0 : 1);
