import type { DeepReadonly, LabelSelector } from "./core.ts";

/** As the API server matches labels: in policy/v1 an empty selector matches every object, and none matches no object. */
export function selects(
  selector: DeepReadonly<LabelSelector> | undefined,
  labels: Readonly<Record<string, string>>,
): boolean {
  if (!selector) return false;
  return (
    hasLabels(selector.matchLabels ?? {}, labels) &&
    (selector.matchExpressions ?? []).every((each) => matches(each, labels))
  );
}

/** Whether an object has all of some labels, each with that value: a nodeSelector, and the selectors of Onload and of Modules. */
export function hasLabels(wanted: Readonly<Record<string, string>>, labels: Readonly<Record<string, string>>): boolean {
  return Object.entries(wanted).every(([key, value]) => labels[key] === value);
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
