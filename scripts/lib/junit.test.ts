import { expect, test } from "bun:test";
import { parseJUnit } from "./junit.ts";

test("the totals are those of the whole report", () => {
  const report = `<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="bun test" tests="9" assertions="12" failures="2" skipped="3" time="0.02">
  <testsuite name="a.test.ts" tests="4" failures="1" skipped="1"></testsuite>
</testsuites>`;
  expect(parseJUnit(report)).toEqual({ tests: 9, failed: 2, skipped: 3 });
});

test("a report without totals is an error", () => {
  expect(() => parseJUnit("")).toThrow("no totals");
});
