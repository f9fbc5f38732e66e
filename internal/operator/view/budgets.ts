/** Which PodDisruptionBudgets would refuse a pod's eviction now. Pure. */
import type { DeepReadonly, LabelSelector, Pod, PodDisruptionBudget } from "../../api/core.ts";

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

/** As the API server matches labels: in policy/v1 an empty selector matches every pod, and none matches no pod. */
export function selects(
  selector: DeepReadonly<LabelSelector> | undefined,
  labels: Readonly<Record<string, string>>,
): boolean {
  if (!selector) return false;
  const exact = Object.entries(selector.matchLabels ?? {}).every(([key, value]) => labels[key] === value);
  return exact && (selector.matchExpressions ?? []).every((each) => matches(each, labels));
}

function matches(
  { key, operator, values = [] }: DeepReadonly<NonNullable<LabelSelector["matchExpressions"]>[number]>,
  labels: Readonly<Record<string, string>>,
): boolean {
  const value = labels[key];
  switch (operator) {
    case "In":
      return value !== undefined && values.includes(value);
    case "NotIn":
      return value === undefined || !values.includes(value);
    case "Exists":
      return value !== undefined;
    case "DoesNotExist":
      return value === undefined;
  }
}
