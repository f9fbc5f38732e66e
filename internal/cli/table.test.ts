import { expect, test } from "bun:test";
import { formatAge, formatTable } from "./table.ts";

test("a table looks like kubectl's", () => {
  expect(
    formatTable(
      ["node", "state"],
      [
        ["node-1", "Ready"],
        ["a", ""],
      ],
    ),
  ).toBe("NODE     STATE\nnode-1   Ready\na        <none>\n");
});

test.each([
  [-5, "0s"],
  [119_999, "119s"],
  [120_000, "2m"],
  [7_199_000, "119m"],
  [7_200_000, "2h"],
  [172_800_000, "2d"],
])("%d ms is %s", (ms, text) => {
  expect(formatAge(ms)).toBe(text);
});
