/**
 * What tools that wait for a resource make of its status. The rules of kstatus are written down anew here from
 * sigs.k8s.io/cli-utils, pkg/kstatus/status (generic.go, status.go), which Flux, kpt and others use.
 */
import { describe, expect, test } from "bun:test";
import { REASON } from "../../api/reasons.ts";
import { NOW } from "../testing/facts.ts";
import { SITUATIONS, waited, type Kstatus, type Waited } from "../testing/situations.ts";
import { unreadableStatus } from "./status.ts";

function kstatus({ metadata, status = {} }: Waited): Kstatus {
  if (metadata.deletionTimestamp !== undefined) return "Terminating";
  const { observedGeneration, conditions = [] } = status;
  if (observedGeneration !== undefined && observedGeneration !== metadata.generation) return "InProgress";
  const holds = (name: string): boolean => conditions.some(({ type, status: is }) => type === name && is === "True");
  if (holds("Reconciling")) return "InProgress";
  if (holds("Stalled")) return "Failed";
  const ready = conditions.find(({ type }) => type === "Ready");
  return ready === undefined || ready.status === "True" ? "Current" : "InProgress";
}

describe("kstatus, if", () => {
  test.each(SITUATIONS)("%s", (_what, given, expected) => {
    expect(kstatus(waited(given))).toBe(expected);
  });
  test("nobody has looked at it, as the CRD has it from the start", () => {
    expect(kstatus({ metadata: { generation: 1 }, status: { observedGeneration: -1 } })).toBe("InProgress");
  });
  test("its spec was changed since", () => {
    const { metadata, status } = waited({});
    expect(kstatus({ metadata: { ...metadata, generation: 4 }, status: status! })).toBe("InProgress");
  });
  test("its spec cannot be read", () => {
    const raw = { apiVersion: "v1", kind: "Onload", metadata: { name: "o", generation: 3 } };
    const status = unreadableStatus(raw, { reason: REASON.InvalidSpec, message: "m" }, NOW);
    expect(kstatus({ metadata: raw.metadata, status })).toBe("Failed");
  });
});

test("Stalled is there only while it holds", () => {
  const names = ({ status }: Waited): string[] => status!.conditions!.map(({ type }) => type);
  const held = waited({ problems: [{ reason: REASON.ChangeHeldBack, message: "m" }] });
  expect(names(held)).toContain("Stalled");
  expect(names(waited({}))).not.toContain("Stalled");
});
