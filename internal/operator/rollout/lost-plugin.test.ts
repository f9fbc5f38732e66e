/** A node that has served for long, and whose device plugin's pod goes: somebody deletes it, or it is evicted. */
import { expect, test } from "bun:test";
import type { NodeFacts } from "../assess/facts.ts";
import { parseStepRecord, stepRecordAnnotation } from "../observe/step-record.ts";
import { NOW, plugin, policy, stepRecord, whole } from "../testing/facts.ts";
import { KMM_1 } from "../testing/kmm.ts";
import { isDue, nodePatch } from "./patch.ts";
import type { NodePlan } from "./node-plan.ts";
import { planRollout } from "./plan.ts";

const KEY = { namespace: "ns", name: "o" };
const { limits } = policy;
const DAY_MS = 24 * 3600_000;
const planOf = (facts: NodeFacts, now = NOW): NodePlan => planRollout([facts], policy, now).nodes[0]!;
const served = (changes: Partial<NodeFacts> = {}): NodeFacts =>
  whole("v2", { stepRecord: stepRecord("LabelPlugin", DAY_MS), ...changes });
const gone = { ...plugin(false), present: false, since: undefined };
const ending = { ...gone, present: true, goneBy: NOW + 10_000 };

test.each([
  ["is ending", ending],
  ["is gone", gone],
])("a pod that %s has a step's time to be made anew, which is written down once", (_what, lost) => {
  const plan = planOf(served({ plugin: lost }));
  expect(plan).toMatchObject({ state: "StartingPlugin", problem: undefined, deadline: undefined });
  expect(isDue(plan)).toBeTrue();
  const { annotations, labels } = nodePatch(plan, KEY, KMM_1, policy.attempt, NOW)!.metadata;
  expect(labels).toBeUndefined();
  const record = parseStepRecord(annotations[stepRecordAnnotation(KEY)]!)!;
  expect(record).toMatchObject({ step: "LabelPlugin", since: NOW, attempt: policy.attempt });
  // The kubelet has not noticed yet, and then it has.
  expect(isDue(planOf(served({ plugin: lost, stepRecord: record }), NOW + 1000))).toBeFalse();
  const later = served({ plugin: lost, stepRecord: record, allocatable: 0 });
  expect(planOf(later, NOW + limits.step - 1).problem).toBeUndefined();
  expect(planOf(later, NOW + limits.step).problem).toMatchObject({ reason: "PluginNotReady", failed: true });
});

test("a pod that ends and never has ended, and is still offered, has a step's time from then on", () => {
  let record = stepRecord("LabelPlugin", DAY_MS);
  let writes = 0;
  const failsBy = NOW + 60_000 + limits.step;
  for (let now = NOW; now < failsBy; now += 10_000) {
    const plan = planOf(served({ plugin: ending, stepRecord: record }), now);
    expect(plan.deadline ?? 0).toBeLessThan(failsBy);
    const text = nodePatch(plan, KEY, KMM_1, policy.attempt, now)?.metadata.annotations[stepRecordAnnotation(KEY)];
    if (text) record = parseStepRecord(text)!;
    if (text) writes++;
  }
  expect(writes).toBeLessThanOrEqual(2);
  expect(planOf(served({ plugin: ending, stepRecord: record }), failsBy).problem).toMatchObject({ failed: true });
});

test("a pod that a step has taken away is not waited for anew", () => {
  const plan = planOf(served({ plugin: gone, stepRecord: stepRecord("ReplacePlugin", 5000) }));
  expect(plan).toMatchObject({ problem: undefined, deadline: NOW - 5000 + limits.step });
  expect(isDue(plan)).toBeFalse();
});

test("a pod that stays and is not Ready has no time but its own", () => {
  const slow = { ...plugin(false), since: NOW - limits.step };
  expect(planOf(served({ plugin: slow })).problem).toMatchObject({ failed: true });
});
