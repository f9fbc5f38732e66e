import { expect, test } from "bun:test";
import { hideSecrets } from "./secrets.ts";

test.each([
  ["https://admin:hunter2@10.0.0.1:6443/api", "https://***@10.0.0.1:6443/api"],
  ["see https://example.com/a@b and me@example.com", "see https://example.com/a@b and me@example.com"],
  ["Authorization: Bearer abc", "Authorization: Bearer ***"],
  ['{"authorization":["Basic dTpw"],"x":1}', '{"authorization":["Basic ***"],"x":1}'],
  ['"{\\"Authorization\\": \\"Bearer abc\\"}"', '"{\\"Authorization\\": \\"Bearer ***\\"}"'],
  ["authorization: 0123456789abcdef0123456789", "authorization: ***"],
  ["authorization: forbidden by policy", "authorization: forbidden by policy"],
  ["the bearer 0123456789abcdef0 was refused", "the bearer *** was refused"],
  ["Bearer tokens are read again", "Bearer tokens are read again"],
  ["token eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln is old", "token *** is old"],
])("%j is shown as %j", (text, shown) => {
  expect(hideSecrets(text)).toBe(shown);
});

test.each(["://a", "eyJ", "eyJaaaaaa.", "authorization ", "Bearer ", "a.", "authorization=["])(
  "a megabyte of %j takes no time",
  (piece) => {
    const text = piece.repeat(1_000_000 / piece.length);
    const started = performance.now();
    hideSecrets(text);
    expect(performance.now() - started).toBeLessThan(5000);
  },
);
