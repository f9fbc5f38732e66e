import { join } from "node:path";
import { readRegularFile } from "../cli/regular-file.ts";
import { statOnNode } from "./node-path.ts";

/**
 * Paths of crictl on nodes:
 * - distributions' packages, cri-tools' own archive, Flatcar
 * - k3s: install.sh links /usr/local/bin/crictl to k3s only if the node has no other crictl; k3s itself unpacks one, and
 *   keeps the link data/current (k3s-io/k3s, install.sh, cmd/k3s/main.go)
 * - RKE2: rancher/rke2, pkg/bootstrap/bootstrap.go
 * - MicroK8s: canonical/microk8s, build-scripts/components/crictl/build.sh
 *
 * k0s has none of its own (k0sproject/k0s, issue 743).
 */
export const CRICTL_PATHS: readonly string[] = [
  "/usr/bin/crictl",
  "/usr/local/bin/crictl",
  "/usr/sbin/crictl",
  "/opt/bin/crictl",
  "/var/lib/rancher/rke2/bin/crictl",
  "/var/lib/rancher/k3s/data/current/bin/crictl",
  "/snap/microk8s/current/bin/crictl",
];

/**
 * Sockets of container runtimes:
 * - containerd, cri-o and cri-dockerd: crictl's own defaults (kubernetes-sigs/cri-tools, cmd/crictl/main_unix.go)
 * - k3s and RKE2: k3s-io/k3s, issue 11152; docs.rke2.io/reference/cli_tools
 * - MicroK8s: canonical/microk8s, microk8s-resources/default-args/containerd
 * - k0s: docs.k0sproject.io/stable/runtime
 */
export const RUNTIME_SOCKETS: readonly string[] = [
  "/run/containerd/containerd.sock",
  "/run/crio/crio.sock",
  "/run/k3s/containerd/containerd.sock",
  "/var/snap/microk8s/common/run/containerd.sock",
  "/run/k0s/containerd.sock",
  "/var/run/cri-dockerd.sock",
];

/** Those of the paths at which the node has a crictl. k3s and MicroK8s have links there. */
export async function findCrictls(kernelRoot: string, paths = CRICTL_PATHS): Promise<string[]> {
  const stats = await Promise.all(paths.map((path) => statOnNode(kernelRoot, path)));
  return paths.filter((_, i) => stats[i]?.isFile());
}

/**
 * Endpoints of container runtimes that the node has, the likeliest first: that of the shim of this very container, if it
 * has one, and those that are usual.
 *
 * @param procDir this container's /proc, in the node's process namespace
 */
export async function findEndpoints(kernelRoot: string, procDir: string): Promise<string[]> {
  const own = await shimSocket(procDir);
  const paths = [...new Set([...(own === undefined ? [] : [own]), ...RUNTIME_SOCKETS])];
  const stats = await Promise.all(paths.map((path) => statOnNode(kernelRoot, path)));
  return paths.filter((_, i) => stats[i]?.isSocket()).map((path) => `unix://${path}`);
}

/** Longer command lines are no shim's. */
const MAX_COMMAND_LINE = 65_536;

/**
 * containerd's socket, which its shim is told: `containerd-shim-runc-v2 -namespace k8s.io -id ID -address SOCKET`. The
 * shim is the parent of a container's first process.
 */
async function shimSocket(procDir: string): Promise<string | undefined> {
  try {
    const read = async (...path: string[]): Promise<string> =>
      (await readRegularFile(join(procDir, ...path), MAX_COMMAND_LINE)).toString();
    const parent = /^PPid:\s*(\d+)$/m.exec(await read("self/status"))?.[1];
    const words = (await read(parent ?? "", "cmdline")).split("\0");
    if (!words[0]?.includes("containerd-shim")) return undefined;
    const address = words[words.indexOf("-address") + 1];
    return address !== undefined && /^\/\S{1,200}$/.test(address) ? address : undefined;
  } catch {
    return undefined;
  }
}
