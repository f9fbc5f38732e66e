/** Which pods hold amd.com/onload, and which of them may be asked to leave, as `kubectl drain` would have it. */
import type { Container, DeepReadonly, KubeObject, Pod } from "../../api/core.ts";
import { FORCE_ANNOTATION, ONLOAD_RESOURCE } from "../../api/names.ts";
import { parseQuantity } from "../../api/quantity.ts";
import { isFinished, isTerminating } from "./pods.ts";

/** Set by the kubelet on the mirror of a static pod, with the UID that it itself knows the pod by. */
export const MIRROR_ANNOTATION = "kubernetes.io/config.mirror";

/** A pod that holds amd.com/onload and has not finished. */
export interface Holder {
  namespace: string;
  name: string;
  uid: string;
  /** It has a deletion timestamp: it has been evicted or deleted already. */
  terminating: boolean;
  /** Whether to ask for its eviction at all. */
  evictable: boolean;
  /** Whether it may be deleted if it is still there after the drain's time. */
  forceable: boolean;
  /** Why it is not evictable, or why the API server refused, with the budget's name. */
  refusal: string | undefined;
}

/** Whether a pod asks for amd.com/onload in any of its containers, whatever their kind. */
export function holdsOnload(pod: DeepReadonly<Pod>): boolean {
  const containers: readonly DeepReadonly<Container>[] = [
    ...(pod.spec?.containers ?? []),
    ...(pod.spec?.initContainers ?? []),
  ];
  return containers.some(asksForOnload);
}

/** Whether a container asks for amd.com/onload. */
export function asksForOnload({ resources }: DeepReadonly<Container>): boolean {
  return amount(resources?.limits) > 0 || amount(resources?.requests) > 0;
}

/**
 * How many amd.com/onload a pod asks for: those of its containers, or of the init container that asks for most. The
 * scheduler counts so too, but for sidecars, which it adds.
 */
export function onloadAmount({ spec }: DeepReadonly<Pod>): number {
  const of = ({ resources }: DeepReadonly<Container>): number =>
    Math.max(amount(resources?.limits), amount(resources?.requests));
  const together = (spec?.containers ?? []).reduce((sum, container) => sum + of(container), 0);
  return (spec?.initContainers ?? []).reduce((most, container) => Math.max(most, of(container)), together);
}

function amount(list: Readonly<Record<string, string | number>> | undefined): number {
  // What cannot be read counts as more than nothing: its pod would otherwise lose the driver.
  return parseQuantity(list?.[ONLOAD_RESOURCE] ?? 0) ?? 1;
}

/** How far spec.upgrade.drain.force reaches. */
export interface Force {
  /** The resource asks for it. */
  asked: boolean;
  /** Whether the pods of a namespace may be taken away by force. */
  mayIn: (namespace: string) => boolean;
}

/** Whether who owns a pod or a namespace agrees that force takes pods away there. */
export function agreesToForce({ metadata }: DeepReadonly<KubeObject>): boolean {
  return metadata.annotations?.[FORCE_ANNOTATION] === "true";
}

/** Force stays at home: whoever owns a pod or its namespace has to agree. */
function mayForce(pod: DeepReadonly<Pod>, { asked, mayIn }: Force): boolean {
  return asked && (agreesToForce(pod) || mayIn(pod.metadata.namespace ?? ""));
}

/** What to do so that force reaches a pod; it is not part of the refusal, so that it is said once for all pods. */
export function forceRemedy({ asked }: Pick<Force, "asked">): string {
  const consent = `set annotation ${FORCE_ANNOTATION}=true on the pod or its namespace`;
  return asked ? `${consent} to let drain.force delete it` : `set spec.upgrade.drain.force and ${consent}`;
}

/** A pod of a node that has to go before the module can be unloaded; undefined for all others. */
export function holderOf(pod: DeepReadonly<Pod>, force: Force): Holder | undefined {
  if (isFinished(pod) || !holdsOnload(pod)) return undefined;
  const forceable = mayForce(pod, force);
  const refusal = mirrorText(pod) ?? (forceable ? undefined : protection(pod));
  return {
    namespace: pod.metadata.namespace ?? "",
    name: pod.metadata.name,
    uid: pod.metadata.uid ?? "",
    terminating: isTerminating(pod),
    evictable: refusal === undefined,
    forceable: forceable && refusal === undefined,
    refusal,
  };
}

/** Why a pod is not to be evicted without force: no controller would recreate it elsewhere. */
function protection(pod: DeepReadonly<Pod>): string | undefined {
  const owner = pod.metadata.ownerReferences?.find(({ controller }) => controller);
  if (!owner) return "no controller would recreate it";
  if (owner.kind === "DaemonSet") return `belongs to DaemonSet ${owner.name}`;
  return undefined;
}

/** Why a pod cannot be evicted by any means: it is there as long as its manifest. */
function mirrorText(pod: DeepReadonly<Pod>): string | undefined {
  const isMirror = pod.metadata.annotations?.[MIRROR_ANNOTATION] !== undefined;
  return isMirror ? "static pod: only its manifest on the node can end it" : undefined;
}
