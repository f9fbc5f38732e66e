/** Taints of a node that keep KMM from loading a module there, or the device plugin's pod from being made. Pure. */
import type { DeepReadonly, Taint, Toleration } from "../../api/core.ts";
import type { Kmm } from "../kmm/kmm.ts";

/** A taint that something of ours does not tolerate, as kubectl writes it: `dedicated=trading:NoSchedule`. */
export interface BlockingTaint {
  text: string;
  /** Kubernetes itself sets and removes it, as when a disk is full. */
  passing: boolean;
}

/** A toleration, of a pod or of an Onload resource. */
export type AnyToleration = { readonly [K in keyof Toleration]?: Toleration[K] | undefined };

/** What keeps what from a node. */
export interface BlockingTaints {
  /** KMM loads nothing there. */
  kmm: BlockingTaint | undefined;
  /** The DaemonSet controller makes no pod of the device plugin there. */
  plugin: BlockingTaint | undefined;
}

/**
 * Kubernetes' own taints that the pods of every DaemonSet tolerate; a cordon's and those of a node that is not Ready are
 * not among the taints that come here (k8s.io/kubernetes, pkg/controller/daemon/util, AddOrUpdateDaemonPodTolerations; the
 * last one for pods of the host's network, as the plugin's is).
 */
const TOLERATED_BY_DAEMONS: ReadonlySet<string> = new Set(
  ["disk-pressure", "memory-pressure", "pid-pressure", "network-unavailable"].map(
    (name) => `node.kubernetes.io/${name}`,
  ),
);

/**
 * @param taints of effect NoSchedule and NoExecute, without those of a cordon and of a node that is not Ready
 * @param tolerations of the device plugin
 */
export function blockingTaints(
  taints: readonly DeepReadonly<Taint>[],
  kmm: Pick<Kmm, "toleratesTaints">,
  tolerations: readonly AnyToleration[],
): BlockingTaints {
  const forPlugin = taints.find((taint) => !isTolerated(taint, tolerations));
  return {
    kmm: kmm.toleratesTaints ? undefined : blocking(taints[0]),
    plugin: blocking(forPlugin),
  };
}

function blocking(taint: DeepReadonly<Taint> | undefined): BlockingTaint | undefined {
  if (!taint) return undefined;
  const { key, value, effect } = taint;
  return { text: `${key}${value ? `=${value}` : ""}:${effect}`, passing: key.startsWith("node.kubernetes.io/") };
}

function isTolerated(taint: DeepReadonly<Taint>, tolerations: readonly AnyToleration[]): boolean {
  if (taint.effect === "NoSchedule" && TOLERATED_BY_DAEMONS.has(taint.key)) return true;
  return tolerations.some((toleration) => tolerates(toleration, taint));
}

/**
 * As Kubernetes compares them (k8s.io/api/core/v1, Toleration.ToleratesTaint). A toleration with tolerationSeconds ends,
 * but for a DaemonSet's pod it begins anew with the next one.
 */
function tolerates({ key, operator, value, effect }: AnyToleration, taint: DeepReadonly<Taint>): boolean {
  if (effect && effect !== taint.effect) return false;
  if (key && key !== taint.key) return false;
  return operator === "Exists" || (key ? (value ?? "") === (taint.value ?? "") : false);
}
