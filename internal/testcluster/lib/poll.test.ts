import { expect, test } from "bun:test";
import { poll } from "./poll.ts";

test("the first answer that is neither undefined nor false is returned", async () => {
  const answers = [undefined, false, new Error("not yet"), 0];
  const answer = await poll<number>(
    () => {
      const next = answers.shift();
      if (next instanceof Error) throw next;
      return next as number | undefined | false;
    },
    { what: "An answer", intervalMs: 1 },
  );
  expect(answer).toBe(0);
});

test("the error says what did not happen, how long, and the last reason", () => {
  const attempt = (): never => {
    throw new Error("connection refused");
  };
  expect(poll(attempt, { what: "Readiness", timeoutMs: 5, intervalMs: 1 })).rejects.toThrow(
    "Readiness did not happen within 0.005 s: connection refused",
  );
});

test("an abort ends the wait", () => {
  const signal = AbortSignal.abort(new Error("Interrupted"));
  expect(poll(() => false, { what: "Nothing", signal })).rejects.toThrow("Interrupted");
});
