import { describe, expect, test } from "bun:test";
import { parseYaml } from "./yaml.ts";

const times = (text: string, n: number, end = ""): string => text.repeat(n) + end.repeat(n);
const indented = (n: number): string => Array.from({ length: n }, (_, i) => `${" ".repeat(i)}a:\n`).join("");

describe("what is nested without end is refused before the parser takes minutes for it", () => {
  test.each(
    Object.entries({
      "lists in brackets": (n: number) => times("[", n, "]"),
      "brackets that never close": (n: number) => times("[", n),
      "objects in braces": (n: number) => times('{"a":', n, "}"),
      "objects in braces that never close": (n: number) => times("{a: ", n),
      "lists on one line": (n: number) => `${times("- ", n)}a`,
      "keys on one line": (n: number) => times("? ", n),
      "lists within a value": (n: number) => `a:\n  b: ${times("[", n, "]")}`,
    }),
  )("%s", (_, text) => {
    const begin = performance.now();
    for (const levels of [1000, 100_000]) {
      expect(() => parseYaml(text(levels))).toThrow("it is not valid YAML: line ");
      expect(() => parseYaml(text(levels))).toThrow("nested more than 200 levels deep");
    }
    expect(performance.now() - begin).toBeLessThan(20_000);
  });

  test("an indentation of thousands of columns", () => {
    expect(() => parseYaml(indented(2000))).toThrow("line 200, column 201: nested more than 200 levels deep");
  });
});

test("what only looks nested is read", () => {
  const brackets = times("[", 500);
  expect(
    parseYaml(`a: |\n  ${brackets}\nb: "${brackets}"\nc: x${brackets}\n# ${brackets}\nd: >-\n  - ${brackets}\n`),
  ).toEqual([{ a: `${brackets}\n`, b: brackets, c: `x${brackets}`, d: `- ${brackets}` }]);
  // Many lists one after another, also on one line, and in many documents.
  expect(parseYaml(`[${times("[1],", 300)}]`)[0]).toHaveLength(300);
  expect(parseYaml(times("- [1]\n- b: {c: d}\n", 300))[0]).toHaveLength(600);
  expect(parseYaml(times("---\na: [1]\n", 300))).toHaveLength(300);
  expect(parseYaml(`${times(" ", 5000)}a: 1\n`)).toEqual([{ a: 1 }]);
});

test("levels as deep as any resource has are read", () => {
  expect(parseYaml(indented(100))).toHaveLength(1);
  expect(parseYaml(times("[", 100, "]"))).toHaveLength(1);
  expect(parseYaml(`${times("- ", 60)}${times("[", 60, "]")}`)).toHaveLength(1);
});
