/** What a monitoring system reads of a resource, and that its series end with it. */
import { beforeEach, describe, expect, test } from "bun:test";
import { Registry } from "../../probes/prom-client.ts";
import { NODE_REASON } from "../../api/reasons.ts";
import type { NodeFacts } from "../assess/facts.ts";
import type { NodePlan } from "../rollout/node-plan.ts";
import { planRollout } from "../rollout/plan.ts";
import { bare, module, NOW, policy, stepRecord, whole } from "../testing/facts.ts";
import { OperatorMetrics, type ConditionFlags } from "./metrics.ts";

const KEY = { namespace: "ns", name: "o" };
const OF = 'onload_namespace="ns",onload_name="o"';
const READY: ConditionFlags = { ready: true, degraded: false, status: "AllNodesReady" };

let registry: Registry;
let metrics: OperatorMetrics;
beforeEach(() => {
  registry = new Registry();
  metrics = new OperatorMetrics(registry, "1.2.3");
});

/** The lines of a metric, less the part of its name that all have. */
async function lines(name: string): Promise<string[]> {
  const text = await registry.metrics();
  return text
    .split("\n")
    .filter((line) => line.startsWith(`onload_operator_${name}`))
    .map((line) => line.replace("onload_operator_", ""));
}

const plansOf = (...nodes: NodeFacts[]): readonly NodePlan[] => planRollout(nodes, policy, NOW).nodes;
const failure = { reason: NODE_REASON.ModuleLoadFailed, message: "m" };
const labels = { plugin: "v2", onload: "v2", sfc: undefined };
const failed = bare({ name: "f", labels, onload: { ...module(), failure }, stepRecord: stepRecord() });

test("the version is told", async () => {
  expect(await lines("build_info")).toEqual(['build_info{version="1.2.3"} 1']);
});

test("nodes are counted by state, and a state without a node is told as such, so that it can be seen to fill", async () => {
  metrics.planned(KEY, plansOf(whole("v2"), whole("v2", { name: "b" }), failed), READY);
  const counted = await lines("nodes{");
  expect(counted).toContain(`nodes{${OF},state="Ready"} 2`);
  expect(counted).toContain(`nodes{${OF},state="LoadingOnload"} 1`);
  expect(counted).toContain(`nodes{${OF},state="Draining"} 0`);
  metrics.planned(KEY, plansOf(whole("v2")), READY);
  expect(await lines("nodes{")).toContain(`nodes{${OF},state="LoadingOnload"} 0`);
});

test("a node that has failed is told, and one that has another problem is not", async () => {
  metrics.planned(KEY, plansOf(failed, whole("v1", { name: "b", cordoned: true })), READY);
  expect(await lines("nodes_failed")).toEqual([`nodes_failed{${OF}} 1`]);
});

describe("conditions", () => {
  const shown = async (): Promise<string[]> => [
    ...(await lines("onload_ready")),
    ...(await lines("degraded")),
    ...(await lines("onload_status")),
  ];
  test.each<[string, ConditionFlags, number, number]>([
    ["all is well", READY, 1, 0],
    ["all nodes are ready, and something needs a person", { ready: true, degraded: true, status: "S" }, 1, 1],
    ["it is being installed", { ready: false, degraded: false, status: "Installing" }, 0, 0],
  ])("of a resource where %s", async (_what, flags, ready, degraded) => {
    metrics.planned(KEY, [], flags);
    expect(await shown()).toEqual([
      `onload_ready{${OF}} ${ready}`,
      `degraded{${OF}} ${degraded}`,
      `onload_status{${OF},status="${flags.status}"} 1`,
    ]);
  });
  test("of a resource for which nothing is done, whose nodes are as they were", async () => {
    metrics.planned(KEY, plansOf(whole("v2")), READY);
    await shown();
    metrics.untouched(KEY, "InvalidSpec");
    expect(await shown()).toEqual([
      `onload_ready{${OF}} 0`,
      `degraded{${OF}} 1`,
      `onload_status{${OF},status="InvalidSpec"} 1`,
    ]);
    expect(await lines("nodes{")).toContain(`nodes{${OF},state="Ready"} 1`);
  });
});

test("durations are in seconds", async () => {
  metrics.planned(KEY, [], READY);
  metrics.leftState("LoadingOnload", 2500);
  metrics.upgraded(KEY, 90_000);
  expect(await lines("step_duration_seconds_sum")).toEqual(['step_duration_seconds_sum{state="LoadingOnload"} 2.5']);
  expect(await lines("upgrade_duration_seconds_sum")).toEqual([`upgrade_duration_seconds_sum{${OF}} 90`]);
});

test("evictions are told before there is any, so that the first is seen to be one more", async () => {
  metrics.planned(KEY, [], READY);
  const results = ["evicted", "deleted", "gone", "refused", "failed"];
  const of = (counts: number[]): string[] =>
    results.map((result, i) => `evictions_total{${OF},result="${result}"} ${counts[i]}`);
  expect(await lines("evictions_total")).toEqual(of([0, 0, 0, 0, 0]));
  metrics.evicted(KEY, "refused");
  metrics.evicted(KEY, "refused");
  expect(await lines("evictions_total")).toEqual(of([0, 0, 0, 2, 0]));
});

test("all series of a resource end with it, and those of another stay", async () => {
  const other = { namespace: "ns", name: "other" };
  for (const key of [KEY, other]) {
    metrics.planned(key, plansOf(failed), READY);
    metrics.step(key, "Install");
    metrics.step(key, "LabelOnload");
    metrics.nodeFailed(key, "ModuleLoadFailed");
    metrics.nodeFailed(key, "ImagePullFailed");
    metrics.evicted(key, "evicted");
    metrics.upgraded(key, 1000);
  }
  const seriesOf = async (name: string): Promise<string[]> =>
    (await registry.metrics()).split("\n").filter((line) => line.includes(`onload_name="${name}"`));
  const before = await seriesOf("other");
  expect(before.length).toBeGreaterThan(30);
  expect(await seriesOf("o")).toHaveLength(before.length);
  metrics.forget(KEY);
  expect(await seriesOf("o")).toEqual([]);
  expect(await seriesOf("other")).toEqual(before);
});
