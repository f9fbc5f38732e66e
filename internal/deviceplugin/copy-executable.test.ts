import { afterEach, beforeEach, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { copyExecutable, mappedFiles } from "./copy-executable.ts";
import { fileOps } from "./file-ops.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "onload-copy-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const DEBIAN = `00200000-01a39000 r--p 00000000 fe:00 5309041                            /usr/bin/onloadctl
06867000-06ed4000 rw-p 0665e000 fe:00 5309041                            /usr/bin/onloadctl
7f6d945e2000-7f6d94608000 r--p 00000000 fe:00 326269                     /usr/lib/x86_64-linux-gnu/libc.so.6
7f6d94608000-7f6d9475e000 r-xp 00026000 fe:00 326269                     /usr/lib/x86_64-linux-gnu/libc.so.6
7f6d94508000-7f6d9457c000 r-xp 00010000 fe:00 326591                     /usr/lib/x86_64-linux-gnu/libm.so.6
7f6d947d8000-7f6d947fe000 r-xp 00001000 fe:00 325835                     /usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2
7ffc8f5a1000-7ffc8f5c2000 rw-p 00000000 00:00 0                          [stack]
7f6d52c7b000-7f6d5307b000 rw-p 00000000 00:00 0`;
const RED_HAT_8 = `7f00-7f01 r-xp 00000000 fd:00 11 /usr/lib64/libdl-2.28.so
7f01-7f02 r-xp 00000000 fd:00 12 /usr/lib64/libc-2.28.so
7f02-7f03 r-xp 00000000 fd:00 13 /usr/lib64/ld-2.28.so`;
const ARM = `ffff0-ffff1 r-xp 00000000 fd:00 12 /usr/lib/aarch64-linux-gnu/libc.so.6
ffff1-ffff2 r-xp 00000000 fd:00 13 /usr/lib/aarch64-linux-gnu/ld-linux-aarch64.so.1`;

const rows: [string, string, string, string[]][] = [
  ["Debian", DEBIAN, "/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2", ["libc.so.6", "libm.so.6"]],
  ["arm64", ARM, "/usr/lib/aarch64-linux-gnu/ld-linux-aarch64.so.1", ["libc.so.6"]],
];
for (const [name, maps, loader, libraries] of rows) {
  test(`finds loader and libraries on ${name}`, () => {
    const found = mappedFiles(maps, { executable: "/usr/bin/onloadctl" });
    expect(found.loader).toBe(loader);
    expect(found.libraries.map((path) => path.split("/").at(-1)!)).toEqual(libraries);
  });
}

test("an old C library, whose files do not have the names by which they are loaded, is refused", () => {
  expect(() => mappedFiles(RED_HAT_8, { executable: "/x" })).toThrow("libdl-2.28.so");
});

test("the copy runs by its own loader, and again where it was copied before", () => {
  writeFileSync(join(folder, ".partial-onloadctl"), "left by an interrupted run");
  for (let run = 0; run < 2; run++) copyExecutable(fileOps, "/proc", folder);
  expect(readdirSync(folder).sort()).toEqual(["ld.so", "lib", "onloadctl"]);
  expect(existsSync(join(folder, "lib/libc.so.6"))).toBe(true);
  expect(statSync(join(folder, "onloadctl")).size).toBe(statSync(process.execPath).size);
  // Here the program is the runtime itself, which says so.
  const { stdout } = Bun.spawnSync([
    join(folder, "ld.so"),
    "--library-path",
    join(folder, "lib"),
    join(folder, "onloadctl"),
    "-e",
    "console.log(require('fs').readFileSync('/proc/self/maps', 'utf8'))",
  ]);
  const maps = stdout.toString();
  expect(maps).toContain(join(folder, "lib/libc.so.6"));
  expect(maps).not.toMatch(/\s\/(usr\/)?lib\S*\/libc\.so\.6/);
  expect(readFileSync(join(folder, "ld.so")).subarray(1, 4).toString()).toBe("ELF");
});
