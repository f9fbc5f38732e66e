import type { Device } from "../../proto/deviceplugin/v1beta1/api.gen.ts";
import { ListAndWatchResponse } from "../../proto/deviceplugin/v1beta1/api.gen.ts";

/** The two values of a device's health in the kubelet's protocol. */
const HEALTHY = "Healthy";
const UNHEALTHY = "Unhealthy";

/**
 * The highest number of devices that are offered. Each message has the whole list and must stay below 64 KB, because
 * some HTTP/2 implementations hang for ever on longer messages. No node runs as many pods.
 */
export const MAX_DEVICES = 2000;
const MAX_MESSAGE_BYTES = 64 * 1024;

/** What the list of devices is made from. */
export interface DeviceListInput {
  /** How many pods may use Onload on this node. */
  count: number;
  healthy: boolean;
  /** NUMA nodes that have a usable NIC. */
  numaNodes: readonly number[];
}

/**
 * The id of the n-th device, as in the original: so a node can change from one plugin to the other while pods hold
 * devices.
 */
export function deviceId(index: number): string {
  return `sfc-${index}`;
}

/** The index of a device, or undefined for an id that is not offered. */
export function deviceIndex(id: string, count: number): number | undefined {
  const index = /^sfc-(0|[1-9]\d*)$/.exec(id)?.[1];
  return index !== undefined && Number(index) < count ? Number(index) : undefined;
}

/**
 * The NUMA node of the n-th device, or undefined if no NIC has one.
 *
 * Any device stands for any NIC, so devices are spread evenly over the NUMA nodes that have NICs: a pod whose CPUs must
 * be near a NIC then finds devices on each of these.
 */
function deviceNumaNode(index: number, numaNodes: readonly number[]): number | undefined {
  return numaNodes.length === 0 ? undefined : numaNodes[index % numaNodes.length];
}

/** The list that the kubelet gets, below 64 KB. NUMA nodes are left out if they would not fit. */
export function deviceList({ count, healthy, numaNodes }: DeviceListInput): ListAndWatchResponse {
  const sorted = [...new Set(numaNodes)].sort((a, b) => a - b);
  const build = (hints: readonly number[]): ListAndWatchResponse => ({
    devices: Array.from({ length: count }, (_, index): Device => {
      const node = deviceNumaNode(index, hints);
      return {
        ID: deviceId(index),
        health: healthy ? HEALTHY : UNHEALTHY,
        topology: node === undefined ? undefined : { nodes: [{ ID: node }] },
      };
    }),
  });
  const full = build(sorted);
  return ListAndWatchResponse.encode(full).finish().length < MAX_MESSAGE_BYTES ? full : build([]);
}

/**
 * Which of the available devices to take: what must be included, then as few NUMA nodes as possible, then the lowest
 * numbers.
 *
 * @returns as many ids as were asked for, or as there are
 */
export function preferredDevices(
  available: readonly string[],
  mustInclude: readonly string[],
  size: number,
  numaNodes: readonly number[],
): string[] {
  const sorted = [...new Set(numaNodes)].sort((a, b) => a - b);
  const indexOf = (id: string): number => deviceIndex(id, Number.MAX_SAFE_INTEGER) ?? Number.MAX_SAFE_INTEGER;
  const nodeOf = (id: string): number => deviceNumaNode(indexOf(id), sorted) ?? -1;
  const included = new Set(mustInclude);
  const chosen = [...included];
  const free = available.filter((id) => !included.has(id)).sort((a, b) => indexOf(a) - indexOf(b));
  const byNode = Map.groupBy(free, nodeOf);
  const started = new Set(chosen.map(nodeOf));
  const rest = Math.max(0, size - chosen.length);
  // NUMA nodes already in use come first, then of those that have enough the one with the fewest free devices, or else
  // the one with the most.
  const nodes = [...byNode].sort(([a, left], [b, right]) => {
    if (started.has(a) !== started.has(b)) return started.has(a) ? -1 : 1;
    const fits = Number(right.length >= rest) - Number(left.length >= rest);
    if (fits !== 0) return fits;
    return left.length >= rest ? left.length - right.length || a - b : right.length - left.length || a - b;
  });
  return [...chosen, ...nodes.flatMap(([, ids]) => ids)].slice(0, Math.max(size, chosen.length));
}
