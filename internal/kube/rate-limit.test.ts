import { expect, test } from "bun:test";
import fc from "fast-check";
import { TokenBucket } from "./rate-limit.ts";
import { FakeClock } from "./testing/fake-clock.ts";

// With steps of an eighth of a second, every sum is exact.
const PER_SECOND = 4;
const BURST = 5;

const step = fc.oneof(
  { weight: 4, arbitrary: fc.constant({ do: "take" as const, ms: 0 }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant("pass" as const), ms: fc.integer({ min: 0, max: 8 }).map((n) => n * 125) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant("set-wall-clock" as const), ms: fc.constantFrom(-60_000, 60_000) }),
  },
);

test("a bucket gives what has been filled in, no more and no less, whatever the wall clock does", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const clock = new FakeClock();
      const bucket = new TokenBucket(PER_SECOND, BURST, clock);
      let level = BURST;
      for (const { do: action, ms } of steps) {
        if (action === "set-wall-clock") clock.step(ms);
        if (action === "pass") {
          await clock.advance(ms);
          level = Math.min(BURST, level + (ms / 1000) * PER_SECOND);
        }
        if (action === "take") {
          expect(bucket.tryTake()).toBe(level >= 1);
          if (level >= 1) level -= 1;
        }
      }
    }),
    { numRuns: 200 },
  );
});
