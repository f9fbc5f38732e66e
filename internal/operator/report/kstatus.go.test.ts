/** What tools that wait for a resource make of its status: kstatus itself, which Flux, kpt and others use, is asked. */
import { expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { text } from "node:stream/consumers";
import { ONLOAD_GROUP } from "../../api/names.ts";
import { REASON } from "../../api/reasons.ts";
import { tool } from "../../testcluster/tools/index.ts";
import { NOW } from "../testing/facts.ts";
import { SITUATIONS, waited, type Waited } from "../testing/situations.ts";
import { untouchedStatus } from "./status.ts";

// The Go compiler is not among what a test is timed for.
const program = await tool("go-kstatus");

/** The status of each resource, and the message that a person is shown with it. */
async function kstatus(resources: readonly Waited[]): Promise<{ status: string; message: string }[]> {
  const child = spawn(program, { stdio: ["pipe", "pipe", "inherit"] });
  const kind = { apiVersion: `${ONLOAD_GROUP}/v1alpha1`, kind: "Onload" };
  child.stdin.end(resources.map((resource) => `${JSON.stringify({ ...kind, ...resource })}\n`).join(""));
  const lines = (await text(child.stdout)).trimEnd().split("\n");
  return lines.map((line) => JSON.parse(line) as { status: string; message: string });
}

test("kstatus gives every situation its status", async () => {
  const found = await kstatus(SITUATIONS.map(([, given]) => waited(given)));
  const expected = SITUATIONS.map(([what, , verdict]) => `${what}: ${verdict}`);
  expect(SITUATIONS.map(([what], i) => `${what}: ${found[i]?.status}`)).toEqual(expected);
  // Whoever waits in vain is told why.
  for (const [i, [what, given, verdict]] of SITUATIONS.entries()) {
    if (verdict !== "Failed") continue;
    const stalled = waited(given).status?.conditions?.find(({ type }) => type === "Stalled");
    expect({ what, message: found[i]!.message }).toEqual({ what, message: stalled!.message! });
  }
});

test("a resource is in progress before the operator has looked at it, and after its spec was changed", async () => {
  const { metadata, status } = waited({});
  const found = await kstatus([
    // As the CRD has it from the start.
    { metadata: { generation: 1 }, status: { observedGeneration: -1 } },
    { metadata: { ...metadata, generation: 4 }, status: status! },
  ]);
  expect(found.map((each) => each.status)).toEqual(["InProgress", "InProgress"]);
});

test("a resource whose spec cannot be read has failed", async () => {
  const raw = { apiVersion: "v1", kind: "Onload", metadata: { name: "o", generation: 3 } };
  const status = untouchedStatus(raw, { reason: REASON.InvalidSpec, message: "m" }, NOW);
  expect(await kstatus([{ metadata: raw.metadata, status }])).toEqual([{ status: "Failed", message: "m" }]);
});

test("Stalled is there only while it holds", () => {
  const names = ({ status }: Waited): string[] => status!.conditions!.map(({ type }) => type);
  const held = waited({ problems: [{ reason: REASON.ChangeHeldBack, message: "m" }] });
  expect(names(held)).toContain("Stalled");
  expect(names(waited({}))).not.toContain("Stalled");
});
