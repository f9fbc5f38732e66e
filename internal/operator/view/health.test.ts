import { describe, expect, test } from "bun:test";
import type { Serving } from "./serving.ts";
import type { ObservedResource } from "./session.ts";
import { EXIT_CODES, EXIT_STALLED, healthOf, needsPerson, worstOf, type Health } from "./health.ts";

const serving = (state: Serving["state"]): Serving => ({ state, message: "", elected: true });
const condition = (type: string, status: string) => ({ type, status, reason: "R", message: "m" });

function resource(conditions: object[], metadata: object = {}, problem?: string): ObservedResource {
  const raw = { metadata: { name: "o", generation: 2, ...metadata }, status: { observedGeneration: 2, conditions } };
  return { raw, problem } as unknown as ObservedResource;
}

const ready = [condition("Ready", "True"), condition("Degraded", "False")];

describe("the health of a resource", () => {
  test.each<[string, ObservedResource, Serving["state"], Health]>([
    ["every node has what it is to have", resource(ready), "acts", "ready"],
    ["whether an operator acts is unknown", resource(ready), "unknown", "ready"],
    ["nobody acts", resource(ready), "silent", "unserved"],
    ["there is no operator", resource(ready), "none", "unserved"],
    ["it was changed since", resource(ready, { generation: 3 }), "acts", "waiting"],
    ["it is new", resource([], { generation: 3 }), "acts", "waiting"],
    ["it is on its way", resource([condition("Ready", "False")]), "acts", "waiting"],
    ["it needs a person", resource([condition("Ready", "True"), condition("Degraded", "True")]), "acts", "degraded"],
    ["its spec cannot be read", resource(ready, {}, "no"), "acts", "degraded"],
    ["it is being deleted", resource(ready, { deletionTimestamp: "t" }), "acts", "waiting"],
  ])("%s", (_when, each, state, health) => {
    expect(healthOf({ ...each, serving: serving(state) })).toBe(health);
  });
  test("the worst counts, and exit codes are no others' than those that help lists", () => {
    expect(worstOf(["ready", "degraded", "waiting"])).toBe("degraded");
    expect(worstOf(["ready", "waiting"])).toBe("waiting");
    expect(worstOf([])).toBe("ready");
    expect(EXIT_CODES).toEqual({ ready: 0, waiting: 3, degraded: 4, unserved: 5 });
    expect(Object.values(EXIT_CODES)).not.toContain(EXIT_STALLED);
  });
});

const stalled = condition("Stalled", "True");
const paused = { ...condition("Progressing", "False"), reason: "Paused" };

test.each<[string, ObservedResource, Serving["state"], boolean]>([
  ["nothing is wrong", resource(ready), "acts", false],
  ["something is wrong that may pass", resource([condition("Degraded", "True")]), "acts", false],
  ["its status says so", resource([stalled]), "acts", true],
  ["it is paused", resource([paused]), "acts", true],
  ["it was changed since", resource([stalled], { generation: 3 }), "acts", false],
  ["nobody acts, so that its status is old", resource([stalled]), "silent", false],
  ["it is being deleted", resource([stalled], { deletionTimestamp: "t" }), "acts", false],
])("whether only a person can help: %s", (_when, each, state, expected) => {
  expect(needsPerson({ ...each, serving: serving(state) })).toBe(expected);
});
