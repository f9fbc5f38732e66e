import { expect, test } from "bun:test";
import { firstFew } from "./first-few.ts";

test.each([
  [[], ""],
  [["a"], "a"],
  [["a", "b", "c"], "a, b, c"],
  [["a", "b", "c", "d"], "a, b, c and 1 more"],
  [["a", "b", "c", "d", "e"], "a, b, c and 2 more"],
])("the first three of %j", (all, text) => {
  expect(firstFew(all, 3)).toBe(text);
});

test("only what is named is put into words", () => {
  const asked: number[] = [];
  const text = (each: number): string => {
    asked.push(each);
    return `<${each}>`;
  };
  expect(firstFew([1, 2, 3], 2, text)).toBe("<1>, <2> and 1 more");
  expect(asked).toEqual([1, 2]);
});
