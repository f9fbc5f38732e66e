import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { errorText } from "../cli/errors.ts";
import { copyExecutable } from "./copy-executable.ts";
import { fileOps, type FileOps } from "./file-ops.ts";
import { installHostFiles } from "./install-host-files.ts";
import { SmallDisk, whyNoMount } from "./testing/small-disk.ts";
import { readTree, treeDigest } from "./tree.ts";

const MIB = 1024 * 1024;
const left = whyNoMount();
const why = left === undefined ? "" : ` (left out: ${left})`;
const NODE_DIR = "/opt/onload";

let image: string;
let disk: SmallDisk | undefined;
beforeEach(() => {
  image = mkdtempSync(join(tmpdir(), "onload-image-"));
});
afterEach(() => {
  disk?.remove();
  disk = undefined;
  rmSync(image, { recursive: true });
});

function fill(libraryMib: number, files = 1): void {
  mkdirSync(join(image, "usr/lib64"), { recursive: true });
  writeFileSync(join(image, "usr/lib64/libonload.so"), Buffer.alloc(libraryMib * MIB, 7));
  for (let i = 1; i < files; i++) writeFileSync(join(image, `usr/lib64/${i}`), "");
}

const install = (fs: FileOps = fileOps, hostDir = disk!.path) =>
  installHostFiles(fs, { from: image, hostDir, nodeDir: NODE_DIR, version: "9.2.0" });

/** The words that a failed installation leaves behind. */
function complaint(fs?: FileOps, hostDir?: string): string {
  try {
    install(fs, hostDir);
  } catch (error) {
    return errorText(error);
  }
  throw new Error("The installation succeeded");
}

describe.skipIf(left !== undefined)(`a small disk${why}`, () => {
  test("that is too small for the files gets none of them, however often it is tried", () => {
    disk = new SmallDisk("size=5m");
    fill(6);
    const before = disk.used();
    for (let i = 0; i < 4; i++) {
      expect(complaint()).toMatch(
        /^Cannot install Onload's files in \/opt\/onload on the node: they take 6\.0 MiB and 0\.3 MiB must stay free, but only 5\.0 MiB are free: free space on the node's disk, or set spec\.devicePlugin\.hostOnloadPath to a folder on another file system$/,
      );
    }
    expect(disk.used()).toEqual(before);
  });

  test("that would be full with them keeps its reserve", () => {
    disk = new SmallDisk("size=40m");
    fill(39);
    expect(complaint()).toContain("2.0 MiB must stay free, but only 40.0 MiB are free");
    fill(37);
    expect(install().copied).toBe(true);
  });

  test("with too few inodes gets none of them, and keeps a reserve of them too", () => {
    disk = new SmallDisk("size=40m,nr_inodes=100");
    // With folders, manifest, link and the disk's own folder 97 of 100.
    fill(1, 91);
    const before = disk.used();
    expect(complaint()).toContain("they take 96 inodes and 5 must stay free, but only 99 are free: remove files");
    expect(disk.used()).toEqual(before);
    rmSync(join(image, "usr"), { recursive: true });
    fill(1, 85);
    expect(install().copied).toBe(true);
    expect(disk.used().inodes - before.inodes).toBeLessThanOrEqual(90);
  });

  test.each([
    ["space", "size=5m", 6, 1],
    ["inodes", "size=40m,nr_inodes=30", 1, 60],
  ])("that others fill meanwhile (%s) is left as it was", (_what, options, mib, files) => {
    disk = new SmallDisk(options);
    fill(mib, files);
    const before = disk.used();
    const plenty = { bsize: 4096, blocks: 1e9, bavail: 1e9, files: 1e9, ffree: 1e9 };
    const tricked: FileOps = { ...fileOps, statfsSync: (() => plenty) as unknown as FileOps["statfsSync"] };
    for (let i = 0; i < 3; i++) {
      expect(complaint(tricked)).toBe(
        "Cannot install Onload's files in /opt/onload on the node: no space left on device: free space and inodes on " +
          "the node's disk, or set spec.devicePlugin.hostOnloadPath to a folder on another file system",
      );
    }
    expect(disk.used()).toEqual(before);
  });

  test("that interrupted runs have filled is cleared first", () => {
    disk = new SmallDisk("size=8m");
    fill(5);
    mkdirSync(join(disk.path, ".partial-9.2.0-0123456789ab-0a0b0c0d/usr"), { recursive: true });
    writeFileSync(join(disk.path, ".partial-9.2.0-0123456789ab-0a0b0c0d/usr/file"), Buffer.alloc(4 * MIB));
    mkdirSync(join(disk.path, ".removing-9.1.0-0123456789ab"));
    writeFileSync(join(disk.path, ".removing-9.1.0-0123456789ab/file"), Buffer.alloc(3 * MIB));
    writeFileSync(join(disk.path, "not-ours"), "kept");
    const { folder } = install();
    expect(readdirSync(disk.path).sort()).toEqual([folder, "current", "not-ours"]);
  });

  test("that became read-only is no obstacle where the files are there already, and is named where they are not", () => {
    disk = new SmallDisk("size=8m");
    fill(1);
    install();
    disk.remount("ro");
    expect(install().copied).toBe(false);
    writeFileSync(join(image, "usr/lib64/libonload.so"), "another");
    expect(complaint()).toBe(
      "Cannot install Onload's files in /opt/onload on the node: read-only file system: if the node is so by design, " +
        "set spec.devicePlugin.hostOnloadPath to a folder on another file system, such as /var/opt/onload; if not, " +
        "its kernel log says why",
    );
  });

  test("keeps no half of the executable", () => {
    disk = new SmallDisk("size=5m");
    const to = join(disk.path, "executable");
    expect(() => copyExecutable(fileOps, "/proc", to)).toThrow(
      new RegExp(`^Cannot copy .* to ${to}: no space left on device: free space on the node's disk$`),
    );
    expect(readdirSync(to)).toEqual(["lib"]);
  });
});

describe("what somebody else has put there", () => {
  let hostDir: string;
  beforeEach(() => {
    hostDir = join(image, "../", `${image.split("/").at(-1)}-host`);
    fill(1);
  });
  afterEach(() => rmSync(hostDir, { recursive: true, force: true }));

  test.each([
    ["a folder", (path: string) => mkdirSync(path)],
    ["a file", (path: string) => writeFileSync(path, "kept")],
    ["a fifo", (path: string) => Bun.spawnSync(["mkfifo", path])],
  ])("%s in the place of the link is left alone, before anything is copied", (_what, make) => {
    mkdirSync(hostDir);
    make(join(hostDir, "current"));
    expect(complaint(fileOps, hostDir)).toBe(
      'Cannot install Onload\'s files in /opt/onload on the node: "current" in it is not a link (invalid argument), ' +
        "but something that somebody else has put there: move it away",
    );
    expect(readdirSync(hostDir)).toEqual(["current"]);
  });

  test.each([
    ["a file", (path: string) => writeFileSync(path, "kept")],
    ["a fifo", (path: string) => Bun.spawnSync(["mkfifo", path])],
  ])("%s in the place of the folder is named", (_what, make) => {
    make(hostDir);
    for (const folder of [hostDir, join(hostDir, "below")]) {
      expect(complaint(fileOps, folder)).toMatch(
        /in \/opt\/onload on the node: .*: something that is not a folder is in its place or above it: move it away/,
      );
    }
  });

  test.each([
    ["a fifo among the files", (folder: string) => Bun.spawnSync(["mkfifo", join(folder, "stray")])],
    [
      "a fifo in the place of the manifest",
      (folder: string) => {
        rmSync(join(folder, ".onloadctl.json"));
        Bun.spawnSync(["mkfifo", join(folder, ".onloadctl.json")]);
      },
    ],
    [
      "a fifo in the place of a version",
      (folder: string) => {
        rmSync(folder, { recursive: true });
        Bun.spawnSync(["mkfifo", folder]);
      },
    ],
    [
      "a link in the place of a version",
      (folder: string) => {
        rmSync(folder, { recursive: true });
        symlinkSync("/nonexistent", folder);
      },
    ],
  ])("%s is damage, which is repaired", (_what, damage) => {
    const { folder } = install(fileOps, hostDir);
    damage(join(hostDir, folder));
    expect(install(fileOps, hostDir)).toEqual({ folder, copied: true });
    expect(treeDigest(readTree(fileOps, join(hostDir, folder), ".onloadctl.json"))).toBe(
      treeDigest(readTree(fileOps, image)),
    );
    expect(JSON.parse(readFileSync(join(hostDir, folder, ".onloadctl.json"), "utf8"))).toMatchObject({
      version: "9.2.0",
    });
    install(fileOps, hostDir);
    expect(readdirSync(hostDir).sort()).toEqual([folder, "current"]);
  });
});
