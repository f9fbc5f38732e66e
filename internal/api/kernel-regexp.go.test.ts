import { expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { text } from "node:stream/consumers";
import fc from "fast-check";
import { tool } from "../testcluster/tools/index.ts";
import { matchesKernel, RegexpError } from "./kernel-regexp.ts";
import { anExpression, TEXTS } from "./testing/expressions.ts";

// The Go compiler is not among what a test is timed for.
const program = await tool("go-regexp");

/** What an engine makes of an expression: whether it matches each of TEXTS, or that it is none. */
type Verdict = boolean[] | "invalid";

/** Go's package regexp, which KMM uses. */
async function go(expressions: readonly string[]): Promise<Verdict[]> {
  const child = spawn(program, { stdio: ["pipe", "pipe", "inherit"] });
  child.stdin.end(expressions.map((regexp) => `${JSON.stringify({ regexp, texts: TEXTS })}\n`).join(""));
  const lines = (await text(child.stdout)).trimEnd().split("\n");
  return lines.map((line) => {
    const { error, matches } = JSON.parse(line) as { error?: string; matches: boolean[] };
    return error === undefined ? matches : "invalid";
  });
}

function ours(expression: string): Verdict | "too large" {
  try {
    return TEXTS.map((each) => matchesKernel(expression, each));
  } catch (error) {
    if (!(error instanceof RegexpError)) throw error;
    return error.message.startsWith("it is too large") ? "too large" : "invalid";
  }
}

test("thousands of expressions mean to us what they mean to Go", async () => {
  const seed = Date.now() % 2 ** 31;
  const expressions = fc.sample(anExpression, { seed, numRuns: 4000 });
  const theirs = await go(expressions);
  expect(theirs).toHaveLength(expressions.length);
  const counts = { matching: 0, valid: 0, invalid: 0, tooLarge: 0 };
  const differences: object[] = [];
  for (const [i, expression] of expressions.entries()) {
    const [want, is] = [theirs[i]!, ours(expression)];
    if (is === "too large") counts.tooLarge++;
    else if (!Bun.deepEquals(want, is)) differences.push({ expression, want, is });
    if (want === "invalid") counts.invalid++;
    else counts.valid++;
    if (want.includes(true as never)) counts.matching++;
  }
  expect({ seed, differences: differences.slice(0, 3) }).toEqual({ seed, differences: [] });
  // The expressions tell something: they are of every kind.
  expect(counts.matching).toBeGreaterThan(1000);
  expect(counts.valid).toBeGreaterThan(2000);
  expect(counts.invalid).toBeGreaterThan(300);
  expect(counts.tooLarge).toBeLessThan(100);
});

test("what people write for kernels, and what only one engine knows", async () => {
  const expressions = [
    "^.*$",
    "^5\\.14\\.0-570\\.[0-9]+\\.1\\.el9_6\\.x86_64$",
    "^[[:digit:]]+\\.14\\.",
    "(?i)",
    "(?i)EL9",
    "el9(?:_[0-9]+)?\\.(x86_64|aarch64)",
    "^(?P<major>\\d+)\\.(?<minor>\\d+)",
    `^(?:${".*".repeat(24)})=$`,
    "el9(?!_6)",
    "(?<=el)9",
    "(a)\\1",
    "(?>el9)",
    "\\p{Lu}",
  ];
  const verdicts = expressions.map(ours);
  expect(verdicts).toEqual(await go(expressions));
  expect(verdicts.map((verdict) => verdict === "invalid").indexOf(true)).toBe(8);
  expect(verdicts[2]!).toContain(true as never);
});

test("what only Go knows cannot be evaluated, so that nothing is done", async () => {
  const expressions = ["\\p{Letter}", "\\p{greek}", "\\p{ASCII}", "(?P<n>a)|(?P<n>b)"];
  expect(await go(expressions)).not.toContain("invalid");
  expect(new Set(expressions.map(ours))).toEqual(new Set(["invalid"]));
});
