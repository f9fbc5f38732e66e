import { expect, test } from "bun:test";
import { Registry } from "../../probes/prom-client.ts";
import type { KubeObject } from "../../api/core.ts";
import { NODE_REASON } from "../../api/reasons.ts";
import type { NodeFacts } from "../assess/facts.ts";
import { planRollout } from "../rollout/plan.ts";
import { bare, holder, module, NOW, policy, whole } from "../testing/facts.ts";
import { createLogger } from "../../cli/log.ts";
import { RolloutLog } from "./rollout-log.ts";
import { EventReporter, type PreviousNodes } from "./events.ts";
import { OperatorMetrics } from "./metrics.ts";

const KEY = { namespace: "ns", name: "o" };
/** Nothing has been told of this one. */
const NEW: KubeObject = { apiVersion: "onload.amd.com/v1alpha1", kind: "Onload", metadata: { ...KEY, uid: "u" } };
/** Another process has looked at this one. */
const known = (...problems: { node: string; reason: string }[]) => ({
  ...NEW,
  status: { observedGeneration: 1, problems },
});
const ONLOAD = known();

/** A reporter, what it has told, and the lines of its log. */
function reporting() {
  const lines: Record<string, unknown>[] = [];
  const time = { now: NOW };
  const log = createLogger({ format: "json", write: (line) => void lines.push(JSON.parse(line)) });
  const told: { type: string; reason: string; note: string }[] = [];
  const registry = new Registry();
  const sink = { record: (_: unknown, event: { type: string; reason: string; note: string }) => void told.push(event) };
  return {
    reporter: new EventReporter(sink, new OperatorMetrics(registry, "1"), new RolloutLog(log, () => time.now)),
    registry,
    told,
    lines,
    time,
  };
}

/** What is told of plans of these nodes, one after the other, as `TYPE REASON node`. */
function toldOf(onload: KubeObject, ...plans: NodeFacts[][]): string[][] {
  const { reporter, told } = reporting();
  let previous: PreviousNodes | undefined;
  return plans.map((nodes) => {
    const plan = planRollout(nodes, policy, NOW);
    previous = reporter.reportPlan(
      onload,
      KEY,
      previous,
      plan,
      [],
      { ready: true, degraded: false, status: "AllNodesReady" },
      NOW,
    );
    return told.splice(0).map(({ type, reason, note }) => `${type} ${reason} ${/^Node (\S+):/.exec(note)?.[1]}`);
  });
}

const loading = (name: string): NodeFacts => bare({ name, labels: { plugin: "v2", onload: "v2", sfc: undefined } });
const failed = (name: string): NodeFacts => {
  const failure = { reason: NODE_REASON.ModuleLoadFailed, message: "no such symbol" };
  return { ...loading(name), onload: { ...module(undefined), failure } };
};
const ready = (name: string): NodeFacts => whole("v2", { name });

const FAILED_B = { node: "b", reason: "ModuleLoadFailed" };

test("the first plan of a process tells nothing that is in the status; what changes afterwards is told once", () => {
  const plans = [[ready("a"), failed("b"), loading("c")], [ready("a"), failed("b"), ready("c")], [ready("c")]];
  expect(toldOf(known(FAILED_B), ...plans)).toEqual([
    [],
    ["Normal NodeReady c"],
    ["Normal NodeCleaned a", "Normal NodeCleaned b"],
  ]);
});

test("what has happened between two processes is told", () => {
  const others = ["a", "d"].map((node) => ({ ...FAILED_B, node }));
  for (const before of [[], others, [{ node: "b", reason: "ImagePullFailed" }]]) {
    expect(toldOf(known(...before), [ready("a"), failed("b")], [ready("a"), failed("b")])).toEqual([
      ["Warning ModuleLoadFailed b"],
      [],
    ]);
  }
});

test("where the status had no room for more, nothing is told twice", () => {
  const full = Array.from({ length: 10 }, (_, i) => ({ ...FAILED_B, node: `n${i}` }));
  expect(toldOf(known(...full), [failed("b")])).toEqual([[]]);
});

test("of a new resource everything is told", () => {
  const all = ["Normal NodeReady a", "Warning ModuleLoadFailed b"];
  for (const status of [undefined, { observedGeneration: -1 }]) {
    const made = status === undefined ? NEW : { ...NEW, status };
    expect(toldOf(made, [ready("a"), failed("b"), loading("c")], [ready("a"), failed("b")])).toEqual([
      all,
      ["Normal NodeCleaned c"],
    ]);
  }
});

test("a node that joins later has changed", () => {
  expect(toldOf(ONLOAD, [], [ready("a")], [ready("a")])).toEqual([[], ["Normal NodeReady a"], []]);
});

test("a failure is a warning, and told once", () => {
  expect(toldOf(ONLOAD, [loading("a")], [failed("a")], [failed("a")])).toEqual([
    [],
    ["Warning ModuleLoadFailed a"],
    [],
  ]);
});

test.each([
  ["evicted", "", ["Normal PodEvicted Node n: evicted pod a/p"]],
  ["deleted", "", ["Normal PodEvicted Node n: deleted pod a/p"]],
  ["refused", "the budget web", ["Warning EvictionBlocked Node n: could not evict pod a/p: the budget web"]],
  ["failed", "no answer", ["Warning EvictionBlocked Node n: could not evict pod a/p: no answer"]],
  ["gone", "", []],
] as const)("an eviction that ends with %s", (result, message, expected) => {
  const { reporter, told } = reporting();
  reporter.reportEviction(ONLOAD, "n", holder(), result, message);
  expect(told.map(({ type, reason, note }) => `${type} ${reason} ${note}`)).toEqual([...expected]);
});

test("the log has one line for each thing that happens, with resource, node and version", () => {
  const { reporter, lines } = reporting();
  const resource = { ...ONLOAD, spec: { onload: { version: "v2" } } };
  const of = (nodes: NodeFacts[]) => planRollout(nodes, policy, NOW);
  const flags = { ready: false, degraded: false, status: "Upgrading" };
  const outdated = whole("v1", { name: "a", want: "v2" });
  const step = { plan: of([outdated]).nodes[0]!, step: "UnlabelPlugin" as const };
  let previous = reporter.reportPlan(resource, KEY, undefined, of([outdated]), [step], flags, NOW);
  previous = reporter.reportPlan(resource, KEY, previous, of([loading("a")]), [], flags, NOW);
  for (let i = 0; i < 3; i++)
    previous = reporter.reportPlan(resource, KEY, previous, of([failed("a")]), [], flags, NOW);
  reporter.reportPlan(resource, KEY, previous, of([ready("a")]), [], flags, NOW);
  expect(lines.map(({ ts: _, ...line }) => line)).toEqual([
    {
      level: "info",
      msg: "Node a: taken out of service for version v2: stopping device plugin v1",
      reason: "PluginRemoved",
      ...KEY,
      node: "a",
      version: "v2",
    },
    {
      level: "warn",
      msg: expect.stringContaining("Node a: at LoadingOnload: no such symbol"),
      reason: "ModuleLoadFailed",
      ...KEY,
      node: "a",
      version: "v2",
    },
    {
      level: "info",
      msg: "Node a: runs v2 and offers amd.com/onload",
      reason: "NodeReady",
      ...KEY,
      node: "a",
      version: "v2",
    },
  ]);
});

test("a refusal that is repeated is told once in ten minutes, whatever it counts", () => {
  const { reporter, lines, time } = reporting();
  for (let i = 0; i < 250; i++) {
    reporter.reportEviction(ONLOAD, "n", holder(), "refused", `needs ${i} pods`);
    time.now += 5000;
  }
  expect(lines.map(({ msg }) => msg)).toEqual(
    [0, 120, 240].map((i) => `Node n: could not evict pod a/p: needs ${i} pods`),
  );
  reporter.reportEviction(ONLOAD, "n", holder(), "evicted", "");
  expect(lines.at(-1)).toMatchObject({
    level: "info",
    reason: "PodEvicted",
    msg: "Node n: evicted pod a/p",
    node: "n",
  });
});

test("what keeps nodes waiting is told once for all of them", () => {
  const { reporter, lines } = reporting();
  const flags = { ready: false, degraded: false, status: "Upgrading" };
  const outdated = (count: number) =>
    planRollout(
      Array.from({ length: count }, (_, i) => whole("v1", { name: `n${i}`, want: "v2" })),
      policy,
      NOW,
    );
  for (const count of [500, 400, 3]) reporter.reportPlan(ONLOAD, KEY, new Map(), outdated(count), [], flags, NOW);
  const waits = lines.filter(({ reason }) => reason === "NoFreeSlot");
  expect(waits).toHaveLength(1);
  expect(waits[0]).toMatchObject({ level: "info", ...KEY, nodes: 499, version: "v2" });
  expect(waits[0]!["msg"]).toStartWith("499 nodes wait: NoFreeSlot: ");
});

test("a thousand failures that alternate do not flood the log", () => {
  const { reporter, lines } = reporting();
  const text = { type: "Warning", reason: "ApplyFailed", note: "Degraded is True: refused" } as const;
  for (let i = 0; i < 1000; i++) reporter.report(ONLOAD, text);
  expect(lines).toHaveLength(1);
});

test("a state in which nothing is left to do has no duration, however long a node is in it", async () => {
  const { reporter, registry } = reporting();
  let previous: PreviousNodes | undefined;
  const hour = 3_600_000;
  for (const [nodes, at] of [
    [[loading("n1")], NOW],
    [[whole("v2", { name: "n1" })], NOW + 5000],
    [[whole("v1", { name: "n1" })], NOW + hour],
  ] as const) {
    const flags = { ready: true, degraded: false, status: "AllNodesReady" };
    previous = reporter.reportPlan(ONLOAD, KEY, previous, planRollout(nodes, policy, at), [], flags, at);
  }
  const { values } = (await registry.getSingleMetric("onload_operator_step_duration_seconds")!.get()) as {
    values: { metricName?: string; labels: { state?: string }; value: number }[];
  };
  const sums = values.filter(({ metricName }) => metricName?.endsWith("_sum"));
  expect(sums.map(({ labels, value }) => [labels.state, value])).toEqual([["LoadingOnload", 5]]);
});

test("an event names the node that it is about, or the pod", () => {
  const related: unknown[] = [];
  const sink = { record: (_: unknown, event: { related?: unknown }) => void related.push(event.related) };
  const log = new RolloutLog(createLogger({ write: () => undefined }), () => NOW);
  const reporter = new EventReporter(sink, new OperatorMetrics(new Registry(), "1"), log);
  const flags = { ready: false, degraded: false, status: "Installing" };
  reporter.reportPlan(NEW, KEY, undefined, planRollout([ready("a")], policy, NOW), [], flags, NOW);
  reporter.reportEviction(ONLOAD, "n", holder({ uid: "u-7" }), "evicted", "");
  reporter.report(ONLOAD, { type: "Normal", reason: "Installing", note: "x" });
  expect(related).toEqual([
    { apiVersion: "v1", kind: "Node", name: "a" },
    { apiVersion: "v1", kind: "Pod", namespace: "a", name: "p", uid: "u-7" },
    undefined,
  ]);
});

test("steps, failures and evictions are counted; a failure that the process before has told is not counted again", async () => {
  const { reporter, registry } = reporting();
  const value = async (name: string): Promise<unknown[]> =>
    (await registry.getSingleMetric(`onload_operator_${name}`)!.get()).values
      .filter((each) => each.value > 0)
      .map(({ labels, value }) => [labels["step"] ?? labels["reason"] ?? labels["result"], value]);
  const flags = { ready: false, degraded: false, status: "Installing" };
  const plan = planRollout([failed("b"), loading("c")], policy, NOW);
  const step = { plan: plan.nodes[1]!, step: "LabelOnload" as const };
  let previous = reporter.reportPlan(known(FAILED_B), KEY, undefined, plan, [step, step], flags, NOW);
  expect(await value("steps_total")).toEqual([["LabelOnload", 2]]);
  expect(await value("node_failures_total")).toEqual([]);
  for (let i = 0; i < 2; i++) {
    const next = planRollout([failed("b"), failed("c")], policy, NOW);
    previous = reporter.reportPlan(known(FAILED_B), KEY, previous, next, [], flags, NOW);
  }
  expect(await value("node_failures_total")).toEqual([["ModuleLoadFailed", 1]]);
  reporter.reportEviction(ONLOAD, "n", holder(), "deleted", "");
  expect(await value("evictions_total")).toEqual([["deleted", 1]]);
});

test("a resource that is gone leaves no series, and is told anew if it is made again", async () => {
  const { reporter, registry, lines, time } = reporting();
  const flags = { ready: false, degraded: false, status: "Upgrading" };
  const waiting = planRollout(
    ["a", "b"].map((name) => whole("v1", { name })),
    policy,
    NOW,
  );
  const waits = (): number => lines.filter(({ reason }) => reason === "NoFreeSlot").length;
  reporter.reportPlan(ONLOAD, KEY, new Map(), waiting, [], flags, NOW);
  reporter.forget(KEY);
  expect(await registry.metrics()).not.toContain('onload_name="o"');
  time.now += 3_600_000;
  reporter.reportPlan(ONLOAD, KEY, new Map(), waiting, [], flags, NOW);
  expect(waits()).toBe(2);
});
