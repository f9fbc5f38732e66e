import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { UsageError } from "../cli/errors.ts";
import { writeRendered } from "./output.ts";

let folder: string;
beforeEach(async () => void (folder = await mkdtemp(join(tmpdir(), "onloadctl-output-"))));
afterEach(() => rm(folder, { recursive: true, force: true }));

const rendered = { text: "text\n", files: [{ name: "a.sh", contents: "script\n", mode: 0o755 }] };

test("writes the text and its files", async () => {
  await writeRendered(join(folder, "x.bu"), rendered, false);
  expect((await readdir(folder)).sort()).toEqual(["a.sh", "x.bu"]);
  expect(await readFile(join(folder, "x.bu"), "utf8")).toBe("text\n");
  expect((await stat(join(folder, "a.sh"))).mode & 0o777).toBe(0o755);
});

test.each(["x.bu", "a.sh"])("where %s exists, nothing is written", async (name) => {
  await writeFile(join(folder, name), "old");
  const writing = writeRendered(join(folder, "x.bu"), rendered, false);
  await expect(writing).rejects.toThrow(UsageError);
  await expect(writing).rejects.toThrow(`Cannot write ${join(folder, name)}: it exists; give another name or --force`);
  expect(await readdir(folder)).toEqual([name]);
  expect(await readFile(join(folder, name), "utf8")).toBe("old");
});

test("with force, what exists is replaced", async () => {
  await writeFile(join(folder, "x.bu"), "old");
  await writeRendered(join(folder, "x.bu"), rendered, true);
  expect(await readFile(join(folder, "x.bu"), "utf8")).toBe("text\n");
});

test.each([
  ["absent/x.bu", "there is no folder"],
  ["a.sh", "a script beside it has that name"],
])("%s is refused and leaves nothing behind", async (name, reason) => {
  await expect(writeRendered(join(folder, name), rendered, true)).rejects.toThrow(reason);
  expect(await readdir(folder)).toEqual([]);
});

test("a folder is no file, even with force", async () => {
  await expect(writeRendered(folder, { text: "", files: [] }, true)).rejects.toThrow("give the name of a file");
});
