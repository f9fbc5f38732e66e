import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { RE2JS } from "re2js";
import { matchesKernel, RegexpError } from "./kernel-regexp.ts";
import { MAX_REGEXP_CHARACTERS, programBound } from "./regexp-size.ts";
import { anExpression } from "./testing/expressions.ts";

const KERNEL = "5.14.0-570.58.1.rt14.343.el9_6.x86_64";

describe("time grows no faster than the text", () => {
  /** Milliseconds of processor time that it takes to say whether an expression matches, or that it cannot be evaluated. */
  const time = (expression: string, kernel = KERNEL): number => {
    const before = process.cpuUsage();
    try {
      matchesKernel(expression, kernel);
    } catch (error) {
      if (!(error instanceof RegexpError)) throw error;
    }
    const { user, system } = process.cpuUsage(before);
    return (user + system) / 1000;
  };
  test.each([
    ["24 times .*", `^(?:${".*".repeat(24)})=$`],
    ["as many .* as there is room for", `${".*".repeat(500)}[=!]`],
    ["nested stars", "^((([0-9a-z._-]*)*)*)*[=!]$"],
    ["overlapping alternatives", "^(?:[0-9.]|[0-9]|[0-9.-]+|[^=]+)+[=!]$"],
    ["counts of counts", "(?:(?:[^=]?){30}){30}[=!]"],
    ["a count of everything", `(?:${".?".repeat(500)}){1000}=`],
    ["many counts", `${".{1000}".repeat(140)}=`],
    ["a thousand groups", "(".repeat(500) + ")".repeat(500)],
    ["a thousand open groups", "(".repeat(1024)],
    ["a name that does not end", "\\p{".repeat(340)],
    ["a million characters", "a?".repeat(500_000)],
  ])("%s", (_, expression) => {
    expect(time(expression)).toBeLessThan(500);
    expect(time(expression, "a".repeat(256))).toBeLessThan(500);
    expect(time(expression, "a".repeat(1_000_000))).toBeLessThan(500);
  });
});

test("what is kept of thousands of expressions and kernels does not change an answer", () => {
  for (let round = 0; round < 2; round++) {
    for (let i = 0; i < 3000; i++) expect(matchesKernel(`^5\\.${i}\\.`, `5.${i % 2 ? i : i + 1}.0`)).toBe(i % 2 === 1);
  }
  for (let i = 0; i < 3000; i++) expect(matchesKernel("^5\\.1?[0-9]\\.", `5.${i}.0`)).toBe(i < 20);
});

test("an expression that cannot be evaluated stays so", () => {
  for (let i = 0; i < 3; i++) expect(() => matchesKernel("(?!", "5")).toThrow(RegexpError);
});

test("no program is larger than its bound", () => {
  fc.assert(
    fc.property(anExpression, (expression) => {
      let program: RE2JS;
      try {
        program = RE2JS.compile(expression);
      } catch {
        return;
      }
      expect(programBound(expression)).toBeGreaterThanOrEqual(program.programSize());
    }),
    { numRuns: 1000, examples: [["()()*|"], ["()*()*()*|()"]] },
  );
});

test.each([
  "[](]",
  "[^](]",
  "[[:digit:](]",
  "[\\](]",
  "[[(]",
  "\\(",
  "\\Q(\\E",
  "[\\x{28}(]",
  "[ -[:(]",
  "[ -\\x5b[(]",
  "[\\d-[:(]",
])("a bracket in %s opens no group", (piece) => {
  const expression = `(?:${"x".repeat(20)}${piece}a){30}`;
  const size = RE2JS.compile(expression).programSize();
  expect(size).toBeGreaterThan(600);
  expect(programBound(expression)).toBeGreaterThanOrEqual(size);
});

test("there is room for every plain expression that the CRD accepts, and for a long list of kernels", () => {
  expect(matchesKernel("x".repeat(MAX_REGEXP_CHARACTERS), KERNEL)).toBe(false);
  const kernels = Array.from({ length: 24 }, (_, i) => `5\\.14\\.0-570\\.${i}\\.1\\.el9_6\\.x86_64`);
  expect(matchesKernel(`^(?:${kernels.join("|")})$`, "5.14.0-570.23.1.el9_6.x86_64")).toBe(true);
});
