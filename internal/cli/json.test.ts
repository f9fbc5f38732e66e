import { expect, test } from "bun:test";
import { parseJson } from "./json.ts";

test.each([
  ["", "it is empty, which is no JSON"],
  [" \n", "it is empty, which is no JSON"],
  [
    "<!DOCTYPE html><p>SECRET",
    "it is a page in HTML or XML, which is no JSON: a proxy, a login or an error page may have answered",
  ],
  ['{"auths": {"SECRET', "it is broken or cut off, which is no JSON"],
  ["SECRET", "it is other text, which is no JSON"],
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
