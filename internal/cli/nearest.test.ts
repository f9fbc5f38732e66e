import { expect, test } from "bun:test";
import { nearest } from "./nearest.ts";

test("nearest finds a word two edits away, and none further", () => {
  expect(nearest("statu", ["status", "plan"])).toBe("status");
  expect(nearest("xyz", ["status", "plan"])).toBeUndefined();
});
