import { describe, expect, test } from "bun:test";
import type { NodeFacts } from "../assess/facts.ts";
import { bare, holder, NOW, policy, stepRecord, whole } from "../testing/facts.ts";
import type { NodePlan } from "./node-plan.ts";
import { planRollout } from "./plan.ts";
import { policyFor } from "./policy.ts";
import { selectorChange } from "./selector-change.ts";

const HELD = { pool: "trade" };
const onloadSpec = {
  selector: HELD,
  upgrade: { maxUnavailable: 1, paused: false, drain: { timeoutSeconds: 1, force: false }, stepTimeoutSeconds: 1 },
};

interface Resource {
  uid?: string;
  generation?: number;
  selector?: Record<string, string>;
  annotations?: Record<string, string>;
}

/** A resource whose selector has just been changed. */
const changed = ({ uid = "u1", generation = 7, selector = { pool: "tarde" }, annotations = {} }: Resource) => ({
  metadata: { name: "main", namespace: "trading", uid, generation, annotations },
  spec: { selector },
  status: { selector: HELD },
});

/** Nodes that the new selector lets go of, each with a pod that holds Onload. */
const nodes: readonly NodePlan[] = planRollout(
  ["n1", "n2"].map((name) => whole("v1", { name, letGo: true, holders: [holder()] })),
  policy,
  NOW,
).nodes;

const decide = (resource: Resource) => selectorChange(changed(resource), nodes, 1, true);

/** The annotation that a person pastes from the status. */
function advised(resource: Resource): Record<string, string> {
  const text = decide(resource).heldBack ?? "";
  const [, name, value] = /kubectl annotate onload main -n trading (\S+)=(\S+) --overwrite$/.exec(text) ?? [];
  expect(value).toMatch(/^[\w-]{1,63}$/);
  return { [name!]: value! };
}

test("nodes that have lost their labels are let go once the advised annotation is set", () => {
  const { attempt, pauseKnown, templateSeen, pluginImageKnown, kmmSkipsCordoned, clockSetAt, unanswered } = policy;
  const lost = ["n1", "n2"].map((name) => whole("v1", { name, want: undefined, holders: [holder()] }));
  const letGoConfirmed = (annotations: Record<string, string>, deletionTimestamp?: string): boolean => {
    const { metadata } = changed({ annotations });
    const raw = { metadata: { ...metadata, ...(deletionTimestamp ? { deletionTimestamp } : {}) }, spec: onloadSpec };
    return policyFor(raw as never, lost, {
      attempt,
      pauseKnown,
      templateSeen,
      pluginImageKnown,
      kmmSkipsCordoned,
      clockSetAt,
      unanswered,
    }).letGoConfirmed;
  };
  const plan = planRollout(lost, { ...policy, letGoConfirmed: false }, NOW);
  expect(plan.nodes.map(({ step, gate }) => [step, gate])).toEqual([
    ["None", "NotConfirmed"],
    ["None", "NotConfirmed"],
  ]);
  const resource = { ...changed({ selector: HELD }), spec: onloadSpec };
  const { selector, heldBack } = selectorChange(resource, plan.nodes, 1, true);
  expect(selector).toEqual(HELD);
  expect(heldBack).toStartWith("2 nodes that serve pods have lost the labels of spec.selector (n1, n2)");
  const [, name, value] = /(onload\.amd\.com\/\S+)=(\S+) --overwrite$/.exec(heldBack ?? "") ?? [];
  expect(letGoConfirmed({})).toBe(false);
  expect(letGoConfirmed({ [name!]: value! })).toBe(true);
  expect(letGoConfirmed({}, "2026-01-01T00:00:00Z")).toBe(true);
});

test("a change that lets go of too many nodes holds once the advised annotation is set, keys in any order", () => {
  const selector = { pool: "tarde", zone: "b" };
  const annotations = advised({ selector });
  expect(decide({ selector }).selector).toEqual(HELD);
  expect(decide({ selector, annotations })).toEqual({ selector, selectorHeldBack: undefined, heldBack: undefined });
  expect(decide({ selector: { zone: "b", pool: "tarde" }, annotations }).heldBack).toBeUndefined();
});

test("nodes that an upgrade has out for the moment count, so that a mistake does not come to hold meanwhile", () => {
  const serving = whole("v1", { name: "n1", letGo: true, holders: [holder()] });
  const upgrading = bare({ name: "n2", letGo: true, stepRecord: stepRecord() });
  const held = (facts: NodeFacts[], maxUnavailable: number): string | undefined =>
    selectorChange(changed({}), planRollout(facts, policy, NOW).nodes, maxUnavailable, true).heldBack;
  expect(held([serving, upgrading], 1)).toStartWith(
    "spec.selector lets go of 2 nodes that serve pods or are to serve them again (n1, n2), and",
  );
  expect(held([serving, { ...upgrading, mapped: false }], 1)).toBeDefined();
  expect(held([serving, { ...upgrading, letGo: false }], 1)).toBeUndefined();
  // Nothing was begun there.
  expect(held([serving, { ...upgrading, stepRecord: undefined }], 1)).toBeUndefined();
  expect(held([serving, upgrading], 2)).toBeUndefined();
  // While a pool is installed for the first time, nobody loses anything.
  expect(held([upgrading, { ...upgrading, name: "n3" }], 1)).toBeUndefined();
});

test("what was held back stays so when its pods have left, until it lets go of few nodes or another change is made", () => {
  const idle = ["n1", "n2"].map((name) => whole("v1", { name, letGo: true, holders: [] }));
  const upgrading = bare({ name: "n2", letGo: true, stepRecord: stepRecord() });
  const after = (facts: NodeFacts[], selectorHeldBack?: Record<string, string>) => {
    const resource = changed({});
    const status = { ...resource.status, ...(selectorHeldBack ? { selectorHeldBack } : {}) };
    return selectorChange({ ...resource, status }, planRollout(facts, policy, NOW).nodes, 1, true);
  };
  const TYPO = { pool: "tarde" };
  expect(after(idle)).toEqual({ selector: TYPO, selectorHeldBack: undefined, heldBack: undefined });
  const held = after(idle, TYPO);
  expect(held).toMatchObject({ selector: HELD, selectorHeldBack: TYPO });
  expect(held.heldBack).toStartWith(
    "spec.selector lets go of 2 nodes that serve pods or are to serve them again (n1, n2)",
  );
  expect(after([idle[0]!, upgrading], TYPO).selector).toEqual(HELD);
  // Nodes that have got the new labels too are not let go.
  expect(after([{ ...idle[0]!, letGo: false }, idle[1]!], TYPO).selector).toEqual(TYPO);
  expect(after(idle, { pool: "another" }).selector).toEqual(TYPO);
});

test("while nothing is known, what was held back stays so", () => {
  const resource = changed({});
  const status = { ...resource.status, selectorHeldBack: resource.spec.selector };
  expect(selectorChange({ ...resource, status }, [], 1, false)).toEqual({
    selector: HELD,
    selectorHeldBack: resource.spec.selector,
    heldBack: undefined,
  });
});

describe("a confirmation counts for one change of one resource only", () => {
  test.each<[string, Resource]>([
    ["a resource that is made again from the same file reaches the same generation", { uid: "u2" }],
    ["a later change", { generation: 8 }],
    ["another change that gets the same generation, as after a restored backup", { selector: { pool: "other" } }],
  ])("%s", (_, resource) => {
    const { selector, heldBack } = decide({ ...resource, annotations: advised({}) });
    expect(selector).toEqual(HELD);
    expect(heldBack).toStartWith("spec.selector lets go of 2 nodes that serve pods (n1, n2)");
    // What is advised then is another one.
    expect(advised(resource)).not.toEqual(advised({}));
  });

  test.each(["7", "true", "", "7-", "0x7"])("nor does %p", (value) => {
    const annotations = { "onload.amd.com/confirm-generation": value };
    expect(decide({ annotations }).heldBack).toBeDefined();
  });
});
