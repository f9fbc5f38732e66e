import { expect, test } from "bun:test";
import { mkdir, writeFile } from "node:fs/promises";
import { errorText } from "./errors.ts";
import { writing } from "./writing.ts";

const failure = async (work: () => unknown): Promise<string> => {
  try {
    await work();
  } catch (error) {
    return errorText(error);
  }
  return "";
};

test.each<[string, () => Promise<unknown>, string]>([
  [
    "a full disk",
    () => writeFile("/dev/full", "x"),
    "Cannot write /x: no space left on device; free space there, or choose another place with --to",
  ],
  ["a file in the way", () => mkdir("/dev/null/x"), "Cannot write /x: not a directory; choose another place with --to"],
  ["no folder", () => writeFile("/dev/fd/none/x", ""), "Cannot write /x: no such file or directory"],
  ["what is no error of the file system", () => Promise.reject(new Error("no registry")), "no registry"],
])("%s", async (_what, work, text) => {
  expect(await failure(() => writing("/x", "--to", work))).toBe(text);
});
