import { describe, expect, test } from "bun:test";
import type { ObjectMeta } from "../../api/core.ts";
import { NOW } from "../testing/facts.ts";
import type { Onload } from "../../api/onload.ts";
import { attentionOf, changedAt, isBehind, sfcGuess } from "./attention.ts";

const at = (agoMs: number): string => new Date(NOW - agoMs).toISOString();
const MINUTE = 60_000;

function resource(changes: Partial<ObjectMeta>, seen: number | undefined = 1) {
  const metadata = { name: "onload", namespace: "trading", generation: 1, ...changes };
  return { metadata, status: seen === 0 ? undefined : { observedGeneration: seen } };
}

const deleted = { generation: 2, deletionTimestamp: at(3 * 60 * MINUTE), finalizers: ["onload.amd.com/node-cleanup"] };

describe("a resource", () => {
  test.each([
    ["that was looked at says nothing", resource({}), "silent", NOW - 60 * MINUTE, []],
    ["that was just changed says nothing", resource({ generation: 2 }), "acts", NOW - 1000, []],
    ["whose change has no time says nothing", resource({ generation: 2 }), "acts", undefined, []],
    ["that was changed long ago", resource({ generation: 2 }), "acts", NOW - 12 * MINUTE, ["generation 2 for 12m"]],
    ["that never was looked at", resource({}, 0), "unknown", NOW - 12 * MINUTE, ["it has no status yet"]],
    ["that was changed, with no operator", resource({ generation: 2 }), "none", NOW - 12 * MINUTE, ["is old"]],
    [
      "that was deleted, with no operator",
      resource(deleted),
      "none",
      NOW - 180 * MINUTE,
      [
        "no operator handles its finalizer onload.amd.com/node-cleanup: run `onloadctl uninstall`",
        "generation 2 for 3h",
      ],
    ],
    ["that was deleted and is being cleaned", resource(deleted, 2), "acts", undefined, []],
    ["that was deleted, with who knows", resource(deleted, 2), "unknown", undefined, []],
    [
      "that another finalizer keeps",
      resource({ ...deleted, finalizers: ["other/finalizer"] }, 2),
      "none",
      undefined,
      [],
    ],
  ] as const)("%s", (_name, what, state, changed, words) => {
    const lines = attentionOf(what, { state }, changed, NOW);
    expect(lines).toHaveLength(words.length);
    for (const [index, text] of words.entries()) expect(lines[index]).toContain(text);
  });
});

test("a change of the status is no change of the resource", () => {
  const managedFields = [
    { operation: "Apply" as const, time: at(10 * MINUTE) },
    { operation: "Update" as const, time: at(20 * MINUTE) },
    { operation: "Apply" as const, subresource: "status", time: at(1000) },
  ];
  const created = { name: "a", creationTimestamp: at(60 * MINUTE) };
  expect(changedAt({ ...created, managedFields })).toBe(NOW - 10 * MINUTE);
  expect(changedAt({ ...created, managedFields, deletionTimestamp: at(5 * MINUTE) })).toBe(NOW - 5 * MINUTE);
  expect(changedAt(created)).toBe(NOW - 60 * MINUTE);
  expect(changedAt({ name: "a" })).toBeUndefined();
  expect(isBehind(resource({}))).toBe(false);
  expect(isBehind(resource({ generation: 3 }))).toBe(true);
});

describe("which nodes load sfc at boot", () => {
  const managing = (sfc?: object): Onload => ({ spec: { onload: { kernelMappings: [{}, { sfc }] } } }) as never;
  const config = { metadata: { name: "99-sfc", labels: {} } };

  test("is a guess where no pool can be read, and the MachineConfigs are named", () => {
    expect(sfcGuess(managing({}), [config], 0)).toMatch(/is a guess, by .* "99-sfc": the MachineConfigPools/);
  });

  test.each([
    ["the pools tell it", managing({}), [config], 2],
    ["no node does", managing({}), [], 0],
    ["the resource does not manage sfc", managing(), [config], 0],
  ] as const)("is not mentioned where %s", (_why, onload, configs, pools) => {
    expect(sfcGuess(onload, configs, pools)).toBeUndefined();
  });
});
