import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtemp, mkdir, rm, symlink, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readRegularFile, readRegularFileSync, streamRegularFile } from "./regular-file.ts";

let folder: string;
const at = (name: string): string => join(folder, name);
const server = createServer();
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "regular-file-test-"));
  await writeFile(at("file"), "x".repeat(100_000));
  await mkdir(at("folder"));
  Bun.spawnSync(["mkfifo", at("pipe")]);
  await symlink(at("pipe"), at("link to a pipe"));
  await symlink(at("nothing"), at("dangling link"));
  await symlink(at("circle"), at("circle"));
  await symlink("/dev/zero", at("link to a device"));
  await new Promise<void>((resolve) => server.listen(at("socket"), resolve));
});
afterAll(async () => {
  server.close();
  await rm(folder, { recursive: true });
});

const readers: Record<string, (path: string, maxBytes: number) => Promise<string>> = {
  readRegularFile: async (path, maxBytes) => (await readRegularFile(path, maxBytes)).toString(),
  readRegularFileSync: async (path, maxBytes) => readRegularFileSync(path, maxBytes).toString(),
  streamRegularFile: async (path) => await new Response((await streamRegularFile(path)) as never).text(),
};

describe.each(Object.entries(readers))("%s", (_name, read) => {
  test("reads files of a disk and of the kernel", async () => {
    expect(await read(at("file"), 100_000)).toBe("x".repeat(100_000));
    expect(await read("/proc/self/status", 100_000)).toContain("\nPid:");
    expect(await read("/proc/self/cmdline", 1_000_000)).toContain("bun");
  });

  test.each([
    ["folder", "it is a folder, no regular file"],
    ["pipe", "it is a pipe, no regular file"],
    ["link to a pipe", "it is a pipe, no regular file"],
    ["link to a device", "it is a device, no regular file"],
    ["socket", "it is a socket, no regular file"],
    ["dangling link", "ENOENT"],
    ["circle", "ELOOP"],
    ["file/below", "ENOTDIR"],
  ])("gives up a %s at once", async (path, message) => {
    await expect(read(at(path), 100_000)).rejects.toThrow(message);
  });

  test("leaves nothing open", async () => {
    const { readdirSync } = await import("node:fs");
    const before = readdirSync("/proc/self/fd").length;
    for (let i = 0; i < 50; i++) {
      await read(at("file"), 100_000);
      await read(at("file"), 10).catch(() => undefined);
      await read(at("folder"), 10).catch(() => undefined);
    }
    expect(readdirSync("/proc/self/fd").length).toBeLessThan(before + 10);
  });
});

describe.each([
  ["readRegularFile", readRegularFile],
  ["readRegularFileSync", async (path: string, maxBytes: number) => readRegularFileSync(path, maxBytes)],
] as const)("%s", (_name, read) => {
  test("takes no more than the bound", async () => {
    await expect(read(at("file"), 99_999)).rejects.toThrow("it has more than 99999 bytes");
  });
});
