import { expect, test } from "bun:test";
import type { LabelSelector, Pod, PodDisruptionBudget } from "../../api/core.ts";
import { selects } from "../../api/label-selector.ts";
import { blockingBudgets } from "./budgets.ts";

const labels = { app: "web", tier: "front" };

test.each<[string, LabelSelector | undefined, boolean]>([
  ["no selector selects nothing", undefined, false],
  ["an empty selector selects everything", {}, true],
  ["equal labels", { matchLabels: { app: "web" } }, true],
  ["one label that differs", { matchLabels: { app: "web", tier: "back" } }, false],
  ["In", { matchExpressions: [{ key: "app", operator: "In", values: ["db", "web"] }] }, true],
  ["In without the label", { matchExpressions: [{ key: "zone", operator: "In", values: ["a"] }] }, false],
  ["NotIn", { matchExpressions: [{ key: "app", operator: "NotIn", values: ["web"] }] }, false],
  ["NotIn without the label", { matchExpressions: [{ key: "zone", operator: "NotIn", values: ["a"] }] }, true],
  ["Exists", { matchExpressions: [{ key: "tier", operator: "Exists" }] }, true],
  ["DoesNotExist", { matchExpressions: [{ key: "tier", operator: "DoesNotExist" }] }, false],
  [
    "labels and an expression that fails",
    { matchLabels: { app: "web" }, matchExpressions: [{ key: "tier", operator: "DoesNotExist" }] },
    false,
  ],
])("%s", (_, selector, want) => {
  expect(selects(selector, labels)).toBe(want);
});

function budget(name: string, namespace: string, allowed: number | undefined): PodDisruptionBudget {
  return {
    apiVersion: "policy/v1",
    kind: "PodDisruptionBudget",
    metadata: { name, namespace },
    spec: { selector: { matchLabels: { app: "web" } } },
    ...(allowed === undefined ? {} : { status: { disruptionsAllowed: allowed } }),
  };
}

test("only budgets of the pod's namespace that allow nothing now hold it", () => {
  const pod: Pod = { apiVersion: "v1", kind: "Pod", metadata: { name: "web-0", namespace: "a", labels } };
  const budgets = [
    budget("spent", "a", 0),
    budget("unseen", "a", undefined),
    budget("free", "a", 1),
    budget("other", "b", 0),
  ];
  expect(blockingBudgets(pod, budgets)).toEqual([
    "budget spent allows no disruption now",
    "budget unseen allows no disruption now",
  ]);
});
