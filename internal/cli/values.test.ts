import { expect, test } from "bun:test";
import { durationFlag, integerFlag } from "./values.ts";

test.each([
  ["500ms", 500],
  ["30s", 30_000],
  ["1h30m", 5_400_000],
])("duration %s is %d ms", (text, ms) => {
  expect(durationFlag("timeout", text)).toBe(ms);
});

test.each(["", "30", "s", "3 s", "-1s", "1d"])("%p is no duration", (text) => {
  expect(() => durationFlag("timeout", text)).toThrow(
    `Flag --timeout cannot be "${text}": give a duration such as 30s, 5m or 1h`,
  );
});

test.each(["", "1.5", "a", "0", "11", "1e1"])("%p is no whole number from 1 to 10", (text) => {
  expect(() => integerFlag("max-pods", text, 1, 10)).toThrow(
    `Flag --max-pods cannot be "${text}": give a whole number from 1 to 10`,
  );
});

test("a whole number in range", () => {
  expect(integerFlag("max-pods", "10", 1, 10)).toBe(10);
});
