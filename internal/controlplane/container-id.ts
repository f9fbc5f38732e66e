import { readdir } from "node:fs/promises";
import { basename, join } from "node:path";
import { readRegularFile } from "../cli/regular-file.ts";

/** Of a file of /proc or of a cgroup, in bytes: a container has some hundred mounts, and at most 4 million processes. */
const MAX_BYTES = 32 * 1024 * 1024;

// containerd and cri-o make ids of 64 digits.

/** The name of a container's cgroup. conmon, cri-o's monitor, has a cgroup beside it, whose name does not match. */
const CGROUP_NAME = /^(?:cri-containerd-|crio-|docker-|libpod-)?([0-9a-f]{64})(?:\.scope)?$/;
/** containerd with the systemd driver outside of systemd: SLICE:PREFIX:ID. */
const CGROUP_COLONS = /:cri-containerd:([0-9a-f]{64})$/;
/** Files that a runtime mounts for one container, not for its sandbox. */
const CONTAINER_MOUNT = /\/overlay-containers\/([0-9a-f]{64})\/userdata\/\.containerenv$/;

/** The container id in /proc/self/cgroup: cgroup v1, or v2 as seen from the host's cgroup namespace. */
export function idFromCgroup(text: string): string | undefined {
  for (const line of text.split("\n")) {
    // HIERARCHY:CONTROLLERS:PATH, and the path may have colons.
    const path = /^\d+:[^:]*:(.*)$/.exec(line)?.[1];
    const id = path && idFromCgroupPath(path);
    if (id) return id;
  }
  return undefined;
}

/** The container id in a cgroup's path. The innermost name counts, because a container may run containers. */
function idFromCgroupPath(path: string): string | undefined {
  for (const name of path.split("/").reverse()) {
    const id = (CGROUP_NAME.exec(name) ?? CGROUP_COLONS.exec(name))?.[1];
    if (id !== undefined) return id;
  }
  return undefined;
}

/**
 * The container id in /proc/self/mountinfo, for a container with a cgroup namespace of its own: cri-o mounts a file
 * that names the container. Mounts such as /etc/hostname do not count. They name the sandbox, in which nothing can be
 * started.
 */
export function idFromMountinfo(text: string): string | undefined {
  for (const line of text.split("\n")) {
    // ID PARENT MAJOR:MINOR ROOT MOUNTPOINT ...
    const [, , , root, mountPoint] = line.split(" ");
    if (root === undefined) continue;
    const id = CONTAINER_MOUNT.exec(root)?.[1];
    if (id !== undefined) return id;
    // A cgroup hierarchy of version 1 is mounted from the container's own group.
    if (mountPoint?.startsWith("/sys/fs/cgroup/") && / - cgroup /.test(line)) {
      const own = idFromCgroupPath(root);
      if (own !== undefined) return own;
    }
  }
  return undefined;
}

/**
 * The container id in the node's cgroup tree: the group that lists the process. For a container with a cgroup namespace
 * of its own, but with the node's process ids.
 */
async function idFromCgroupTree(cgroupDir: string, pid: number): Promise<string | undefined> {
  const visit = async (folder: string): Promise<string | undefined> => {
    for (const entry of await readdir(folder, { withFileTypes: true }).catch(() => [])) {
      if (!entry.isDirectory()) continue;
      const path = join(folder, entry.name);
      if (idFromCgroupPath(basename(path)) !== undefined) {
        const pids = await readText(join(path, "cgroup.procs"));
        if (pids.split("\n").includes(String(pid))) return idFromCgroupPath(basename(path));
      }
      const deeper = await visit(path);
      if (deeper !== undefined) return deeper;
    }
    return undefined;
  };
  return visit(cgroupDir);
}

/**
 * The id of the container that this process runs in.
 *
 * @param procDir this container's /proc, in the node's process namespace
 * @param sysDir the node's /sys
 * @throws if it is found nowhere; the message says what to do
 */
export async function findContainerId(procDir: string, sysDir: string): Promise<string> {
  const read = (name: string): Promise<string> => readText(join(procDir, "self", name));
  const pid = Number(/^\d+/.exec(await read("stat"))?.[0] ?? process.pid);
  const id =
    idFromCgroup(await read("cgroup")) ??
    idFromMountinfo(await read("mountinfo")) ??
    (await idFromCgroupTree(join(sysDir, "fs/cgroup"), pid));
  if (id === undefined) {
    throw new Error(
      "Cannot find the id of this container: neither its cgroup nor its mounts name it: " +
        "check that the pod has hostPID and the node's /sys, or give --container-id",
    );
  }
  return id;
}

/** The text of a file; empty if it cannot be read. */
async function readText(path: string): Promise<string> {
  return (await readRegularFile(path, MAX_BYTES).catch(() => "")).toString();
}
