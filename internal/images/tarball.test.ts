import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { pack, type Headers } from "tar-stream";
import { bytes } from "./tar.ts";
import { EscapeCheck, readTarball } from "./tarball.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "tarball-test-"));
});
afterAll(() => rm(folder, { recursive: true }));

async function tgz(entries: Headers[], content = "x"): Promise<Buffer> {
  const tar = pack();
  for (const entry of entries) tar.entry({ mode: 0o644, ...entry }, entry.type && entry.type !== "file" ? "" : content);
  tar.finalize();
  return gzipSync(await bytes(tar as never, Infinity, "the tar"));
}

async function saved(name: string, data: Buffer): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, data);
  return path;
}

const release: Headers[] = [
  { name: "onload-9.1.0/", type: "directory" },
  { name: "onload-9.1.0/README" },
  { name: "onload-9.1.0/scripts/onload_build" },
  { name: "onload-9.1.0/scripts/link", type: "symlink", linkname: "../README" },
];

test("a release is read through", async () => {
  const facts = await readTarball(await saved("good.tgz", await tgz(release, "text")));
  expect(facts.folder).toBe("onload-9.1.0");
  expect(facts.readme).toBe("text");
  expect(facts.files.has("scripts/onload_build")).toBe(true);
  expect(facts.digest).toMatch(/^sha256:[0-9a-f]{64}$/);
});

test("names with ./ in front are the same", async () => {
  const dotted = release.map((entry) => ({ ...entry, name: `./${entry.name}` }));
  expect((await readTarball(await saved("dotted.tgz", await tgz(dotted)))).folder).toBe("onload-9.1.0");
});

test("a truncated one is refused wherever it is cut", async () => {
  const whole = await tgz(release, "y".repeat(5000));
  for (const part of [0.1, 0.5, 0.9, 0.99]) {
    const path = await saved("cut.tgz", whole.subarray(0, Math.floor(whole.length * part)));
    expect(readTarball(path)).rejects.toThrow(`Cannot read ${path}: it is truncated or not a gzipped tar`);
  }
});

test("what is no gzip is refused", async () => {
  expect(readTarball(await saved("text.tgz", Buffer.from("hello")))).rejects.toThrow("truncated or not a gzipped tar");
});

test("two folders are refused", async () => {
  const path = await saved("two.tgz", await tgz([...release, { name: "other/file" }]));
  expect(readTarball(path)).rejects.toThrow("a release tarball holds one folder, this one 2");
});

test("one with a path that escapes is refused", async () => {
  const path = await saved("evil.tgz", await tgz([...release, { name: "onload-9.1.0/../../etc/passwd" }]));
  expect(readTarball(path)).rejects.toThrow('its entry "onload-9.1.0/../../etc/passwd" leaves the folder');
});

/** What EscapeCheck finds in the first bad one of some entries. */
function escapeProblem(entries: Headers[]): string | undefined {
  const check = new EscapeCheck();
  return entries.map((entry) => check.problem(entry)).find((problem) => problem !== undefined);
}

describe("EscapeCheck", () => {
  const rows: Record<string, [Headers[], string | undefined]> = {
    "a plain file": [[{ name: "a/b" }], undefined],
    "a file that only looks like the parent": [[{ name: "a/..b" }, { name: "..c" }], undefined],
    "an absolute path": [[{ name: "/etc/passwd" }], "leaves the folder"],
    "a path upwards": [[{ name: "a/../../b" }], "leaves the folder"],
    "the parent itself": [[{ name: ".." }], "leaves the folder"],
    "a link inside": [[{ name: "a/b/l", type: "symlink", linkname: "../c" }], undefined],
    "a link beside the first folder, which is left out when it is unpacked": [
      [{ name: "a/l", type: "symlink", linkname: "../b" }],
      "points outside",
    ],
    "a file behind a hard link to a link": [
      [
        { name: "a/l", type: "symlink", linkname: "b" },
        { name: "a/h", type: "link", linkname: "a/l" },
        { name: "a/h/evil" },
      ],
      'behind the symbolic link "a/h"',
    ],
    "a hard link behind a link": [
      [
        { name: "a/l", type: "symlink", linkname: "b" },
        { name: "a/h", type: "link", linkname: "a/l/x" },
      ],
      'points behind the symbolic link "a/l"',
    ],
    "folders too deep": [[{ name: "a/".repeat(65) }], "more than 64 folders deep"],
    "a link outside": [[{ name: "a/l", type: "symlink", linkname: "../../b" }], "points outside"],
    "an absolute link": [[{ name: "a/l", type: "symlink", linkname: "/etc" }], "points outside"],
    "a hard link outside": [[{ name: "a/l", type: "link", linkname: "../b" }], "points outside"],
    "a file behind a link": [
      [{ name: "a/l", type: "symlink", linkname: "." }, { name: "a/l/b" }],
      'behind the symbolic link "a/l"',
    ],
    "a device": [[{ name: "a/d", type: "character-device" }], "is a character-device"],
  };
  for (const [name, [entries, expected]] of Object.entries(rows)) {
    test(name, () => {
      const problem = escapeProblem(entries);
      if (expected === undefined) expect(problem).toBeUndefined();
      else expect(problem).toContain(expected);
    });
  }

  test("whatever climbs above its folder is found", () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom("a", "b", ".", "..", "..x"), { minLength: 1, maxLength: 6 }), (parts) => {
        let depth = 0;
        let escapes = false;
        for (const part of parts) {
          if (part === "..") depth--;
          else if (part !== ".") depth++;
          escapes ||= depth < 0;
        }
        expect(escapeProblem([{ name: parts.join("/") }]) !== undefined).toBe(escapes);
      }),
    );
  });
});
