import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { attemptOf, formatStepRecord, formerAttemptOf, isPresentAttempt, parseStepRecord } from "./step-record.ts";

const FLAGS = ["cordoned", "retried", "letGo"];
const since = Date.UTC(2026, 0, 1, 12);

describe("step records", () => {
  test("survive writing and reading, whatever the retry annotation says", () => {
    fc.assert(
      fc.property(fc.option(fc.string({ unit: "binary" }), { nil: undefined }), fc.subarray(FLAGS), (retry, flags) => {
        const attempt = attemptOf("0123456789abcdef", retry);
        const set = Object.fromEntries(flags.map((flag) => [flag, true as const]));
        const written = { step: "UnlabelOnload", since, attempt, ...set };
        expect(formatStepRecord(written).length).toBeLessThan(100);
        expect(parseStepRecord(formatStepRecord(written))).toEqual(written);
      }),
    );
  });
  test("tell one retry from another", () => {
    const attempts = [undefined, "", "1", "1\n", "2"].map((retry) => attemptOf("a", retry));
    expect(new Set(attempts).size).toBe(attempts.length);
  });
  test.each([
    ["Evict 2026-01-01T12:00:00.000Z 7", "7"],
    ["Evict 2026-01-01T12:00:00.000Z 7:once more", "7:once more"],
    ["Evict 2026-01-01T12:00:00.000Z 7:two\nlines", "7:two\nlines"],
    [`Evict 2026-01-01T12:00:00.000Z 7:${"x".repeat(200_000)}`, `7:${"x".repeat(62)}`],
  ])("of earlier versions are read, within bounds", (text, attempt) => {
    expect(parseStepRecord(text)).toEqual({ step: "Evict", since, attempt });
  });
  test("of an earlier version go on, if nothing was changed since", () => {
    const present = { attempt: attemptOf("a", "once"), formerAttempt: formerAttemptOf(7, "once") };
    const recorded = [present.attempt, "7:once", "7", "8:once", "a", ""];
    expect(recorded.map((each) => isPresentAttempt(each, present))).toEqual([true, true, false, false, false, false]);
    expect(formerAttemptOf(7, undefined)).toBe("7");
    // As it is read.
    const long = formerAttemptOf(7, "x".repeat(200));
    expect(parseStepRecord(`Evict 2026-01-01T12:00:00.000Z 7:${"x".repeat(200)}`)!.attempt).toBe(long);
    expect(isPresentAttempt("7", { attempt: "b" })).toBeFalse();
  });
  test.each([undefined, "", "x", "Install yesterday 1", "Install 2026-01-01T00:00:00Z", `${"x".repeat(1e6)} 1 1`])(
    "that are garbled are none",
    (text) => {
      expect(parseStepRecord(text)).toBeUndefined();
    },
  );
});
