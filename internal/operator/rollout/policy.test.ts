import { expect, test } from "bun:test";
import { withDefaults } from "../../api/onload.ts";
import type { NodeFacts } from "../assess/facts.ts";
import { bare, policy, stepRecord, whole } from "../testing/facts.ts";
import { policyFor } from "./policy.ts";

/** How many of these nodes may be out of service at once if half of all may. */
function half(...facts: NodeFacts[]): number {
  const spec = {
    selector: { a: "b" },
    serviceAccountName: "sa",
    onload: { kernelMappings: [], userImage: "u:1", version: "v2" },
    upgrade: { maxUnavailable: "50%" },
  };
  const raw = { apiVersion: "onload.amd.com/v1alpha1", kind: "Onload", metadata: { name: "o", namespace: "ns" }, spec };
  const { maxUnavailable: _, ...around } = policy;
  return policyFor(withDefaults(raw as never), facts, around).maxUnavailable;
}

const several = (count: number, node: NodeFacts): NodeFacts[] => Array.from({ length: count }, () => node);
const left = { want: undefined };

test("a percentage is one of the nodes that there were, those included that are let go and have not gone yet", () => {
  expect(half(...several(6, whole("v2")))).toBe(3);
  expect(half(...several(4, bare()), ...several(2, whole("v1", left)))).toBe(3);
  // An upgrade had taken these out before they lost their labels.
  expect(half(...several(4, whole("v2")), ...several(2, bare({ ...left, stepRecord: stepRecord() })))).toBe(3);
  expect(half(...several(4, whole("v2")), ...several(2, bare(left)))).toBe(2);
});
