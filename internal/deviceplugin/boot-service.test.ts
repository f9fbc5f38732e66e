import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BOOT_STATUS_FILE, type BootStatus } from "../api/boot-status.ts";
import { bootProblem, readBootStatus } from "./boot-service.ts";
import { observeNode } from "./observe.ts";

const status: BootStatus = {
  schema: 1,
  reason: "VermagicMismatch",
  message: "sfc.ko of image a:b is for another kernel",
  driver: "in-tree",
  image: "a:b",
  digest: "sha256:00",
  kernel: "5.14.0",
  bootId: "this-boot",
  time: "2026-01-02T03:04:05Z",
};
const PROBLEM = "The sfc boot service says VermagicMismatch: sfc.ko of image a:b is for another kernel";

let root: string;
let procDir: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "onloadctl-node-"));
  procDir = join(root, "proc");
  await Bun.write(join(procDir, "sys/kernel/random/boot_id"), "this-boot\n");
});
afterEach(() => rm(root, { recursive: true, force: true }));

const write = (text: string): Promise<number> => Bun.write(join(root, BOOT_STATUS_FILE), text);

test("the status of this boot is read", async () => {
  await write(JSON.stringify(status));
  expect(await readBootStatus({ hostRoot: root, procDir })).toEqual(status);
});

test("no file, a broken one, and one of an earlier boot say nothing", async () => {
  expect(await readBootStatus({ hostRoot: root, procDir })).toBeUndefined();
  await write("{");
  expect(await readBootStatus({ hostRoot: root, procDir })).toBeUndefined();
  await write(JSON.stringify({ ...status, bootId: "earlier" }));
  expect(await readBootStatus({ hostRoot: root, procDir })).toBeUndefined();
});

test("only a boot that left the kernel's own driver explains a problem", () => {
  expect(bootProblem(undefined)).toBeUndefined();
  expect(bootProblem({ ...status, driver: "out-of-tree", reason: "Replaced" })).toBeUndefined();
  expect(bootProblem(status)).toBe(PROBLEM);
});

test("a node without the onload module says what the boot service came to", async () => {
  await write(JSON.stringify(status));
  const config = { hostRoot: root, hostOnloadPath: "/opt/onload", mountOnload: false, needNic: false, procDir };
  expect((await observeNode(config)).problems.at(-1)).toBe(PROBLEM);
  await write(JSON.stringify({ ...status, driver: "out-of-tree" }));
  expect((await observeNode(config)).problems).not.toContain(PROBLEM);
});
