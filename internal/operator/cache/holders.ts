/** Which pods hold amd.com/onload, and which of them may be asked to leave, as `kubectl drain` would have it. */
import type { Container, DeepReadonly, Pod } from "../../api/core.ts";
import { ONLOAD_RESOURCE } from "../../api/names.ts";
import { parseQuantity } from "../../api/quantity.ts";
import { isFinished, isTerminating } from "./pods.ts";

/** Set by the kubelet on the mirror of a static pod. */
const MIRROR_ANNOTATION = "kubernetes.io/config.mirror";

/** A pod that holds amd.com/onload and has not finished. */
export interface Holder {
  namespace: string;
  name: string;
  uid: string;
  /** It has a deletion timestamp: it has been evicted or deleted already. */
  terminating: boolean;
  /** Whether to ask for its eviction at all. */
  evictable: boolean;
  /** Why it is not evictable, or why the API server refused, with the budget's name. */
  refusal: string | undefined;
}

/** Whether a pod asks for amd.com/onload in any of its containers, whatever their kind. */
export function holdsOnload(pod: DeepReadonly<Pod>): boolean {
  const containers: readonly DeepReadonly<Container>[] = [
    ...(pod.spec?.containers ?? []),
    ...(pod.spec?.initContainers ?? []),
  ];
  return containers.some(({ resources }) => amount(resources?.limits) > 0 || amount(resources?.requests) > 0);
}

function amount(list: Readonly<Record<string, string | number>> | undefined): number {
  // What cannot be read counts as more than nothing: its pod would otherwise lose the driver.
  return parseQuantity(list?.[ONLOAD_RESOURCE] ?? 0) ?? 1;
}

/** A pod of a node that has to go before the module can be unloaded; undefined for all others. */
export function holderOf(pod: DeepReadonly<Pod>, force: boolean): Holder | undefined {
  if (isFinished(pod) || !holdsOnload(pod)) return undefined;
  const refusal = protection(pod, force);
  return {
    namespace: pod.metadata.namespace ?? "",
    name: pod.metadata.name,
    uid: pod.metadata.uid ?? "",
    terminating: isTerminating(pod),
    evictable: refusal === undefined,
    refusal,
  };
}

/** Why a pod is not to be evicted: no controller would make it again, or evicting it changes nothing. */
function protection(pod: DeepReadonly<Pod>, force: boolean): string | undefined {
  if (pod.metadata.annotations?.[MIRROR_ANNOTATION] !== undefined) {
    return "static pod: only its manifest on the node can end it";
  }
  const owner = pod.metadata.ownerReferences?.find(({ controller }) => controller);
  if (force) return undefined;
  if (!owner) return "no controller would make it again: end it, or set spec.upgrade.drain.force";
  if (owner.kind === "DaemonSet") {
    return `belongs to DaemonSet ${owner.name}: end it, or set spec.upgrade.drain.force`;
  }
  return undefined;
}
