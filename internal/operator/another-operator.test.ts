/** A pass in the middle of which another operator is seen: nothing more is written, and what is told is true. */
import { expect, test } from "bun:test";
import { ALONE } from "./observe/rivals.ts";
import { LABELS, ReconcilerBed } from "./testing/reconciler-bed.ts";

const ANOTHER = { yields: true, problem: undefined };
const READY_METRIC = "onload_operator_onload_ready";

/** Another operator is seen by whoever asks from now on, for as long as `isSeen` says so. */
function showAnother(bed: ReconcilerBed, isSeen: () => boolean): void {
  Object.defineProperty(bed, "standing", { get: () => (isSeen() ? ANOTHER : ALONE) });
}

/** The writes that were sent since the last time, as "verb what name". */
function takeWrites(bed: ReconcilerBed): string[] {
  return bed.cluster.take().filter((call) => !/^(get|list|podLog) /.test(call));
}

/** Three nodes that serve, and an upgrade of them that is about to begin. */
async function upgrading(): Promise<ReconcilerBed> {
  const bed = new ReconcilerBed();
  bed.putOnload({ upgrade: { maxUnavailable: 3 } });
  for (const name of ["n1", "n2", "n3"]) bed.putServingNode(name);
  await bed.settle();
  bed.upgrade("v2");
  takeWrites(bed);
  bed.events.splice(0);
  bed.told.splice(0);
  return bed;
}

const nodeWrites = (writes: readonly string[]): string[] => writes.filter((each) => each.includes(" nodes "));

test("nothing more is written in that pass, although the other one is gone again in a moment", async () => {
  const bed = await upgrading();
  let [writes, seen] = [0, 0];
  bed.cluster.before = ({ verb }) => {
    if (!/^(get|list|podLog)$/.test(verb)) writes++;
  };
  showAnother(bed, () => writes === 1 && ++seen === 1);
  await bed.reconcile();
  expect([takeWrites(bed).length, seen]).toEqual([1, 1]);
  expect(bed.logged).toEqual([expect.stringContaining("Ended a pass because another operator acts")]);
});

test("steps that were taken before are told, and nothing of what was refused since", async () => {
  const bed = await upgrading();
  let stepped = false;
  bed.cluster.before = ({ what }) => void (stepped ||= what === "nodes");
  showAnother(bed, () => stepped);
  await bed.settle();
  expect(nodeWrites(takeWrites(bed))).toHaveLength(1);
  expect(bed.events.filter(({ reason }) => reason === "PluginRemoved")).toHaveLength(1);
  expect(bed.told.join()).toContain("taken out of service");
  expect(JSON.stringify([bed.events, bed.told])).not.toContain("another operator");
  expect(bed.logged).toEqual([expect.stringContaining("Ended a pass because another operator acts")]);
  expect(await bed.metric(READY_METRIC, LABELS)).toEqual([]);
});

test("an object that it did not get to apply is not told as one that could not be applied", async () => {
  const bed = await upgrading();
  let begun = false;
  showAnother(bed, () => begun || ((begun = true), false));
  await bed.reconcile();
  expect(takeWrites(bed)).toEqual([]);
  expect([bed.told, bed.events]).toEqual([[], []]);
  expect(bed.logged).toEqual([expect.stringContaining("Ended a pass because another operator acts")]);
});

test("a look at a node's pods ends too, and is no failure although the status is refused", async () => {
  const bed = new ReconcilerBed();
  bed.putOnload();
  bed.putEmptiedNode("n1", "v0");
  bed.putHolder("pod", "n1");
  let looked = false;
  bed.cluster.before = ({ verb }) => void (looked ||= verb === "list");
  showAnother(bed, () => looked);
  await bed.settle();
  expect(bed.logged).toEqual([expect.stringContaining("Ended a pass because another operator acts")]);
  expect([...bed.watches]).toEqual([]);
});

test("a pod that it did not get to ask is not told as one whose eviction failed", async () => {
  const bed = new ReconcilerBed();
  bed.putOnload();
  bed.putEmptiedNode("n1", "v0");
  bed.putHolder("pod", "n1");
  bed.cluster.budget = "no disruption is allowed";
  await bed.settle();
  bed.now += 60_000;
  bed.events.splice(0);
  takeWrites(bed);
  let begun = false;
  showAnother(bed, () => begun || ((begun = true), false));
  await bed.reconcile();
  expect(takeWrites(bed)).toEqual([]);
  expect(bed.events).toEqual([]);
  expect(await bed.metric("onload_operator_evictions_total", { ...LABELS, result: "failed" })).toEqual([]);
});

test("one that stands by shows nothing of a resource, and follows no pods for it", async () => {
  const bed = new ReconcilerBed();
  bed.putOnload();
  bed.putServingNode("n1");
  bed.putServingNode("n2");
  bed.putEmptiedNode("n3", "v0");
  bed.putHolder("pod", "n3");
  bed.cluster.budget = "no disruption is allowed";
  await bed.settle();
  expect([...bed.watches]).toEqual(["n3"]);
  expect(await bed.metric(READY_METRIC, LABELS)).toEqual([0]);
  bed.standing = ANOTHER;
  await bed.reconcile();
  expect([...bed.watches]).toEqual([]);
  expect(await bed.metric(READY_METRIC, LABELS)).toEqual([]);
});
