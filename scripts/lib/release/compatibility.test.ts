import { expect, test } from "bun:test";
import { compatibilityProblem } from "./compatibility.ts";

const BEFORE = "# head\ncommand a\ncommand a --b\nmetric c gauge\n";
const SAME = BEFORE.replace("head", "another head");
const MORE = `${BEFORE}metric d counter\n`;
const LESS = BEFORE.replace("command a --b\n", "");
const CHANGED = BEFORE.replace("gauge", "counter");

test.each([
  ["1.2.3", "1.2.4", SAME, true],
  ["1.2.3", "1.3.0", MORE, true],
  ["1.2.3", "1.2.4", LESS, false],
  ["1.2.3", "1.3.0", LESS, false],
  ["1.2.3", "1.3.0", CHANGED, false],
  ["1.2.3", "2.0.0", LESS, true],
  ["1.2.3", "2.0.0-rc.1", CHANGED, true],
  ["2.0.0", "1.9.9", LESS, false],
  ["0.2.3", "0.2.4", LESS, false],
  ["0.2.3", "0.3.0", LESS, true],
  ["0.2.3", "1.0.0", LESS, true],
  ["0.9.0", "0.10.0-rc.1", LESS, true],
  ["1.2.3", "0.3.0", LESS, false],
  ["0.2.0", "0.1.0", SAME, false],
  ["0.2.0", "0.2.0", SAME, false],
  ["0.2.0", "0.2.0-rc.1", MORE, false],
  ["0.9.0", "0.10.0", SAME, true],
])("%s to %s: %j: %p", (from, to, text, allowed) => {
  const problem = compatibilityProblem({ version: from, text: BEFORE }, { version: to, text });
  expect(problem === undefined).toBe(allowed);
});

const ASKS = `resource g/v .spec object
resource g/v .spec.a string
resource g/v .spec.a required
resource g/v .spec.b[] object
command a --b, -c
`;
test.each([
  ["nothing more", ASKS, true],
  ["less", ASKS.replace("resource g/v .spec.a required\n", ""), true],
  ["a new field", `${ASKS}resource g/v .spec.c required\n`, false],
  ["a field of an item", `${ASKS}resource g/v .spec.b[].d required\n`, false],
  ["a flag with a short form", `${ASKS}command a --b, -c required\n`, false],
  ["a field of a new part", `${ASKS}resource g/v .spec.e object\nresource g/v .spec.e.f required\n`, true],
  ["a flag of a new command", `${ASKS}command d\ncommand d --e required\n`, true],
])("what must be given is %s", (_, text, allowed) => {
  const problem = compatibilityProblem({ version: "1.0.0", text: ASKS }, { version: "1.1.0", text });
  expect(problem === undefined).toBe(allowed);
  // Where there are no such lines, nothing is known.
  const before = ASKS.replace("resource g/v .spec.a required\n", "");
  expect(compatibilityProblem({ version: "1.0.0", text: before }, { version: "1.1.0", text })).toBeUndefined();
});

test("the refusal names what has gone, and the version that allows for it", () => {
  const refuse = (from: string, to: string): string | undefined =>
    compatibilityProblem({ version: from, text: BEFORE }, { version: to, text: LESS });
  expect(refuse("1.2.3", "1.2.4")).toMatch(/^Cannot release 1\.2\.4 after 1\.2\.3: .*needs 2\.0\.0: command a --b$/);
  expect(refuse("0.2.3", "0.2.4")).toMatch(/needs 0\.3\.0: /);
  expect(refuse("0.2.0", "0.1.0")).toBe(
    "Cannot release 0.1.0 after 0.2.0: a release has a version above that of the one before",
  );
  const many = Array.from({ length: 25 }, (_, i) => `metric m${i} gauge`).join("\n");
  expect(compatibilityProblem({ version: "1.0.0", text: many }, { version: "1.0.1", text: "" })).toMatch(
    /metric m9 gauge; and 15 more$/,
  );
});
