import { expect, test } from "bun:test";
import type { Lease } from "./kinds.ts";
import { longAbsence } from "./lease-absence.ts";

const NOW = Date.UTC(2026, 0, 1);
const at = (ms: number): string => new Date(NOW + ms).toISOString().replace("Z", "000Z");

test.each([
  ["a moment ago", at(-2000), undefined],
  ["as long ago as the pod of a lost node, or one that crashes, is away", at(-400_000), undefined],
  ["just not long ago", at(-600_000), undefined],
  ["long ago", at(-600_001), NOW],
  ["last year", at(-365 * 86_400_000), NOW],
  ["by a clock that is ahead of ours", at(3_600_000), undefined],
  ["never", undefined, undefined],
  ["at a time that nobody can read", "yesterday", undefined],
] as const)("a Lease that was renewed last %s", (_name, renewTime, expected) => {
  const spec = { holderIdentity: "a", renewTime };
  expect(longAbsence({ metadata: { name: "x" }, spec } as Lease, NOW)).toBe(expected);
});
