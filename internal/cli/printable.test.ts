import { expect, test } from "bun:test";
import { printable } from "./printable.ts";

test.each([
  ["plain words", "plain words"],
  ["  two\r\n lines\t", "two lines"],
  ["\u001b[2J\u001b]0;title\u0007red", "[2J ]0;title red"],
  ["abc\u202ecba\u200b", "abc cba"],
  ["line\u2028line", "line line"],
  ["", ""],
])("%j is printed as %j", (text, printed) => {
  expect(printable(text)).toBe(printed);
});

test("what is too long ends in dots", () => {
  expect(printable("a".repeat(20), 10)).toBe("aaaaaaa...");
  expect(printable("a".repeat(10), 10)).toBe("a".repeat(10));
});
