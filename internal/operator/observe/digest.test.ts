import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { digestOf } from "./digest.ts";

/** The same data with the keys of every object in the opposite order. */
function reversed(value: fc.JsonValue): fc.JsonValue {
  if (Array.isArray(value)) return value.map(reversed);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).reverse();
  return JSON.parse(`{${entries.map(([k, v]) => `${JSON.stringify(k)}:${JSON.stringify(reversed(v!))}`).join()}}`);
}

describe("a digest", () => {
  test("does not depend on the order of keys", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const once = JSON.parse(JSON.stringify(value)) as fc.JsonValue;
        expect(digestOf(reversed(once))).toBe(digestOf(once));
      }),
    );
  });
  test("is another for other data", () => {
    const plain = fc.jsonValue().map((value) => JSON.parse(JSON.stringify(value)) as fc.JsonValue);
    fc.assert(
      fc.property(plain, plain, (a, b) => {
        expect(digestOf(a) === digestOf(b)).toBe(Bun.deepEquals(a, b));
      }),
    );
  });
  test.each([
    [
      { a: 1, b: 2 },
      { a: { b: 2 }, 1: 0 },
    ],
    [["a", "b"], ["a,b"]],
    [["a,b"], ['a","b']],
    [JSON.parse('{"__proto__":{"a":1}}'), {}],
    [{ constructor: 1 }, {}],
    [{ a: null }, {}],
    ["1", 1],
    [
      [1, 2],
      [2, 1],
    ],
    [[], {}],
  ])("tells %j from %j", (a, b) => {
    expect(digestOf(a)).not.toBe(digestOf(b));
  });
  test("is short, however large the data", () => {
    expect(digestOf("x".repeat(1_000_000))).toMatch(/^[0-9a-f]{16}$/);
  });
});
