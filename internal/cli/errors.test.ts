import { expect, test } from "bun:test";
import { errorText, isAbort } from "./errors.ts";

test.each<[string, unknown, string]>([
  ["a message", new Error("Cannot x"), "Cannot x"],
  ["a cause that the message does not quote", new Error("Cannot x", { cause: new Error("y") }), "Cannot x: y"],
  ["a cause that the message quotes", new Error("Cannot x: y", { cause: new Error("y") }), "Cannot x: y"],
  ["several lines", new Error("Cannot x:\n  y\n"), "Cannot x: y"],
  ["no message", new TypeError(), "TypeError"],
  ["no error at all", "y", "y"],
  [
    "several errors",
    new AggregateError([new Error("first"), new Error("second")], "Cannot x"),
    "Cannot x: first; second",
  ],
  ["what the system says", new Error("ENOENT: no such file or directory, open '/a'"), "no such file or directory"],
  [
    "what the system says of two files",
    new Error("EXDEV: cross-device link not permitted, rename '/a' -> '/b'"),
    "cross-device link not permitted",
  ],
  ["what the system says of a folder", new Error("EISDIR: illegal operation on a directory, read"), "it is a folder"],
  [
    "that in a sentence",
    new Error("Cannot read /a: EACCES: permission denied, open '/a'"),
    "Cannot read /a: permission denied",
  ],
])("%s is one line", (_, error, text) => {
  expect(errorText(error)).toBe(text);
});

test("only an abort is an abort", () => {
  expect(isAbort(AbortSignal.abort().reason)).toBe(true);
  expect(isAbort(new Error("AbortError"))).toBe(false);
});
