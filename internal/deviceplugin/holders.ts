import type { ListPodResourcesResponse } from "../../proto/podresources/v1/api.gen.ts";
import { ONLOAD_RESOURCE } from "../api/names.ts";
import type { CheckpointEntry } from "./checkpoint.ts";

/** A container that holds amd.com/onload. */
export interface Holder {
  namespace: string;
  pod: string;
  container: string;
  podUid: string;
}

/**
 * Which containers hold amd.com/onload. The kubelet's service tells names of pods and no UIDs, its checkpoint UIDs and no
 * names. Both tell the devices, and no device is given to two containers at the same time.
 *
 * @returns those that both agree on, in the order of names: one that came or went between is not among them
 */
export function holders(answer: ListPodResourcesResponse, checkpoint: readonly CheckpointEntry[]): Holder[] {
  const uidOf = new Map<string, string>();
  for (const { podUid, container, resource, devices } of checkpoint) {
    if (resource === ONLOAD_RESOURCE && podUid !== "") uidOf.set(deviceKey(container, devices), podUid);
  }
  const found: Holder[] = [];
  for (const { namespace, name: pod, containers } of answer.podResources) {
    for (const { name: container, devices } of containers) {
      const held = devices.filter(({ resourceName }) => resourceName === ONLOAD_RESOURCE);
      if (held.length === 0) continue;
      const ids = held.flatMap(({ deviceIds }) => deviceIds);
      const podUid = uidOf.get(deviceKey(container, ids));
      if (podUid !== undefined) found.push({ namespace, pod, container, podUid });
    }
  }
  const key = ({ namespace, pod, container }: Holder): string => `${namespace}/${pod}/${container}`;
  return found.sort((a, b) => (key(a) < key(b) ? -1 : 1));
}

/** A device of several NUMA nodes is listed with each of them. */
function deviceKey(container: string, devices: readonly string[]): string {
  return JSON.stringify([container, ...[...new Set(devices)].sort()]);
}
