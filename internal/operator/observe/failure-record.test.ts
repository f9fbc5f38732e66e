import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { NODE_REASON } from "../../api/reasons.ts";
import { formatFailureRecord, parseFailureRecord, type FailureRecord } from "./failure-record.ts";

const short = fc.string({ unit: "binary", maxLength: 64 });
const record: fc.Arbitrary<FailureRecord> = fc.record({
  state: short,
  version: short,
  attempt: short,
  reason: fc.constantFrom(...Object.values(NODE_REASON)),
  message: fc.string({ unit: "binary", maxLength: 6000 }),
  since: fc.integer({ min: 0, max: Date.UTC(2100, 0, 1) }),
});

describe("failure records", () => {
  test("survive writing and reading, with a message of one line and bounded length", () => {
    fc.assert(
      fc.property(record, (written) => {
        const read = parseFailureRecord(formatFailureRecord(written))!;
        expect(read).toEqual({ ...written, message: read.message });
        expect(read.message.length).toBeLessThanOrEqual(2000);
        // eslint-disable-next-line no-control-regex
        expect(read.message).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202e]/);
        expect(parseFailureRecord(formatFailureRecord(read))).toEqual(read);
      }),
    );
  });
  const good = { state: "Draining", version: "v2", attempt: "1", reason: "EvictionBlocked", message: "m" };
  const since = "2026-01-01T12:00:00.000Z";
  test.each([
    undefined,
    "",
    "null",
    "[]",
    "1",
    "{",
    JSON.stringify(good),
    JSON.stringify({ ...good, since: "yesterday" }),
    JSON.stringify({ ...good, since, reason: "constructor" }),
    JSON.stringify({ ...good, since, reason: "Whatever" }),
    JSON.stringify({ ...good, since, attempt: 1 }),
    JSON.stringify({ ...good, since, version: "x".repeat(129) }),
    JSON.stringify({ ...good, since, state: "x".repeat(129) }),
    JSON.stringify({ ...good, since, attempt: "x".repeat(129) }),
    JSON.stringify({ ...good, since, message: "x".repeat(20_000) }),
    "[".repeat(100_000),
  ])("that are garbled are none: %#", (text) => {
    expect(parseFailureRecord(text)).toBeUndefined();
  });
  test("that a person has changed within the form are read with bounds", () => {
    const text = JSON.stringify({ ...good, since, message: `a\n\u001b[31m${"x".repeat(3000)}`, more: 1 });
    expect(parseFailureRecord(text)!.message).toStartWith("a [31mx");
    expect(parseFailureRecord(text)!.message).toHaveLength(2000);
  });
});
