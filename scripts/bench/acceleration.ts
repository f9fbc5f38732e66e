/**
 * Measures what looking into pods costs, and compares it with limits: `bun scripts/bench/acceleration.ts [pods]
 * [processes of a pod]`. Exits with 1 if a limit is exceeded.
 *
 * The processes are real, each with a socket of TCP, a Unix socket and a file; which pod each is of, a folder of links to
 * their /proc says in place of control groups and mount tables. So all is measured as the kernel makes it, by the
 * compiled `onloadctl control-plane` as in the operator's DaemonSet, which needs root for that.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { createInterface } from "node:readline";
import { join } from "node:path";
import { askForLook } from "../../internal/acceleration/ask.ts";
import type { LookAnswer } from "../../internal/acceleration/facts.ts";
import { cgroupOf, FakeProc, mountsOf } from "../../internal/acceleration/testing/fake-proc.ts";
import { WORKER_RUNTIME } from "../../internal/api/plugin-pod.ts";
import { builtExecutable } from "../../internal/testcluster/lib/built.ts";
import { poll } from "../../internal/testcluster/lib/poll.ts";
import { allocateTimes } from "./allocate-beside.ts";
import { cpuSeconds, memoryMb } from "./process.ts";

const PODS = Number(process.argv[2] ?? 100);
const PROCESSES = Number(process.argv[3] ?? 10);
/** So many looks read each program. */
const FIRST_LOOKS = 3;
/** After so many more, everything has been read again. */
const LOOKS = 5;
/** Least time between two looks in a cluster, in seconds, and as a multiple of a look's processor time. */
const INTERVAL = 30;
const PAUSE_PER_CPU = 200;
/** By the pause the cost is never more than half a percent of a core; so how long that is, in seconds, has the limit. */
const LIMIT = { pauseSeconds: 90, anonymousMb: 12, allocateMs: 5 };

/**
 * Forks the processes of all pods, each pod in a network namespace of its own, and prints their numbers. They end with
 * their parent. Those told to by a signal open one more socket, or close it again.
 */
const CHILDREN = `
import os, signal, socket, sys, ctypes
libc = ctypes.CDLL(None, use_errno=True)
def sockets():
    libc.prctl(1, 9)
    keep = [socket.socket(), socket.socket(socket.AF_UNIX), open("/dev/null")]
    keep[0].bind(("0.0.0.0", 0)); keep[0].listen(1)
    def change(*_):
        if len(keep) > 3: keep.pop().close()
        else: keep.append(socket.socket())
    signal.signal(signal.SIGUSR1, change)
    while True: signal.pause()
for pod in range(int(sys.argv[1])):
    if libc.unshare(0x40000000) != 0: sys.exit("Cannot make a network namespace: not root?")
    for i in range(int(sys.argv[2])):
        pid = os.fork()
        if pid == 0: sockets()
        print(pid, flush=True)
print("done", flush=True)
sys.stdin.read()
`;

async function start(): Promise<{ parent: ChildProcess; pids: number[] }> {
  const parent = spawn("python3", ["-c", CHILDREN, String(PODS), String(PROCESSES)], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const pids: number[] = [];
  for await (const line of createInterface({ input: parent.stdout! })) {
    if (line === "done") break;
    pids.push(Number(line));
  }
  return { parent, pids };
}

const executable = await builtExecutable();
const { parent, pids } = await start();
using proc = new FakeProc();
const uidOf = (pod: number): string => `00000000-0000-0000-0000-${String(pod).padStart(12, "0")}`;
pids.forEach((pid, i) => {
  const pod = Math.floor(i / PROCESSES);
  proc.write(`${pid}/cgroup`, cgroupOf(uidOf(pod), String(pod).padStart(64, "0")));
  proc.write(`${pid}/mountinfo`, mountsOf(uidOf(pod)));
  for (const name of ["stat", "status", "auxv", "maps", "environ", "fd", "ns", "net", "root"]) {
    proc.link(`${pid}/${name}`, `/proc/${pid}/${name}`);
  }
});
// Others of the node, in no pod.
for (let pid = 1; pid <= 500; pid++) proc.write(`${4_000_000 + pid}/cgroup`, "0::/system.slice/some.service\n");
mkdirSync(join(proc.root, "root"));
const socket = join(proc.root, "look/look.sock");
/** It finds no crictl, and ends for that after half a minute: each part has one of its own. */
async function withWorker(measure: (worker: ChildProcess) => Promise<void>): Promise<void> {
  const worker = spawn(
    executable,
    [
      "control-plane",
      `--look-socket=${socket}`,
      `--proc-dir=${proc.root}`,
      `--host-root=${proc.root}/root`,
      `--kernel-root=${proc.root}/root`,
      "--log-level=error",
    ],
    { env: { ...process.env, ...WORKER_RUNTIME }, stdio: ["ignore", "ignore", "ignore"] },
  );
  try {
    await poll(() => existsSync(socket), { what: "The worker" });
    await measure(worker);
  } finally {
    worker.kill("SIGKILL");
    if (worker.exitCode === null && worker.signalCode === null) await once(worker, "exit");
    rmSync(socket, { force: true });
  }
}
let failed = false;
const row = (what: string, value: number, unit: string, limit?: number): void => {
  const bad = limit !== undefined && value >= limit;
  failed ||= bad;
  const end = limit === undefined ? "" : `   < ${limit} ${unit}`;
  console.log(`${bad ? "! " : "  "}${what.padEnd(60)} ${value.toFixed(2).padStart(8)} ${unit}${end}`);
};
const request = { pods: Array.from({ length: PODS }, (_, pod) => ({ uid: uidOf(pod), containers: ["app"] })) };
const look = async (): Promise<LookAnswer> => await askForLook(socket, request, new AbortController().signal);

/** Processor time of each of so many looks, in milliseconds. */
async function measure(
  worker: ChildProcess,
  looks: number,
  before: () => Promise<void> = async () => undefined,
): Promise<{ cpuMs: number; answer: LookAnswer }> {
  let cpu = 0;
  let answer: LookAnswer | undefined;
  for (let i = 0; i < looks; i++) {
    await before();
    const start = cpuSeconds(worker.pid!);
    answer = await look();
    cpu += cpuSeconds(worker.pid!) - start;
  }
  return { cpuMs: (cpu * 1000) / looks, answer: answer! };
}

async function measureLooks(worker: ChildProcess): Promise<void> {
  const before = memoryMb(worker.pid!).anonymous;
  const first = await measure(worker, FIRST_LOOKS);
  const later = await measure(worker, LOOKS);
  const seen = later.answer.containers;
  if (
    seen.some(({ sockets, processes }) => sockets[0]?.count !== PROCESSES || processes.preload_missing !== PROCESSES)
  ) {
    throw new Error(`Not everything was seen: ${JSON.stringify(seen[0])}`);
  }
  row(`processor of a look, ${PODS} pods of ${PROCESSES} processes, first looks`, first.cpuMs, "ms");
  costs("nothing changes", later.cpuMs);
  row("anonymous memory that looking adds", memoryMb(worker.pid!).anonymous - before, "MB", LIMIT.anonymousMb);
}

async function measureChanges(worker: ChildProcess): Promise<void> {
  const descriptors = (pid: number): number => readdirSync(`/proc/${pid}/fd`).length;
  await measure(worker, FIRST_LOOKS);
  const { cpuMs } = await measure(worker, LOOKS, async () => {
    const counts = new Map(pids.map((pid) => [pid, descriptors(pid)]));
    for (const pid of pids) process.kill(pid, "SIGUSR1");
    await poll(() => pids.every((pid) => descriptors(pid) !== counts.get(pid)), {
      what: "A socket more or less of every process",
    });
  });
  costs("every process opens or closes a socket before each look", cpuMs);
}

function costs(when: string, cpuMs: number): void {
  const pause = Math.max(INTERVAL, (cpuMs * PAUSE_PER_CPU) / 1000);
  console.log(`  ${when}:`);
  row("  processor of a look, later", cpuMs, "ms");
  row("  time until the next look", pause, "s", LIMIT.pauseSeconds);
  row("  processor of looking, of one core", cpuMs / (pause * 10), "%");
}

/** A worker that is never without a look, and the plugin's own looks, one after the other. */
async function measureAllocate(): Promise<void> {
  const stop = new AbortController();
  const looking = (async () => {
    while (!stop.signal.aborted) await look();
  })();
  try {
    const flags = [`--look-socket=${socket}`, "--look-interval=100ms"];
    const uids = request.pods.map(({ uid }) => uid);
    const { p50, p99, pods } = await allocateTimes(executable, uids, flags);
    row(`Allocate, p50, beside one look after the other at ${pods} pods`, p50, "ms");
    row("Allocate, p99, beside them", p99, "ms", LIMIT.allocateMs);
  } finally {
    stop.abort();
    await looking;
  }
}

try {
  await withWorker(measureLooks);
  await withWorker(measureChanges);
  const { p50, p99 } = await allocateTimes(executable);
  row("Allocate, p50, nobody looks", p50, "ms");
  row("Allocate, p99, nobody looks", p99, "ms", LIMIT.allocateMs);
  await withWorker(measureAllocate);
} finally {
  parent.kill("SIGKILL");
  if (parent.exitCode === null && parent.signalCode === null) await once(parent, "exit");
}
process.exit(failed ? 1 : 0);
