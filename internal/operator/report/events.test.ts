import { expect, test } from "bun:test";
import { Registry } from "prom-client";
import type { KubeObject } from "../../api/core.ts";
import { NODE_REASON } from "../../api/reasons.ts";
import type { NodeFacts } from "../assess/facts.ts";
import { planRollout } from "../rollout/plan.ts";
import { bare, holder, module, NOW, policy, whole } from "../testing/facts.ts";
import { EventReporter, type PreviousNodes } from "./events.ts";
import { OperatorMetrics } from "./metrics.ts";

const KEY = { namespace: "ns", name: "o" };
const ONLOAD: KubeObject = { apiVersion: "onload.amd.com/v1alpha1", kind: "Onload", metadata: { ...KEY, uid: "u" } };

/** A reporter, and what it has told. */
function reporting(): { reporter: EventReporter; told: { type: string; reason: string; note: string }[] } {
  const told: { type: string; reason: string; note: string }[] = [];
  const sink = { record: (_: unknown, event: { type: string; reason: string; note: string }) => void told.push(event) };
  return { reporter: new EventReporter(sink, new OperatorMetrics(new Registry())), told };
}

/** What is told of plans of these nodes, one after the other, as `TYPE REASON node`. */
function toldOf(...plans: NodeFacts[][]): string[][] {
  const { reporter, told } = reporting();
  let previous: PreviousNodes | undefined;
  return plans.map((nodes) => {
    const plan = planRollout(nodes, policy, NOW);
    previous = reporter.reportPlan(ONLOAD, KEY, previous, plan, [], { ready: true, degraded: false }, NOW);
    return told.splice(0).map(({ type, reason, note }) => `${type} ${reason} ${/^Node (\S+):/.exec(note)?.[1]}`);
  });
}

const loading = (name: string): NodeFacts => bare({ name, labels: { plugin: "v2", onload: "v2", sfc: undefined } });
const failed = (name: string): NodeFacts => {
  const failure = { reason: NODE_REASON.ModuleLoadFailed, message: "no such symbol" };
  return { ...loading(name), onload: { ...module(undefined), failure } };
};
const ready = (name: string): NodeFacts => whole("v2", { name });

test("the first plan of a process tells of no node; what changes afterwards is told once", () => {
  expect(toldOf([ready("a"), failed("b"), loading("c")], [ready("a"), failed("b"), ready("c")], [ready("c")])).toEqual([
    [],
    ["Normal NodeReady c"],
    ["Normal NodeCleaned a", "Normal NodeCleaned b"],
  ]);
});

test("a node that joins later has changed", () => {
  expect(toldOf([], [ready("a")], [ready("a")])).toEqual([[], ["Normal NodeReady a"], []]);
});

test("a failure is a warning, and told once", () => {
  expect(toldOf([loading("a")], [failed("a")], [failed("a")])).toEqual([[], ["Warning ModuleLoadFailed a"], []]);
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
