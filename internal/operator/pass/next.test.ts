import { describe, expect, test } from "bun:test";
import { REASON } from "../../api/reasons.ts";
import { nextPass, restAfter, type PassOutcome } from "./next.ts";
import type { StepName } from "../rollout/steps.ts";

const NOW = Date.UTC(2026, 0, 1);

/** A pass after which nothing is due, but for `changes`. */
function outcome(changes: Partial<PassOutcome> = {}): PassOutcome {
  return {
    plan: { nodes: [], wakeAt: undefined, halted: false } as never,
    again: undefined,
    heldMs: undefined,
    logs: { changed: false, failed: false },
    refused: { changed: false, againMs: undefined },
    statusWaitMs: undefined,
    problems: [],
    failed: false,
    ...changes,
  };
}
const plan = (changes: { steps?: StepName[]; wakeAt?: number }): Partial<PassOutcome> => ({
  plan: { nodes: (changes.steps ?? []).map((step) => ({ step })), wakeAt: changes.wakeAt, halted: false } as never,
});

describe("the next pass comes", () => {
  test.each([
    ["with the next event", outcome(), undefined],
    ["at once when a step has found new facts", outcome({ again: "now" }), 0],
    ["when the caches have caught up", outcome({ again: "soon" }), 20],
    ["when a PATCH may be sent again", outcome({ heldMs: 400 }), 400],
    ["with new log lines", outcome({ logs: { changed: true, failed: false } }), 20],
    ["with what is new of pods that are refused", outcome({ refused: { changed: true, againMs: 5000 } }), 20],
    ["when refused pods are looked for again", outcome({ refused: { changed: false, againMs: 5000 } }), 5000],
    ["when a log may be readable again", outcome({ logs: { changed: false, failed: true } }), 30_000],
    ["when the status may be written", outcome({ statusWaitMs: 700 }), 700],
    ["when a ServiceAccount may be there", outcome({ problems: [{ reason: REASON.ServiceAccountMissing }] }), 10_000],
    ["when a ServiceAccount may be read", outcome({ problems: [{ reason: REASON.ServiceAccountUnknown }] }), 10_000],
    [
      "with the next event for problems that one ends",
      outcome({ problems: [{ reason: REASON.KmmNotInstalled }] }),
      undefined,
    ],
    ["when pods may be asked again", outcome(plan({ steps: ["None", "Evict"] })), 5000],
    ["with the next event when nobody is asked", outcome(plan({ steps: ["None", "Wait"] })), undefined],
    ["just after the plan's own time", outcome(plan({ wakeAt: NOW + 250 })), 251],
    ["soon for a time that is over", outcome(plan({ wakeAt: NOW - 250 })), 1],
    [
      "at the first of several times",
      outcome({ ...plan({ steps: ["Evict"], wakeAt: NOW + 60_000 }), statusWaitMs: 700 }),
      700,
    ],
    ["after a growing delay when all that is left has failed", outcome({ failed: true }), undefined],
    ["no sooner than in a second when something has failed", outcome({ failed: true, again: "now" }), 1000],
    [
      "in ten seconds at the latest when something has failed",
      outcome({ failed: true, ...plan({ wakeAt: NOW + 900_000 }) }),
      10_000,
    ],
    [
      "in time for what is due when something else has failed",
      outcome({ failed: true, ...plan({ steps: ["Evict"] }) }),
      5000,
    ],
  ])("%s", (_name, of, ms) => {
    expect(nextPass(of, NOW)).toBe(ms);
  });
});

test.each([
  [0, 0],
  [0.5, 2],
  [2, 8],
  [50, 100],
  // A clock that was set back.
  [-5000, 0],
])("after a plan that took %p ms a resource rests for %p ms", (planMs, restMs) => {
  expect(restAfter(planMs)).toBe(restMs);
});
