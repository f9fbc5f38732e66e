import { expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MAX_REASON, parseJUnit } from "./junit.ts";

test("the totals are those of the whole report", () => {
  const report = `<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="bun test" tests="9" assertions="12" failures="2" skipped="3" time="0.02">
  <testsuite name="a.test.ts" tests="4" failures="1" skipped="1"></testsuite>
</testsuites>`;
  expect(parseJUnit(report).tally).toEqual({ tests: 9, failed: 2, skipped: 3 });
});

test("a report without totals is an error", () => {
  expect(() => parseJUnit("")).toThrow("no totals");
});

test("what failed is read from a report of bun test itself", () => {
  const folder = mkdtempSync(join(tmpdir(), "onloadctl-junit-"));
  try {
    writeFileSync(
      join(folder, "some.test.ts"),
      `import { describe, expect, test } from "bun:test";
describe("a <b> & \\"c\\"", () => {
  test("good", () => {});
  test("compares", () => { expect({ text: "<x> & y" }).toEqual({ text: "z" }); });
  test.each(["v1"])("of %s", () => expect(1).toBe(2));
});
test("throws", () => { throw new Error("Cannot read it: " + "x".repeat(10000)); });
test("hangs", () => new Promise(() => {}), 50);
describe("one", () => describe("two > 2", () => { describe("three", () => test("four", () => { throw "no"; })); }));
test.skip("left out", () => {});
`,
    );
    const report = join(folder, "report.xml");
    Bun.spawnSync([process.execPath, "test", "--reporter=junit", `--reporter-outfile=${report}`, "./some.test.ts"], {
      cwd: folder,
    });
    const xml = readFileSync(report, "utf8");
    const { tally, files, failures } = parseJUnit(xml);
    expect(tally).toEqual({ tests: 7, failed: 5, skipped: 1 });
    expect([...files]).toEqual(["some.test.ts"]);
    expect(failures.map(({ file, name }) => [file, name])).toEqual([
      ["some.test.ts", 'a <b> & "c" > compares'],
      ["some.test.ts", 'a <b> & "c" > of v1'],
      ["some.test.ts", "throws"],
      ["some.test.ts", "hangs"],
      ["some.test.ts", "one > two > 2 > three > four"],
    ]);
    const [compares, , throws, hangs] = failures.map(({ reason }) => reason);
    expect(compares).toContain('+   "text": "<x> & y"');
    expect(compares).toMatch(/some\.test\.ts:4:\d+$/);
    expect(throws).toStartWith("Error: Cannot read it: xxx");
    expect(throws).toHaveLength(MAX_REASON);
    expect(hangs).toBe("test timed out");
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
