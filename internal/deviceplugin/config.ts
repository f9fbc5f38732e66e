import { createHash } from "node:crypto";
import { join } from "node:path";
import type { Hysteresis } from "./health.ts";

/** How containers are given Onload: paths and devices in each answer, or the name of a CDI device. */
export type DeviceStrategy = "mounts" | "cdi";

/** What containers get, and where. Paths are absolute. */
export interface AllocationConfig {
  setPreload: boolean;
  mountOnload: boolean;
  /** Onload's files on the node. */
  hostOnloadPath: string;
  /** Folder in the container that the next two are below. */
  baseMountPath: string;
  binMountPath: string;
  libMountPath: string;
  strategy: DeviceStrategy;
}

/** Settings of the device plugin. */
export interface PluginConfig extends AllocationConfig {
  /** How many devices are offered, which is how many pods can use Onload on this node at the same time. */
  maxPods: number;
  /** Whether devices are unhealthy while there is no NIC that Onload can use. */
  needNic: boolean;
  /** Folder of kubelet.sock. */
  kubeletDir: string;
  /** The folder at which this process finds the node's /dev, /sys and hostOnloadPath. */
  hostRoot: string;
  /** The node's /proc, with all of its processes. */
  procDir: string;
  /** Folder of the node's CDI files, under hostRoot. */
  cdiDir: string;
  /** The socket is named after it, so that an old and a new plugin can run side by side. */
  podName: string;
  /** Shown in metrics. Empty if unknown. */
  onloadVersion: string;
  /** Longest time between two looks at devices and NICs, in milliseconds. */
  healthIntervalMs: number;
  /** Longest time between two looks at the sockets, for file systems that report no changes. */
  socketIntervalMs: number;
  /** Folder of the socket of the kubelet's PodResources service. */
  podResourcesDir: string;
  /** Socket on which another container looks into processes of pods. undefined: nobody does. */
  lookSocket: string | undefined;
  /** Least time between two looks into pods, in milliseconds. */
  lookIntervalMs: number;
  /** Whether counters of the stacks of pods are metrics. It needs lookSocket. */
  stackMetrics: boolean;
  /** How long the kubelet may be out of reach before /healthz is bad. */
  kubeletTimeoutMs: number;
  hysteresis: Hysteresis;
}

/** The kernel's limit for the path of a Unix socket. */
const MAX_SOCKET_PATH = 107;
const SOCKET_PREFIX = "onload-";

/** Whether a file of the kubelet's folder is the socket of an Onload device plugin, in this pod or another. */
export function isPluginSocket(name: string): boolean {
  return name.startsWith(SOCKET_PREFIX) && name.endsWith(".sock");
}

/** File name of the plugin's own socket: the pod's name, or a digest of it if the path would be too long. */
export function socketName(kubeletDir: string, podName: string): string {
  const plain = `${SOCKET_PREFIX}${podName.replaceAll(/[^A-Za-z0-9.-]/g, "-")}.sock`;
  if (Buffer.byteLength(join(kubeletDir, plain)) <= MAX_SOCKET_PATH) return plain;
  return `${SOCKET_PREFIX}${createHash("sha256").update(podName).digest("hex").slice(0, 16)}.sock`;
}

/** The path at which this process finds a path of the node. */
export function onHost(config: Pick<PluginConfig, "hostRoot">, path: string): string {
  return join(config.hostRoot, path);
}
