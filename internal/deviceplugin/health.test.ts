import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { initialHealth, nextHealth, recheckIn, type Health } from "./health.ts";

const hysteresis = { fallMs: 1000, riseMs: 2000 };
const good = { problems: [] };
const bad = { problems: ["/dev/onload is missing"] };

test("the first look counts at once", () => {
  expect(initialHealth(good).healthy).toBe(true);
  expect(initialHealth(bad)).toMatchObject({ healthy: false, problems: bad.problems });
});

describe("a change counts once it has lasted", () => {
  const rows: [string, boolean, [number, boolean][], boolean][] = [
    [
      "a short failure is forgotten",
      true,
      [
        [0, false],
        [999, true],
        [1500, false],
        [2400, false],
      ],
      true,
    ],
    [
      "a lasting failure counts",
      true,
      [
        [0, false],
        [1000, false],
      ],
      false,
    ],
    [
      "a short recovery is forgotten",
      false,
      [
        [0, true],
        [1999, false],
        [2000, true],
        [3900, true],
      ],
      false,
    ],
    [
      "a lasting recovery counts",
      false,
      [
        [0, true],
        [500, true],
        [2000, true],
      ],
      true,
    ],
  ];
  for (const [name, start, looks, end] of rows) {
    test(name, () => {
      let health: Health = initialHealth(start ? good : bad);
      for (const [now, ok] of looks) health = nextHealth(health, ok ? good : bad, now, hysteresis);
      expect(health.healthy).toBe(end);
    });
  }
});

test("changes are never closer together than the hysteresis allows, whatever happens", () => {
  const looks = fc.array(fc.tuple(fc.nat(1500), fc.boolean()), { maxLength: 200 });
  fc.assert(
    fc.property(looks, (steps) => {
      let health = initialHealth(good);
      let now = 0;
      let changedAt = -Infinity;
      for (const [step, ok] of steps) {
        now += step;
        const next = nextHealth(health, ok ? good : bad, now, hysteresis);
        if (next.healthy !== health.healthy) {
          expect(now - changedAt).toBeGreaterThanOrEqual(next.healthy ? hysteresis.riseMs : hysteresis.fallMs);
          expect(next.healthy).toBe(ok);
          changedAt = now;
        }
        health = next;
      }
    }),
  );
});

test("a pending change says when to look again", () => {
  const pending = nextHealth(initialHealth(good), bad, 5000, hysteresis);
  expect(recheckIn(pending, 5200, hysteresis)).toBe(800);
  expect(recheckIn(pending, 9000, hysteresis)).toBe(0);
  expect(recheckIn(initialHealth(good), 0, hysteresis)).toBeUndefined();
});
