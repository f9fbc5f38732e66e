import { describe, expect, test } from "bun:test";
import { parseJson } from "./json.ts";

test.each([
  ["", "it is empty, which is not JSON"],
  [" \n", "it is empty, which is not JSON"],
  [
    "<!DOCTYPE html><p>SECRET",
    "it is a page in HTML or XML, which is not JSON: a proxy, a login or an error page may have answered",
  ],
  ['{"auths": {"SECRET', "it is broken or cut off, which is not JSON"],
  ["SECRET", "it is other text, which is not JSON"],
])("%p is told apart, and quoted nowhere", (text, message) => {
  let thrown: unknown;
  try {
    parseJson(text);
  } catch (error) {
    thrown = error;
  }
  expect((thrown as Error).message).toBe(message);
  expect((thrown as Error).cause).toBeUndefined();
});

test("what is JSON is itself", () => {
  expect(parseJson('{"a":[1,null]}')).toEqual({ a: [1, null] });
});

describe("as many levels as Go takes", () => {
  const lists = (levels: number): string => "[".repeat(levels) + "]".repeat(levels);
  const objects = (levels: number): string => `${'{"a":'.repeat(levels)}1${"}".repeat(levels)}`;
  test.each(Object.entries({ lists, objects }))("%s", (_, text) => {
    expect(parseJson(text(10_000))).toBeDefined();
    for (const levels of [10_001, 1_000_000])
      expect(() => parseJson(text(levels))).toThrow("it is nested more than 10,000 levels deep");
  });

  test("what strings have does not count, nor do brackets one after another", () => {
    const text = '\\"[{'.repeat(20_000);
    expect(parseJson(JSON.stringify({ [text]: text }))).toEqual({ [text]: text });
    expect(parseJson(`[${'["]"],'.repeat(20_000)}1]`)).toHaveLength(20_001);
    expect(() => parseJson('["\\"'.repeat(9_000))).toThrow("it is broken or cut off");
  });
});
