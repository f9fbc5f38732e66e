/** Which tolerations the device plugin keeps although its resource has them no more: its pods would end on all nodes at once. */
import { isDeepStrictEqual } from "node:util";
import type { DaemonSet, DeepReadonly, Toleration } from "../../api/core.ts";

/**
 * The DaemonSet with those tolerations of the one in the cluster by which its pods stay on nodes with a taint NoExecute.
 *
 * The DaemonSet controller ends a pod on such a node as soon as the template does not tolerate the taint, whatever the
 * update strategy is (pkg/controller/daemon, NodeShouldRunDaemonPod). On which nodes pods are is decided by labels alone.
 *
 * @param live the DaemonSet in the cluster
 */
export function keepTolerations(daemonSet: DaemonSet, live: DeepReadonly<DaemonSet> | undefined): DaemonSet {
  const wanted = tolerationsOf(daemonSet);
  const kept = tolerationsOf(live).filter(
    (each) => each.effect !== "NoSchedule" && each.effect !== "PreferNoSchedule" && !wanted.some(isEqualTo(each)),
  );
  if (kept.length === 0) return daemonSet;
  const { spec } = daemonSet;
  const tolerations = [...wanted, ...kept];
  return {
    ...daemonSet,
    spec: { ...spec, template: { ...spec.template, spec: { ...spec.template.spec, tolerations } } },
  };
}

function tolerationsOf(daemonSet: DeepReadonly<DaemonSet> | undefined): readonly DeepReadonly<Toleration>[] {
  const pod = daemonSet?.spec.template.spec as { tolerations?: readonly DeepReadonly<Toleration>[] } | undefined;
  return pod?.tolerations ?? [];
}

/** The API server may have added nothing to a toleration but what means the same. */
function isEqualTo(one: DeepReadonly<Toleration>): (other: DeepReadonly<Toleration>) => boolean {
  const plain = ({ operator = "Equal", value = "", ...rest }: DeepReadonly<Toleration>): object => ({
    ...rest,
    operator,
    ...(value ? { value } : {}),
  });
  return (other) => isDeepStrictEqual(plain(one), plain(other));
}
