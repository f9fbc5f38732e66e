/** People and NTP set the wall clock while nodes are being upgraded. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { Node } from "../api/core.ts";
import { onloadModuleLabel, pluginLabel } from "../api/names.ts";
import { ONLOADS } from "../api/resources.ts";
import { NODES } from "../kube/resource.ts";
import type { RawOnload } from "./cache/caches.ts";
import { parseStepRecord, stepRecordAnnotation } from "./observe/step-record.ts";
import type { NodeFacts } from "./assess/facts.ts";
import { ClockWatch } from "./pass/clock-watch.ts";
import type { Policy } from "./rollout/node-plan.ts";
import { planRollout } from "./rollout/plan.ts";
import { noModule, NOW, policy, stepRecord, whole } from "./testing/facts.ts";
import { imagesOf, KEY, ReconcilerBed } from "./testing/reconciler-bed.ts";

const HOUR_MS = 3_600_000;
const STEP_MS = 900_000;
const DRAIN_MS = 300_000;

/** Time goes by on both clocks. */
function pass(bed: ReconcilerBed, ms: number): void {
  bed.now += ms;
  bed.uptime! += ms;
}

/** A bed whose node n1 waits for KMM to load onload v2. */
async function loading(spec = {}): Promise<ReconcilerBed> {
  const bed = new ReconcilerBed();
  bed.uptime = 1000;
  bed.putOnload(spec);
  bed.upgrade("v2");
  await bed.settle();
  bed.seeTemplate();
  pass(bed, 1000);
  bed.putNode("n1", { [pluginLabel(KEY)]: "v2", [onloadModuleLabel(KEY)]: "v2" }, "Install");
  await bed.settle();
  expect(bed.condition("Progressing")).toContain("n1 LoadingOnload");
  return bed;
}

const hasFailed = (bed: ReconcilerBed): boolean => bed.status?.nodes?.failed === 1;
const recordOf = (bed: ReconcilerBed) =>
  parseStepRecord(bed.cluster.object<Node>(NODES, { name: "n1" })!.metadata.annotations?.[stepRecordAnnotation(KEY)]);

describe.each([
  ["forward", HOUR_MS],
  ["back", -HOUR_MS],
])("an hour %s", (_name, stepMs) => {
  test.each([
    ["in the same process", false],
    // That the clock was set forward while no process ran is told by the Lease alone, see below.
    ...(stepMs < 0 ? [["and the operator starts anew", true] as const] : []),
  ] as const)("gives a running step its time again, and no more, %s", async (_what, restarts) => {
    const bed = await loading();
    pass(bed, 10_000);
    await bed.settle();
    bed.now += stepMs;
    if (restarts) bed.restart();
    await bed.settle();
    expect(hasFailed(bed)).toBe(false);
    expect(recordOf(bed)?.since).toBe(bed.now);
    // Now the record holds for other processes too.
    bed.restart();
    pass(bed, STEP_MS - 1);
    await bed.settle();
    expect(hasFailed(bed)).toBe(false);
    pass(bed, 1);
    await bed.settle();
    expect(hasFailed(bed)).toBe(true);
    expect(bed.status?.problems?.[0]?.reason).toBe("ModuleLoadFailed");
  });

  test("changes nothing for a step that has failed", async () => {
    const bed = await loading();
    pass(bed, STEP_MS);
    await bed.settle();
    expect(hasFailed(bed)).toBe(true);
    bed.now += stepMs;
    await bed.settle();
    bed.restart();
    await bed.settle();
    expect(hasFailed(bed)).toBe(true);
  });

  test("begins no rollback", async () => {
    const bed = await loading({ upgrade: { onFailure: "Rollback" } });
    bed.cluster.edit<RawOnload>(ONLOADS, KEY, (onload) => {
      onload.status = { ...(onload.status as object), lastReady: { version: "v1", time: "x", onload: imagesOf("v1") } };
    });
    pass(bed, 10_000);
    bed.now += stepMs;
    await bed.settle();
    expect(bed.status?.rollback).toBeUndefined();
    pass(bed, STEP_MS);
    await bed.settle();
    expect(bed.status?.rollback).toMatchObject({ fromVersion: "v2", toVersion: "v1" });
  });

  test("neither hurries nor holds up the pods of a node", async () => {
    const bed = new ReconcilerBed();
    bed.uptime = 1000;
    bed.cluster.budget = "The budget is full.";
    bed.putOnload({ upgrade: { drain: { force: true } } });
    bed.upgrade("v2");
    await bed.settle();
    bed.environment.forceEverywhere = true;
    bed.putEmptiedNode("n1");
    bed.putHolder("app", "n1");
    await bed.settle();
    pass(bed, 10_000);
    bed.now += stepMs;
    bed.cluster.calls.length = 0;
    await bed.settle();
    const asked = (): string[] => bed.cluster.calls.filter(({ name }) => name === "app").map(({ verb }) => verb);
    expect(asked()).toEqual(["evict"]);
    pass(bed, DRAIN_MS - 1);
    await bed.settle();
    expect(new Set(asked())).toEqual(new Set(["evict"]));
    pass(bed, 5001);
    await bed.settle();
    expect(asked().at(-1)).toBe("delete");
    expect(bed.holders()).toEqual([]);
  });

  test("costs one patch of each node that waits, and none of others", async () => {
    const bed = await loading();
    bed.putServingNode("n2", "v2");
    await bed.settle();
    pass(bed, 10_000);
    await bed.settle();
    bed.cluster.calls.length = 0;
    bed.now += stepMs;
    for (let i = 0; i < 5; i++) {
      pass(bed, 2000);
      await bed.settle();
    }
    expect(bed.cluster.take().filter((call) => call.includes("nodes"))).toEqual(["mergePatch nodes n1"]);
  });
});

test.each([
  ["taken away", undefined],
  ["garbled", "yesterday"],
])("a step whose record somebody has %s has its time from then, and no more", async (_name, value) => {
  const bed = await loading();
  pass(bed, 10_000);
  bed.cluster.edit<Node>(NODES, { name: "n1" }, ({ metadata: { annotations = {} } }) => {
    if (value === undefined) delete annotations[stepRecordAnnotation(KEY)];
    else annotations[stepRecordAnnotation(KEY)] = value;
  });
  await bed.settle();
  expect(recordOf(bed)?.since).toBe(bed.now);
  pass(bed, STEP_MS - 1);
  await bed.settle();
  expect(hasFailed(bed)).toBe(false);
  pass(bed, 1);
  await bed.settle();
  expect(hasFailed(bed)).toBe(true);
});

describe("no operator had acted for an hour, or so it seems", () => {
  test("a running step has its time again, and no more, however often the operator starts anew", async () => {
    const bed = await loading();
    pass(bed, 10_000);
    await bed.settle();
    bed.now += HOUR_MS;
    bed.absence = bed.now;
    bed.restart();
    await bed.settle();
    expect(hasFailed(bed)).toBe(false);
    const { since } = recordOf(bed)!;
    expect(since).toBe(bed.now);
    for (let i = 0; i < 3; i++) {
      pass(bed, STEP_MS / 3 - 1000);
      bed.restart();
      await bed.settle();
      expect([hasFailed(bed), recordOf(bed)?.since]).toEqual([false, since]);
    }
    pass(bed, 3000);
    bed.restart();
    await bed.settle();
    expect(hasFailed(bed)).toBe(true);
  });

  test("a step that has failed stays so, and none begins a rollback", async () => {
    const bed = await loading();
    pass(bed, STEP_MS);
    await bed.settle();
    expect(hasFailed(bed)).toBe(true);
    bed.now += HOUR_MS;
    bed.absence = bed.now;
    bed.restart();
    await bed.settle();
    expect(hasFailed(bed)).toBe(true);
  });

  test("a node that went away meanwhile has the time of a step to come back", async () => {
    const bed = await loading();
    bed.putServingNode("n2", "v2");
    bed.cluster.edit<Node>(NODES, { name: "n2" }, (node) => {
      const lastTransitionTime = new Date(bed.now).toISOString();
      node.status!.conditions = [{ type: "Ready", status: "Unknown", lastTransitionTime }];
    });
    await bed.settle();
    bed.now += HOUR_MS;
    bed.absence = bed.now;
    bed.restart();
    await bed.settle();
    expect(hasFailed(bed)).toBe(false);
  });

  test("a clock that was wrong then makes nothing wait until it is so late again", async () => {
    const bed = await loading();
    bed.absence = bed.now + HOUR_MS;
    bed.restart();
    pass(bed, STEP_MS);
    await bed.settle();
    expect(hasFailed(bed)).toBe(true);
  });
});

test("however the clock is set, a step fails when its time has gone by since it was set last, and not before", async () => {
  const moment = fc.record({
    ms: fc.integer({ min: 1, max: STEP_MS }),
    step: fc.oneof(
      { weight: 3, arbitrary: fc.constant(0) },
      fc.integer({ min: 5001, max: 2 * HOUR_MS }),
      fc.integer({ min: -2 * HOUR_MS, max: -5001 }),
    ),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(moment, { maxLength: 8 }), async (moments) => {
      const bed = await loading();
      let left = STEP_MS;
      for (const { ms, step } of moments) {
        // A plan is made whenever one is due, so that no time passes that the operator does not see.
        pass(bed, Math.min(ms, left - 1));
        left -= Math.min(ms, left - 1);
        await bed.settle();
        expect(hasFailed(bed)).toBe(false);
        bed.now += step;
        await bed.settle();
        expect(hasFailed(bed)).toBe(false);
        if (step !== 0) {
          // A node that was just patched is patched again a second later.
          pass(bed, 1000);
          await bed.settle();
          left = STEP_MS - 1000;
        }
        if (left <= 1) return;
      }
      // What was set back by little lies in the future by no more than clocks may differ.
      pass(bed, left + 6000);
      await bed.settle();
      expect(hasFailed(bed)).toBe(true);
    }),
    {
      numRuns: 60,
      examples: [
        [
          [
            { ms: 1, step: 5001 },
            { ms: 1, step: -5002 },
          ],
        ],
      ],
    },
  );
});

describe("a time that another machine's clock wrote", () => {
  const limit = policy.limits.step;
  const waits = (changes: Partial<NodeFacts>): NodeFacts =>
    whole("v2", { labels: { plugin: "v2", onload: "v2", sfc: undefined }, onload: noModule, ...changes });
  const failedAt = (facts: NodeFacts, now: number, clockSetAt?: number): boolean =>
    planRollout([facts], { ...policy, clockSetAt }, now).nodes[0]!.problem?.failed === true;

  test.each([
    ["of the node", { readySince: NOW + HOUR_MS }],
    ["of KMM's pod", { onload: { ...noModule, since: NOW + HOUR_MS } }],
  ] as const)("%s in the future gives no less time and no more than the clocks are apart", (_name, changes) => {
    const facts = waits({ ...changes, stepRecord: stepRecord("LabelOnload", 10 * HOUR_MS) });
    for (const now of [NOW, NOW + HOUR_MS, NOW + HOUR_MS + limit - 1]) expect(failedAt(facts, now)).toBe(false);
    expect(failedAt(facts, NOW + HOUR_MS + limit)).toBe(true);
  });

  test("before ours was set counts from then", () => {
    const facts = waits({ readySince: NOW - 9 * HOUR_MS, stepRecord: stepRecord("LabelOnload", 10 * HOUR_MS) });
    expect(failedAt(facts, NOW)).toBe(true);
    expect(failedAt(facts, NOW, NOW - limit + 1)).toBe(false);
    expect(failedAt(facts, NOW, NOW - limit)).toBe(true);
  });

  test("that can be believed leaves the facts as they are", () => {
    const facts = waits({ readySince: NOW + 5000, stepRecord: stepRecord("LabelOnload", 1) });
    expect(planRollout([facts], policy, NOW).nodes[0]!.facts).toBe(facts);
  });
});

test("how long nothing moves is counted anew when the clock was set", () => {
  const stalledSince = NOW - policy.limits.step;
  const waiting = whole("v1", { missingImages: [{ image: "i", why: undefined }] });
  const plan = (changes: Partial<Policy>) => planRollout([waiting], { ...policy, ...changes }, NOW);
  expect([plan({ stalledSince }).stalled, plan({ stalledSince }).nodes[0]!.problem?.reason]).toEqual([
    "noted",
    "ModuleImageMissing",
  ]);
  for (const changes of [{ stalledSince, clockSetAt: NOW - 1 }, { stalledSince: NOW + HOUR_MS }]) {
    expect([plan(changes).stalled, plan(changes).nodes[0]!.problem]).toEqual(["unnoted", undefined]);
  }
});

test("a clock that runs a little fast or slow has not been set", () => {
  const watch = new ClockWatch();
  for (let i = 0; i < 10_000; i++) expect(watch.look(i * 60_030, i * 60_000)).toBeUndefined();
  const now = 9_999 * 60_030;
  expect(watch.look(now + 5002, 9_999 * 60_000)).toBe(now + 5002);
  expect(watch.look(now + 6002, 9_999 * 60_000 + 1000)).toBe(now + 5002);
});
