import { expect, test } from "bun:test";
import { printable } from "./printable.ts";

test.each([
  ["plain words", "plain words"],
  ["  two\r\n lines\t", "two lines"],
  ["\u001b[2J\u001b]0;title\u0007red", "[2J ]0;title red"],
  ["abc\u202ecba\u200b", "abc cba"],
  ["line\u2028line", "line line"],
  ["pay\u200bpal p\u3164q \u2066a\u2069 b\u034fc d\u00ade f\ufe0fg h\u{e0041}i", "pay pal p q a b c d e f g h i"],
  ["Z\u0301\u0302\u0303\u0304\u0305\u0306algo", "Z\u0301\u0302\u0303algo"],
  ["Tiếng Việt, ไทย, हिन्दी, 日本語, Ä", "Tiếng Việt, ไทย, हिन्दी, 日本語, Ä"],
  ["", ""],
])("%j is printed as %j", (text, printed) => {
  expect(printable(text)).toBe(printed);
});

test("what is too long ends in dots", () => {
  expect(printable("a".repeat(20), 10)).toBe("aaaaaaa...");
  expect(printable("a".repeat(10), 10)).toBe("a".repeat(10));
});
