/** Faults that a test makes on a real node. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { release, tmpdir } from "node:os";
import { join } from "node:path";
import type { NodeCluster, TestNode } from "../../testcluster/index.ts";

/** What the broken module's modprobe says. */
export const MODPROBE_ERROR = "modprobe: ERROR: could not insert 'onload': Unknown symbol in module";

/** Builds a module image of a version whose modprobe always fails to load, like that of a module for another kernel. */
export async function buildBrokenModule({ images }: NodeCluster, version: string): Promise<void> {
  const base = await images.onloadModule(version);
  const context = mkdtempSync(join(tmpdir(), "onloadctl-broken-module-"));
  try {
    writeFileSync(join(context, "modprobe"), `#!/bin/sh\necho "${MODPROBE_ERROR}" >&2\nexit 1\n`, { mode: 0o755 });
    writeFileSync(join(context, "Dockerfile"), "ARG BASE_IMAGE\nFROM $BASE_IMAGE\nCOPY modprobe /sbin/modprobe\n");
    await images.build(`onload-module:${version}-${release()}`, context, { BASE_IMAGE: base });
  } finally {
    rmSync(context, { recursive: true });
  }
}

/** Every process that a container runtime's shim has started. */
const CONTAINERS = `for p in /proc/[0-9]*; do
  parent=$(awk '$1 == "PPid:" { print $2 }' "$p/status" 2>/dev/null) || continue
  case $(cat "/proc/$parent/comm" 2>/dev/null) in containerd-shim*) echo "\${p#/proc/}" ;; esac
done`;

/**
 * What a loss of power does to a node, as far as it goes without one: kubelet and containers are killed, kernel modules
 * and their devices are gone, the kernel has another boot id, and the kubelet starts anew. Returns when it is Ready.
 */
export async function reboot(node: TestNode): Promise<void> {
  await node.stopKubelet("KILL");
  // Those that lived in the host's process namespace are orphaned to the shim first, hence again until none is left.
  const kill = `while left=$(${CONTAINERS}) && [ -n "$left" ]; do kill -9 $left 2>/dev/null || true; done`;
  const unload = "rm -rf /sys/module/onload /sys/module/sfc && echo reboot >>/sys/module/.journal";
  const id = `echo ${crypto.randomUUID()} >/run/boot_id
    grep -q ' /proc/sys/kernel/random/boot_id ' /proc/self/mountinfo ||
    mount --bind /run/boot_id /proc/sys/kernel/random/boot_id`;
  await node.exec(["sh", "-euc", `${kill}\n${unload}\n${id}`]);
  await node.removeDevices();
  const since = Date.now();
  await node.startKubelet();
  await node.waitReady(undefined, since);
}
