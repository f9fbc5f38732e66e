import { existsSync, readFileSync, readdirSync, rmSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { run } from "./command.ts";
import { poll } from "./poll.ts";
import { identify, isAlive, signalProcess } from "./processes.ts";
import type { ProcessIdentity } from "./processes.ts";

/**
 * Clears a run from its record: kills its processes and those in its network namespaces, unmounts what is mounted below
 * its folder, deletes the namespaces and cgroups, and removes the folder. Safe to repeat, and safe beside another reaper.
 */
export async function reap(folder: string): Promise<void> {
  const namespaces = lines(join(folder, "netns"));
  const recorded = lines(join(folder, "processes")).map(parseIdentity);
  for (const identity of recorded) signalProcess(identity, "SIGKILL");
  for (const name of namespaces) await killNamespace(name);
  await poll(() => !recorded.some(isAlive), { what: `The end of the processes of ${folder}`, timeoutMs: 15_000 });
  for (const name of namespaces) {
    // Deleting the namespace deletes its veth pair with it.
    await run(["ip", "netns", "delete", name], { allowFailure: true });
  }
  for (const cgroup of lines(join(folder, "cgroups"))) removeCgroup(cgroup);
  await unmountBelow(folder);
  // A process that is just ending may still make a file.
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
}

function lines(path: string): string[] {
  if (!existsSync(path)) return [];
  return readFileSync(path, "utf8")
    .split("\n")
    .filter((line) => line !== "");
}

function parseIdentity(line: string): ProcessIdentity {
  const [pid = "0", startTime = ""] = line.split(" ");
  return { pid: Number(pid), startTime };
}

/** Containers, their shims and everything else that a node has started are found by their network namespaces. */
async function killNamespace(name: string): Promise<void> {
  if (!existsSync(`/run/netns/${name}`)) return;
  await poll(
    async () => {
      const pids = (await run(["ip", "netns", "pids", name], { allowFailure: true })).stdout;
      const left = pids
        .split("\n")
        .filter((line) => line !== "")
        .map(Number);
      for (const pid of left) {
        const identity = identify(pid);
        if (identity !== undefined) signalProcess(identity, "SIGKILL");
      }
      return left.length === 0;
    },
    { what: `The end of the processes in network namespace ${name}`, timeoutMs: 15_000 },
  );
}

function removeCgroup(path: string): void {
  const root = "/sys/fs/cgroup";
  if (path.includes("..") || !existsSync(root)) return;
  for (const hierarchy of [".", ...readdirSync(root)]) removeCgroupTree(join(root, hierarchy, path));
}

function removeCgroupTree(folder: string): void {
  if (!existsSync(folder)) return;
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (entry.isDirectory()) removeCgroupTree(join(folder, entry.name));
  }
  try {
    rmdirSync(folder);
  } catch {
    // It is still in use, or another reaper has removed it.
  }
}

async function unmountBelow(folder: string): Promise<void> {
  if (!existsSync("/proc/self/mounts")) return;
  const points = readFileSync("/proc/self/mounts", "utf8")
    .split("\n")
    .map((line) => line.split(" ")[1] ?? "")
    .filter((point) => point.startsWith(`${folder}/`));
  for (const point of points.toReversed()) await run(["umount", "-l", point], { allowFailure: true });
}

if (import.meta.main) {
  const folder = process.argv[2];
  if (folder !== undefined) await reap(folder);
}
