import { expect, test } from "bun:test";
import { PatchGuard, SAME_PATCH_MS } from "./patch-guard.ts";

/** A guard that has sent "a" to node n1, at version 100 and time 0. */
function guard(taken?: string): PatchGuard {
  const made = new PatchGuard();
  made.sends("n1", "a", "100", 0);
  if (taken !== undefined) made.taken("n1", "a", taken, 10, "");
  return made;
}

test.each([
  ["the same, unanswered", guard(), "n1", "a", "100", 300, 700],
  ["the same, and the cache has not seen it", guard("102"), "n1", "a", "100", 300, 700],
  ["the same, and the cache has seen it", guard("102"), "n1", "a", "102", 300, 700],
  ["the same, and the cache has seen a change before it", guard("102"), "n1", "a", "101", 300, 700],
  ["the same, and somebody has taken it back since", guard("102"), "n1", "a", "103", 300, 700],
  ["the same, not taken, and somebody has changed the node since", guard(), "n1", "a", "103", 300, undefined],
  ["the same, not taken, and the version has a digit more", guard(), "n1", "a", "1000", 300, undefined],
  ["the same after a second", guard("102"), "n1", "a", "102", SAME_PATCH_MS, undefined],
  ["another", guard("102"), "n1", "b", "102", 300, undefined],
  ["the same to another node", guard("102"), "n2", "a", "100", 300, undefined],
  ["the same to a node without a version", guard(""), "n1", "a", "", 300, 700],
] as const)("%s", (_, made, node, patch, version, now, waitMs) => {
  expect(made.holds(node, patch, version, now)).toEqual(
    waitMs === undefined ? undefined : { waitMs, error: undefined, fought: false },
  );
});

test("two that undo each other are held both", () => {
  const made = guard("102");
  made.sends("n1", "b", "102", 20);
  made.taken("n1", "b", "103", 30, "");
  expect(made.holds("n1", "a", "103", 40)?.waitMs).toBe(960);
  expect(made.holds("n1", "b", "103", 40)?.waitMs).toBe(980);
  expect(made.holds("n1", "a", "104", 40)?.waitMs).toBe(960);
});

test("our own changes of a node are nobody else's", () => {
  const made = guard();
  made.sends("n1", "b", "100", 20);
  made.taken("n1", "b", "103", 30, "");
  expect(made.holds("n1", "a", "103", 40)?.waitMs).toBe(960);
  expect(made.holds("n1", "a", "104", 40)).toBeUndefined();
});

test("that somebody takes a PATCH back each time is told after some times, until it stays, and it is sent less often then", () => {
  const made = new PatchGuard();
  const told: (number | undefined)[] = [];
  const send = (at: number, patch = "a"): void => {
    made.sends("n1", patch, String(at), at);
    made.taken("n1", patch, String(at + 1), at, "told");
    told.push(made.fights(at)[0]?.waitMs);
  };
  for (let i = 0; i < 8; i++) send(i * SAME_PATCH_MS);
  expect(told).toEqual([...Array(6), 10_000, 10_000]);
  expect(made.fights(9000)).toEqual([{ node: "n1", error: new Error("told"), waitMs: 8000 }]);
  expect(made.holds("n1", "a", "9000", 9000)).toEqual({ waitMs: 8000, error: undefined, fought: true });
  expect(made.holds("n1", "a", "9000", 17_000)).toBeUndefined();
  expect(made.fights(17_000)).toEqual([]);
  // What another PATCH of ours has changed, nobody else has taken back.
  send(20_000, "b");
  send(30_000);
  expect(told.slice(-2)).toEqual([undefined, undefined]);
  for (let i = 0; i < 8; i++) send(40_000 + i * SAME_PATCH_MS);
  expect(told.at(-1)).toBe(10_000);
  send(200_000);
  expect(told.at(-1)).toBeUndefined();
});

test("that is told also if some are refused between, as those on an old version are", () => {
  const made = new PatchGuard();
  for (let i = 0; i < 14; i++) {
    const at = i * SAME_PATCH_MS;
    made.sends("n1", "a", String(at), at);
    if (i % 2 === 1) made.refused("n1", "a", "conflict");
    else made.taken("n1", "a", String(at + 1), at, "told");
    expect(made.fights(at).length).toBe(i < 12 ? 0 : 1);
  }
});

test("a refusal is told again while it is held, and not after", () => {
  const made = guard();
  const error = new Error("no");
  made.refused("n1", "a", error);
  expect(made.holds("n1", "a", "100", 999)).toEqual({ waitMs: 1, error, fought: false });
  expect(made.holds("n1", "a", "100", 1000)).toBeUndefined();
  made.sends("n1", "a", "100", 1000);
  expect(made.holds("n1", "a", "100", 1001)).toEqual({ waitMs: 999, error: undefined, fought: false });
});

test("only a minute is remembered", () => {
  const made = new PatchGuard();
  for (let now = 0; now < 100_000; now += 10) {
    made.sends(`n${now}`, "a", "1", now);
    made.taken(`n${now}`, "a", "2", now, "");
    expect(made.size).toBeLessThanOrEqual(12_002);
  }
});
