import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { silentLogger } from "../cli/log.ts";
import { collectHostFiles, COLLECT_GRACE_MS, runHostFileCollector } from "./collect-host-files.ts";
import { fileOps, type FileOps } from "./file-ops.ts";
import { isVersionFolder, MANIFEST_FILE } from "./host-layout.ts";
import { findInstallation } from "./installation.ts";
import { currentFolder, installHostFiles } from "./install-host-files.ts";
import { FakeHost } from "./testing/host.ts";
import { readTree, treeDigest } from "./tree.ts";

let host: FakeHost;
let hostDir: string;
let one: string;
let two: string;
beforeEach(async () => {
  host = await FakeHost.create();
  hostDir = join(host.root, "opt/onload");
  one = await host.addOnload("images/one");
  two = await host.addOnload("images/two", { content: "two" });
});
afterEach(() => host.remove());

const install = (fs: FileOps, from: string, version: string) =>
  installHostFiles(fs, { from, hostDir, nodeDir: "/opt/onload", version });
const digestOf = (path: string): string => treeDigest(readTree(fileOps, path, MANIFEST_FILE));
const current = (): string => join(hostDir, currentFolder(fileOps, hostDir)!);

describe("installation", () => {
  test("copies everything and makes it current", async () => {
    const { folder, copied } = install(fileOps, one, "9.2.0");
    expect(copied).toBe(true);
    expect(folder).toMatch(/^9\.2\.0-[0-9a-f]{12}$/);
    expect(isVersionFolder(folder)).toBe(true);
    expect(digestOf(current())).toBe(digestOf(one));
    expect(JSON.parse(readFileSync(join(current(), MANIFEST_FILE), "utf8"))).toEqual({
      version: "9.2.0",
      digest: digestOf(one),
    });
    expect(readdirSync(hostDir).sort()).toEqual([folder, "current"]);
    expect((await findInstallation(hostDir)).folder).toBe(folder);
  });

  test("keeps modes, but lets nothing run as another user", () => {
    chmodSync(join(one, "sbin/onload_cp_server"), 0o4755);
    chmodSync(join(one, "usr/libexec/onload/profiles"), 0o500);
    install(fileOps, one, "9.2.0");
    expect(statSync(join(current(), "sbin/onload_cp_server")).mode & 0o7777).toBe(0o755);
    expect(statSync(join(current(), "usr/libexec/onload/profiles")).mode & 0o7777).toBe(0o500);
    chmodSync(join(one, "usr/libexec/onload/profiles"), 0o700);
    chmodSync(join(current(), "usr/libexec/onload/profiles"), 0o700);
  });

  test("does nothing the second time", () => {
    const first = install(fileOps, one, "9.2.0");
    const inode = statSync(join(current(), "usr/lib64/libonload.so")).ino;
    expect(install(fileOps, one, "9.2.0")).toEqual({ folder: first.folder, copied: false });
    expect(statSync(join(current(), "usr/lib64/libonload.so")).ino).toBe(inode);
  });

  test("replaces a folder that was tampered with, without touching the file that is mounted", () => {
    const { folder } = install(fileOps, one, "9.2.0");
    const library = join(hostDir, folder, "usr/lib64/libonload.so");
    writeFileSync(library, "tampered");
    const inode = statSync(library).ino;
    expect(install(fileOps, one, "9.2.0").copied).toBe(true);
    expect(digestOf(current())).toBe(digestOf(one));
    expect(statSync(library).ino).not.toBe(inode);
  });

  test("leaves the files of the former version alone", () => {
    const { folder } = install(fileOps, one, "9.2.0");
    const library = join(hostDir, folder, "usr/lib64/libonload.so");
    const { ino, mtimeMs } = statSync(library);
    install(fileOps, two, "9.3.0");
    expect(readFileSync(join(current(), "usr/lib64/libonload.so"), "utf8")).toBe("library two");
    expect(readFileSync(library, "utf8")).toBe("library one");
    expect(statSync(library)).toMatchObject({ ino, mtimeMs });
  });

  test("one version with other contents is another folder", () => {
    const first = install(fileOps, one, "9.2.0");
    expect(install(fileOps, two, "9.2.0").folder).not.toBe(first.folder);
  });

  test("refuses an image without Onload, and one with a pipe in it", async () => {
    const empty = join(host.root, "images/empty/opt");
    fileOps.mkdirSync(empty, { recursive: true });
    expect(() => install(fileOps, empty, "9.2.0")).toThrow("holds no libonload.so: check spec.onload.userImage");
    expect(() => install(fileOps, join(host.root, "images/none"), "9.2.0")).toThrow("Cannot read Onload's files");
    await Bun.$`mkfifo ${join(one, "pipe")}`;
    expect(() => install(fileOps, one, "9.2.0")).toThrow("it is neither a file nor a folder nor a symbolic link");
    expect(existsSync(hostDir)).toBe(false);
  });

  test("does not switch to a copy that differs from the original", () => {
    install(fileOps, one, "9.2.0");
    const lossy: FileOps = {
      ...fileOps,
      writeSync: ((fd: number, data: Buffer, offset: number, length: number) => {
        fileOps.writeSync(
          fd,
          data.map((byte) => byte ^ 1),
          offset,
          length,
        );
        return length;
      }) as FileOps["writeSync"],
    };
    expect(() => install(lossy, two, "9.3.0")).toThrow("differs from");
    expect(digestOf(current())).toBe(digestOf(one));
  });
});

/** Without waiting for the disk: thousands of installations would take minutes otherwise. */
const quickOps: FileOps = { ...fileOps, fsyncSync: () => undefined };

/** File operations that stop the world after some calls: the process is dead, so every later call fails too. */
function crashing(after: number): { fs: FileOps; calls: () => number } {
  let calls = 0;
  const entries = Object.entries(quickOps).map(([name, operation]) => [
    name,
    (...args: unknown[]) => {
      if (calls++ >= after) throw new Error(`crashed at call ${after}: ${name}`);
      return (operation as (...args: unknown[]) => unknown)(...args);
    },
  ]);
  return { fs: Object.fromEntries(entries) as FileOps, calls: () => calls };
}

describe("a crash at any call", () => {
  // Every kind of entry once: each call more is another run.
  beforeEach(() => {
    for (const [path, content] of [
      [one, "one"],
      [two, "two"],
    ] as const) {
      rmSync(path, { recursive: true });
      mkdirSync(join(path, "lib"), { recursive: true });
      writeFileSync(join(path, "lib/libonload.so"), content);
      symlinkSync("libonload.so", join(path, "lib/link"));
    }
  });

  test("leaves the former version or the new one, whole, and the next run finishes", () => {
    install(quickOps, one, "9.2.0");
    const before = digestOf(current());
    const probe = crashing(Infinity);
    install(probe.fs, two, "9.3.0");
    const after = digestOf(current());
    const total = probe.calls();
    expect(total).toBeGreaterThan(50);
    const outcomes = { before: 0, after: 0 };
    for (let call = 0; call < total; call++) {
      rmSync(hostDir, { recursive: true });
      install(quickOps, one, "9.2.0");
      expect(() => install(crashing(call).fs, two, "9.3.0")).toThrow(`crashed at call ${call}`);
      const seen = digestOf(current());
      expect([before, after]).toContain(seen);
      outcomes[seen === after ? "after" : "before"]++;
      install(quickOps, two, "9.3.0");
      expect(digestOf(current())).toBe(after);
    }
    expect(outcomes.before).toBeGreaterThan(40);
    expect(outcomes.after).toBeGreaterThan(0);
  });

  test("of the very first installation leaves nothing that could be taken for one", async () => {
    const probe = crashing(Infinity);
    install(probe.fs, one, "9.2.0");
    for (let call = 0; call < probe.calls(); call++) {
      rmSync(hostDir, { recursive: true, force: true });
      expect(() => install(crashing(call).fs, one, "9.2.0")).toThrow("crashed");
      const found = await findInstallation(hostDir).catch(() => undefined);
      if (found !== undefined) expect(digestOf(join(hostDir, found.folder))).toBe(digestOf(one));
    }
  });

  test("of any sequence of installations and removals keeps what is current and what is in use", () => {
    const steps = fc.array(
      fc.record({
        act: fc.constantFrom("install", "collect"),
        image: fc.constantFrom(0, 1),
        crashAfter: fc.oneof(fc.constant(Infinity), fc.nat(90)),
      }),
      { maxLength: 8 },
    );
    fc.assert(
      fc.property(steps, fc.boolean(), (sequence, useFirst) => {
        rmSync(hostDir, { recursive: true, force: true });
        const first = install(quickOps, one, "9.2.0").folder;
        const inUse = new Set(useFirst ? [first] : []);
        let now = Date.now();
        for (const { act, image, crashAfter } of sequence) {
          now += 2 * COLLECT_GRACE_MS;
          const { fs } = crashing(crashAfter);
          try {
            if (act === "install") install(fs, [one, two][image]!, ["9.2.0", "9.3.0"][image]!);
            else collectHostFiles(fs, { hostDir, inUse, now });
          } catch (error) {
            expect((error as Error).message).toContain("crashed");
          }
          expect([digestOf(one), digestOf(two)]).toContain(digestOf(current()));
          if (useFirst) expect(digestOf(join(hostDir, first))).toBe(digestOf(one));
        }
        collectHostFiles(quickOps, { hostDir, inUse, now: now + 2 * COLLECT_GRACE_MS });
        expect(readdirSync(hostDir).filter((name) => name.startsWith("."))).toEqual([]);
      }),
      { numRuns: 60 },
    );
  });
});

describe("removal", () => {
  const later = (): number => Date.now() + COLLECT_GRACE_MS + 1000;
  const none = new Set<string>();

  test("takes former versions that nobody uses", () => {
    const { folder } = install(fileOps, one, "9.2.0");
    const next = install(fileOps, two, "9.3.0").folder;
    expect(collectHostFiles(fileOps, { hostDir, inUse: none, now: later() })).toEqual([folder]);
    expect(readdirSync(hostDir).sort()).toEqual([next, "current"]);
  });

  test("runs by the clock that it is given, and never throws", async () => {
    install(fileOps, one, "9.2.0");
    const next = install(fileOps, two, "9.3.0").folder;
    const collect = async (now: () => number): Promise<void> => {
      const stop = new AbortController();
      const running = runHostFileCollector(host.config(), { log: silentLogger, now }, stop.signal);
      // What it does at once is done when it waits for the next time, which ends with the signal.
      stop.abort();
      await running;
    };
    await collect(Date.now);
    expect(readdirSync(hostDir)).toHaveLength(3);
    await collect(() => {
      throw new Error("no clock");
    });
    await collect(later);
    expect(readdirSync(hostDir).sort()).toEqual([next, "current"]);
  });

  test("spares what is in use, what has just been replaced, and what is not ours", () => {
    const { folder } = install(fileOps, one, "9.2.0");
    install(fileOps, two, "9.3.0");
    expect(collectHostFiles(fileOps, { hostDir, inUse: new Set([folder]), now: later() })).toEqual([]);
    expect(collectHostFiles(fileOps, { hostDir, inUse: none, now: Date.now() })).toEqual([]);
    rmSync(join(hostDir, folder, MANIFEST_FILE));
    renameSync(join(hostDir, folder), join(hostDir, "backup-0123456789ab"));
    expect(collectHostFiles(fileOps, { hostDir, inUse: none, now: later() })).toEqual([]);
    expect(existsSync(join(hostDir, "backup-0123456789ab/usr/lib64/libonload.so"))).toBe(true);
  });
});
