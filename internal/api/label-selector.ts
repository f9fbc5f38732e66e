import type { DeepReadonly, LabelSelector } from "./core.ts";

/** As the API server matches labels: in policy/v1 an empty selector matches every object, and none matches no object. */
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
