import { expect, test } from "bun:test";
import { REASON, type Reason } from "../../api/reasons.ts";
import { NOW, plugin, whole } from "../testing/facts.ts";
import { acts, moment } from "../testing/moments.ts";
import { NO_ANSWERS } from "./evictions.ts";
import { asCarriedOut } from "./held.ts";
import { describePlan } from "./plan-view.ts";
import type { Serving } from "./serving.ts";
import type { ObservedResource } from "./session.ts";
import { describeStatus, type NodeStatus } from "./status-view.ts";

function held(reason: Reason, changes: object = {}, serving: Serving = acts): ObservedResource {
  const nodes = [
    whole("v1", { name: "older" }),
    whole("v2", { name: "stale", plugin: { ...plugin(), current: false } }),
  ];
  const problems = [{ reason, message: "because" }];
  const { observed } = moment({ nodes, policy: { maxUnavailable: 2 }, input: { problems }, says: ["", "", 0, 0] });
  const raw = { ...observed.raw, ...changes };
  const planned = observed.planned!;
  return { ...observed, raw, planned: { ...planned, plan: asCarriedOut(raw, serving, planned.plan) } };
}

const rows = (resource: ObservedResource): Pick<NodeStatus, "step" | "why">[] =>
  describeStatus([resource], NOW)[0]!.nodes.map(({ step, why }) => ({ step, why }));

test.each([REASON.ServiceAccountMissing, REASON.ApplyFailed])(
  "%s: nodes that serve are not said to be next, and wait for what the resource lacks",
  (reason) => {
    const resource = held(reason);
    for (const { step, why } of rows(resource)) {
      expect(step).toBe("NotApplied");
      expect(why).toMatch(
        /could not be applied, or the ServiceAccount is missing; see the resource's condition Degraded$/,
      );
    }
    const plan = describePlan(resource, { holders: new Map(), budgets: [], evictions: NO_ANSWERS }, true);
    expect(plan.nodes.map(({ turn, next }) => [turn, next])).toEqual([
      [-1, "NotApplied"],
      [-1, "NotApplied"],
    ]);
  },
);

test("other problems, a status of an earlier spec, and one that nobody keeps up to date, hold no node", () => {
  const steps = (resource: ObservedResource): string[] => rows(resource).map(({ step }) => step);
  const { metadata } = held(REASON.ChangeHeldBack).raw;
  expect(steps(held(REASON.ChangeHeldBack))).not.toContain("NotApplied");
  expect(steps(held(REASON.ServiceAccountMissing, { metadata: { ...metadata, generation: 4 } }))).not.toContain(
    "NotApplied",
  );
  const silent: Serving = { state: "silent", message: "No operator acts", elected: true };
  expect(steps(held(REASON.ServiceAccountMissing, {}, silent))).not.toContain("NotApplied");
});
