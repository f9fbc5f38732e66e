import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { withContainerLabel } from "./selinux.ts";
import { FakeHost } from "./testing/host.ts";

let host: FakeHost;
let attribute: string;
beforeEach(async () => {
  host = await FakeHost.create();
  attribute = join(host.root, "proc/thread-self/attr/fscreate");
  mkdirSync(join(host.root, "proc/thread-self/attr"), { recursive: true });
  writeFileSync(attribute, "");
});
afterEach(() => host.remove());

const run = <T>(action: () => T): T => withContainerLabel(join(host.root, "sys"), join(host.root, "proc"), action);

test("without SELinux nothing is set", () => {
  expect(run(() => readFileSync(attribute, "utf8"))).toBe("");
});

test("with SELinux files are made with the label of containers' files, and only while it lasts", () => {
  mkdirSync(join(host.root, "sys/fs/selinux"), { recursive: true });
  writeFileSync(join(host.root, "sys/fs/selinux/enforce"), "1");
  expect(run(() => readFileSync(attribute, "utf8"))).toBe("system_u:object_r:container_file_t:s0");
  expect(readFileSync(attribute, "utf8").trim()).toBe("");
  expect(() =>
    run(() => {
      throw new Error("disk full");
    }),
  ).toThrow("disk full");
  expect(readFileSync(attribute, "utf8").trim()).toBe("");
});

test("a container that may not set labels is told what it needs", () => {
  mkdirSync(join(host.root, "sys/fs/selinux/enforce"), { recursive: true });
  expect(() => withContainerLabel(join(host.root, "sys"), join(host.root, "nowhere"), () => 1)).toThrow(
    "the container must be privileged",
  );
});
