/** A worker with the threads that the operator gives it, in a process of its own: those of this one are fewer. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import type { ContainerFacts } from "../acceleration/facts.ts";
import { cgroupOf, FakeProc, mapsOf, mountsOf, POD, tableOf } from "../acceleration/testing/fake-proc.ts";
import { WORKER_RUNTIME } from "../api/plugin-pod.ts";

const MAPS = mapsOf(["/usr/lib64/libc.so.6"]);
let proc: FakeProc;
beforeEach(() => void (proc = new FakeProc()));
afterEach(() => proc[Symbol.dispose]());

/** Adds a process whose environment never comes: its reader waits for a writer. */
function addHanging(pid: number, container: string, name: string): void {
  proc.add(pid, { maps: MAPS, cgroup: cgroupOf(POD, container), mountinfo: mountsOf(POD, name) });
  proc.remove(`${pid}/environ`);
  execFileSync("mkfifo", [join(proc.root, `${pid}/environ`)]);
}

/** What a worker sees. */
async function look(containers: string[]): Promise<ContainerFacts[]> {
  const program = `
    import { Looker } from ${JSON.stringify(join(import.meta.dirname, "../acceleration/look.ts"))};
    const looker = new Looker(${JSON.stringify(proc.root)}, {}, { timeoutMs: 100 });
    const { containers } = await looker.look({ pods: [{ uid: "${POD}", containers: ${JSON.stringify(containers)} }] });
    process.stdout.write(JSON.stringify(containers), () => process.exit());`;
  const env = { ...process.env, ...WORKER_RUNTIME };
  const worker = Bun.spawn([process.execPath, "-e", program], { env, stdio: ["ignore", "pipe", "inherit"] });
  return (await new Response(worker.stdout).json()) as ContainerFacts[];
}

test("eleven containers whose files do not answer take the sight of no other", async () => {
  const hostile = Array.from({ length: 11 }, (_, i) => `evil-${i}`);
  for (const [i, name] of hostile.entries()) {
    for (const pid of [100 + i, 200 + i]) addHanging(pid, i.toString(16).repeat(64), name);
  }
  const net = { tcp: tableOf([{ local: "0B00000A:1F90", inode: 501 }]), dev: "a\nb\n eth0: 1\n" };
  proc.add(900, { maps: MAPS, fds: { 3: "socket:[501]" }, net });
  const containers = await look([...hostile, "app"]);
  expect(containers.at(-1)).toMatchObject({
    processes: { not_loaded: 1 },
    sockets: [{ kind: "tcp", accelerated: false, count: 1 }],
    interfaces: [{ name: "eth0" }],
  });
  expect(containers[0]!.processes).toEqual({ unreadable: 2 });
});
