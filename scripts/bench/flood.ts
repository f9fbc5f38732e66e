/**
 * Floods the endpoints of the compiled device plugin and operator, as a hostile client of the network would, and
 * compares with limits what that costs: `bun scripts/bench/flood.ts [--quick]`. Exits with 1 if a limit is exceeded.
 *
 * Everything stays on the loopback interface and ends by itself. Each row is 140 MB of pipelined requests from 1,000
 * connections that read nothing, ten times what once took the plugin to 3.7 GB; --quick sends a tenth of it. Meanwhile
 * another address, as the kubelet is, probes /healthz. What a busy machine adds to the time of a probe is in that before
 * the flood; on an idle one no probe waits for longer than the processor time of the whole flood.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { serveLooks } from "../../internal/acceleration/serve.ts";
import { cgroupOf, FakeProc, mountsOf } from "../../internal/acceleration/testing/fake-proc.ts";
import { ACCELERATION_PATH, LOOK_NOW_QUERY } from "../../internal/api/names.ts";
import { executableCommand, PLUGIN_RUNTIME } from "../../internal/api/plugin-pod.ts";
import { createLogger } from "../../internal/cli/log.ts";
import { formatTable } from "../../internal/cli/table.ts";
import { FakeHost } from "../../internal/deviceplugin/testing/host.ts";
import { startControlPlane } from "../../internal/testcluster/index.ts";
import { builtExecutable } from "../../internal/testcluster/lib/built.ts";
import { run } from "../../internal/testcluster/lib/command.ts";
import { poll } from "../../internal/testcluster/lib/poll.ts";
import { freePorts } from "../../internal/testcluster/lib/ports.ts";
import { serveList, writeCheckpoint } from "./allocate-beside.ts";
import { runtimeOptions } from "./operators.ts";
import { cpuSeconds, memoryMb, peakMb } from "./process.ts";

const MEGABYTES = process.argv.includes("--quick") ? 14 : 140;
const CONNECTIONS = 1000;
const MAX_SECONDS = 60;
/** Pods that are looked into, of one container each. */
const PODS = 100;
const PROBE_TIMEOUT_MS = 5000;
/** The resident memory at its highest, as a multiple of that of the idle process, and the slowest probe. */
const LIMIT = { growth: 1.5, probeMs: 1000 };

interface Target {
  name: string;
  pid: number;
  port: number;
  path: string;
  /** Where /healthz is. */
  healthPort: number;
}

/** Milliseconds until /healthz has answered; Infinity if it has not in time, or not with 200. */
async function probe(port: number): Promise<number> {
  const began = performance.now();
  const socket = connect({ host: "127.0.0.1", port, localAddress: "127.0.0.2" });
  socket.setTimeout(PROBE_TIMEOUT_MS, () => socket.destroy());
  let answer = "";
  socket.on("data", (chunk: Buffer) => void (answer += chunk.toString("latin1")));
  socket.on("error", () => undefined);
  socket.write("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n");
  await new Promise((resolve) => socket.on("close", resolve));
  return answer.startsWith("HTTP/1.1 200 ") ? performance.now() - began : Infinity;
}

async function flood({ name, pid, port, path, healthPort }: Target): Promise<{ row: string[]; ok: boolean }> {
  // The process needs this time to give back the memory that its start, or the flood before, took.
  await Bun.sleep(10_000);
  const idle = memoryMb(pid).resident;
  const before: number[] = [];
  for (let i = 0; i < 20; i++) before.push(await probe(healthPort));
  const cpuBefore = cpuSeconds(pid);
  // The highest memory counts from here: proc(5), clear_refs.
  writeFileSync(`/proc/${pid}/clear_refs`, "5");
  const script = join(import.meta.dirname, "flood-client.ts");
  const numbers = [CONNECTIONS, MEGABYTES, MAX_SECONDS].map(String);
  const client = spawn(process.execPath, [script, String(port), path, ...numbers], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let told = "";
  client.stdout.on("data", (chunk: Buffer) => void (told += chunk.toString()));
  const end = once(client, "close").then(() => "over");
  const probes: number[] = [];
  do {
    probes.push(await probe(healthPort));
  } while ((await Promise.race([end, Bun.sleep(50)])) !== "over");
  probes.push(await probe(healthPort));
  const cpu = cpuSeconds(pid) - cpuBefore;
  const done = JSON.parse(told) as { megabytes: number; connections: number };
  const peak = peakMb(pid);
  const slowest = Math.max(...probes);
  const ms = (value: number): string => (value === Infinity ? "none" : `${value.toFixed(0)} ms`);
  const ok = peak <= LIMIT.growth * idle && slowest < LIMIT.probeMs;
  const mb = (value: number): string => `${value.toFixed(0)} MB`;
  const growth = (peak / idle).toFixed(2);
  const sent = [mb(done.megabytes), String(done.connections)];
  return {
    ok,
    row: [
      ok ? "" : "!",
      name,
      ...sent,
      mb(idle),
      mb(peak),
      growth,
      `${cpu.toFixed(2)} s`,
      ms(Math.max(...before)),
      ms(slowest),
    ],
  };
}

/**
 * Looks for the plugin into the containers of pods, which are files here: only what the plugin takes is measured.
 * Returns the flags by which it finds them.
 */
async function lookInto(host: FakeHost, proc: FakeProc, signal: AbortSignal): Promise<string[]> {
  const uids = Array.from({ length: PODS }, (_, pod) => `00000000-0000-0000-0000-${String(pod).padStart(12, "0")}`);
  for (const [pod, uid] of uids.entries()) {
    proc.add(1000 + pod, {
      cgroup: cgroupOf(uid, String(pod).padStart(64, "0")),
      mountinfo: mountsOf(uid),
      fds: { 3: "onload:[tcp:2:10]", 4: "onload:[udp:2:11]" },
    });
  }
  const [resources, socket] = [join(host.root, "pod-resources"), join(host.root, "look/look.sock")];
  mkdirSync(resources);
  const list = await serveList(resources, uids);
  signal.addEventListener("abort", () => list.forceShutdown());
  await writeCheckpoint(host.kubeletDir, uids);
  const readStacks = (): never => {
    throw new Error("Nobody asks for counters");
  };
  void serveLooks({ socket, procDir: proc.root, readStacks }, createLogger({ level: "error" }), signal);
  return [`--look-socket=${socket}`, `--pod-resources-dir=${resources}`];
}

/** Waits until the plugin knows of the containers of all pods. */
async function seesPods(port: number): Promise<void> {
  const seen = async (): Promise<boolean> => {
    const answer = await fetch(`http://127.0.0.1:${port}${ACCELERATION_PATH}`);
    const { containers } = (await answer.json()) as { containers: { accelerated: boolean | null }[] };
    return containers.length === PODS && containers.every(({ accelerated }) => accelerated === true);
  };
  await poll(seen, { what: "A look into all containers", timeoutMs: 60_000 });
}

/** Waits until a process answers its probe. */
async function answering(healthPort: number): Promise<void> {
  await poll(async () => (await probe(healthPort)) < Infinity, { what: "An answer of /healthz", timeoutMs: 60_000 });
}

const executable = await builtExecutable();
const results: { row: string[]; ok: boolean }[] = [];
const started: ReturnType<typeof spawn>[] = [];
function start(command: readonly string[], env: Readonly<Record<string, string>>): number {
  const [program = "", ...args] = command;
  const child = spawn(program, args, { env: { ...process.env, ...env }, stdio: ["ignore", "ignore", "inherit"] });
  started.push(child);
  return child.pid!;
}

const host = await FakeHost.ready();
const end = new AbortController();
using proc = new FakeProc();
try {
  {
    const [port = 0, healthPort = 0] = await freePorts(2);
    const folder = join(host.root, "onloadctl");
    await run([executable, "device-plugin", "copy-executable", `--to=${folder}`]);
    const args = [
      "device-plugin",
      `--host-root=${host.root}`,
      `--kubelet-dir=${host.kubeletDir}`,
      `--proc-dir=${host.root}/proc`,
      `--metrics-bind-address=127.0.0.1:${port}`,
      `--health-probe-bind-address=127.0.0.1:${healthPort}`,
      "--log-level=error",
      ...(await lookInto(host, proc, end.signal)),
    ];
    const pid = start([...executableCommand(folder), ...args], PLUGIN_RUNTIME);
    await answering(healthPort);
    await seesPods(port);
    const looks = `${ACCELERATION_PATH}?${LOOK_NOW_QUERY}`;
    results.push(await flood({ name: "device plugin, looks", pid, port, path: looks, healthPort }));
    results.push(await flood({ name: "device plugin, metrics", pid, port, path: "/metrics", healthPort }));
    results.push(await flood({ name: "device plugin, probes", pid, port: healthPort, path: "/healthz", healthPort }));
  }
  await using plane = await startControlPlane();
  for (const [kind, flags] of Object.entries({ HTTP: [], TLS: ["--metrics-secure"] })) {
    const [port = 0, healthPort = 0] = await freePorts(2);
    const args = [
      "operator",
      `--kubeconfig=${plane.kubeconfigPath}`,
      `--metrics-bind-address=127.0.0.1:${port}`,
      `--health-probe-bind-address=127.0.0.1:${healthPort}`,
      "--log-level=error",
      ...flags,
    ];
    const pid = start([executable, ...args], { ...runtimeOptions(), DEVICE_PLUGIN_IMG: "registry/onloadctl:1" });
    await answering(healthPort);
    // To TLS these are handshakes that fail.
    results.push(await flood({ name: `operator, metrics by ${kind}`, pid, port, path: "/metrics", healthPort }));
    if (flags.length > 0) continue;
    results.push(await flood({ name: "operator, probes", pid, port: healthPort, path: "/healthz", healthPort }));
  }
} finally {
  for (const child of started) child.kill("SIGTERM");
  end.abort();
  await host.remove();
}
const limits = [`growth < ${LIMIT.growth}`, "cpu", "probe before", `slowest < ${LIMIT.probeMs} ms`];
const titles = ["", "flooded", "sent", "connections", "idle", "highest", ...limits];
console.log(
  formatTable(
    titles,
    results.map(({ row }) => row),
  ),
);
process.exit(results.every(({ ok }) => ok) ? 0 : 1);
