/** Which PodDisruptionBudgets would refuse a pod's eviction now. Pure. */
import type { DeepReadonly, Pod, PodDisruptionBudget } from "../../api/core.ts";
import { selects } from "../../api/label-selector.ts";

/** The budgets that cover a pod and allow no disruption, each as a phrase. */
export function blockingBudgets(
  pod: DeepReadonly<Pod>,
  budgets: readonly DeepReadonly<PodDisruptionBudget>[],
): string[] {
  return budgets
    .filter(({ metadata, spec, status }) => {
      const covers =
        metadata.namespace === pod.metadata.namespace && selects(spec?.selector, pod.metadata.labels ?? {});
      return covers && (status?.disruptionsAllowed ?? 0) === 0;
    })
    .map(({ metadata }) => `budget ${metadata.name} allows no disruption now`);
}
