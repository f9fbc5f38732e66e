import { expect, test } from "bun:test";
import fc from "fast-check";
import { NODE_REASON } from "../../api/reasons.ts";
import type { NodeFacts } from "../assess/facts.ts";
import { anyNode, anyPolicy } from "../testing/any-facts.ts";
import { NOW, policy, whole } from "../testing/facts.ts";
import type { Policy } from "./node-plan.ts";
import { planRollout, QuietPlans } from "./plan.ts";

/** Milliseconds around those at which something ends or begins to be believed. */
const shift = fc.oneof(fc.integer({ min: -700_000, max: 700_000 }), fc.constantFrom(-60_000, -30_000, 0, 5000, 5001));

/** A failure on record, of which it depends on the time whether it still holds, as of a plugin that runs again. */
const failure: fc.Arbitrary<NodeFacts["failureRecord"]> = fc.option(
  fc.record({
    state: fc.constantFrom("StartingPlugin", "LoadingOnload", "Draining"),
    version: fc.constantFrom("v1", "v2"),
    attempt: fc.constantFrom("1", "0"),
    reason: fc.constantFrom(NODE_REASON.PluginNotReady, NODE_REASON.ModuleLoadFailed, NODE_REASON.NodeNotReady),
    message: fc.constant("no"),
    since: fc.constant(NOW - 1000),
  }),
  { nil: undefined },
);

/** A node whose times are not all of one moment, as records of ours and what others wrote are. */
const timedNode: fc.Arbitrary<NodeFacts> = fc
  .tuple(anyNode, fc.array(shift, { minLength: 5, maxLength: 5 }), failure, fc.boolean())
  .map(([facts, [record = 0, ready = 0, plugin = 0, onload = 0, sfc = 0], failureRecord, retried]) => ({
    ...facts,
    failureRecord,
    readySince: NOW + ready,
    stepRecord: facts.stepRecord && {
      ...facts.stepRecord,
      since: NOW + record,
      ...(retried ? { retried: true as const } : {}),
    },
    plugin: { ...facts.plugin, since: facts.plugin.since && NOW + plugin },
    onload: { ...facts.onload, since: NOW + onload },
    sfc: { ...facts.sfc, since: NOW + sfc },
  }));

/** When to plan next, in milliseconds after the plan before, and which nodes are there then: each may hold a slot. */
const looks = fc.array(fc.tuple(fc.oneof(fc.nat(2000), fc.nat(700_000)), fc.nat(15)), { minLength: 2, maxLength: 6 });

test("what plans leave for later plans changes none, whatever the time and the other nodes", () => {
  const nodes = fc.array(timedNode, { minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(nodes, anyPolicy, looks, fc.nat(2_000_000), (drawn, rules, steps, stalledBefore) => {
      const facts = drawn.map((each, i) => ({ ...each, name: `n${i}` }));
      const under: Policy = { ...rules, stalledSince: NOW - stalledBefore };
      const quiet = new QuietPlans();
      let now = NOW;
      for (const [step, gone] of steps) {
        const present = facts.filter((_, i) => ((gone >> i) & 1) === 0);
        expect(planRollout(present, under, now, quiet)).toEqual(planRollout(present, under, now));
        now += step;
      }
    }),
    { numRuns: Number(process.env["QUIET_RUNS"] ?? 3000) },
  );
});

test("a node for which no time counts is planned once, and one that waits with a limit each time", () => {
  const [quietOne, timed] = [whole("v2", { name: "n1" }), whole("v2", { name: "n2", ready: false, readySince: NOW })];
  const quiet = new QuietPlans();
  const before = planRollout([quietOne, timed], policy, NOW, quiet);
  const after = planRollout([quietOne, timed], policy, NOW + policy.limits.step, quiet);
  expect(after.nodes[0]).toBe(before.nodes[0]);
  expect(after.nodes[1]).not.toEqual(before.nodes[1]);
});
