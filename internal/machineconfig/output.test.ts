import { execFileSync } from "node:child_process";
import { afterEach, beforeEach, expect, test } from "bun:test";
import { lstat, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { UsageError } from "../cli/errors.ts";
import { writeRendered } from "./output.ts";

let folder: string;
beforeEach(async () => void (folder = await mkdtemp(join(tmpdir(), "onloadctl-output-"))));
afterEach(() => rm(folder, { recursive: true, force: true }));

/** The error that a promise is rejected with. */
async function failure(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => expect.unreachable("it did not fail"),
    (error: unknown) => error,
  );
}

const rendered = { text: "text\n", files: [{ name: "a.sh", contents: "script\n", mode: 0o755 }] };

test("writes the text and its files", async () => {
  await writeRendered(join(folder, "x.bu"), rendered, false);
  expect((await readdir(folder)).sort()).toEqual(["a.sh", "x.bu"]);
  expect(await readFile(join(folder, "x.bu"), "utf8")).toBe("text\n");
  expect((await stat(join(folder, "a.sh"))).mode & 0o777).toBe(0o755);
});

test.each(["x.bu", "a.sh"])("where %s exists, nothing is written", async (name) => {
  await writeFile(join(folder, name), "old");
  expect(await failure(writeRendered(join(folder, "x.bu"), rendered, false))).toEqual(
    new UsageError(`Cannot write ${join(folder, name)}: it exists; give another name or --force`),
  );
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
  expect(String(await failure(writeRendered(join(folder, name), rendered, true)))).toContain(reason);
  expect(await readdir(folder)).toEqual([]);
});

test.each(["x.bu", "a.sh"])("what is no regular file is not replaced, even with force: %s", async (name) => {
  const path = join(folder, name);
  const kinds: [string, () => unknown][] = [
    ["folder", () => mkdir(path)],
    ["pipe", () => execFileSync("mkfifo", [path])],
    // Such as /dev/stdout, which every program of the machine opens by its name.
    ["symbolic link", () => symlink("somewhere", path)],
  ];
  for (const [kind, make] of kinds) {
    await make();
    const before = await lstat(path);
    expect(await failure(writeRendered(join(folder, "x.bu"), rendered, true))).toEqual(
      new UsageError(
        `Cannot write ${path}: it is a ${kind}, no regular file; give another name, or leave --output out to print it`,
      ),
    );
    expect(await readdir(folder)).toEqual([name]);
    expect((await lstat(path)).ino).toBe(before.ino);
    await rm(path, { recursive: true });
  }
});
