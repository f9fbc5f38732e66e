import { afterEach, beforeEach, expect, test } from "bun:test";
import { join } from "node:path";
import { readLoadedModule } from "./loaded-module.ts";
import { FakeHost } from "./testing/host.ts";

let host: FakeHost;
beforeEach(async () => {
  host = await FakeHost.create();
});
afterEach(() => host.remove());

async function moduleWith(files: Record<string, string>) {
  for (const [name, text] of Object.entries(files)) await host.write(`sys/module/onload/${name}`, text);
  return await readLoadedModule(join(host.root, "sys"));
}

test("without a module nothing is known of it", async () => {
  expect(await moduleWith({})).toEqual({ version: undefined, acceleratesVeth: undefined });
});

test("its version and whether it accelerates veth are what sysfs says", async () => {
  const files = { version: "9.2.0.1 \n", "parameters/oo_accelerate_veth": "N\n" };
  expect(await moduleWith(files)).toEqual({ version: "9.2.0.1", acceleratesVeth: false });
  expect(await moduleWith({ "parameters/oo_accelerate_veth": "Y\n" })).toMatchObject({ acceleratesVeth: true });
});

test("what makes no sense is not known, and is fit for a terminal", async () => {
  const files = { version: `\u001b[2J${"x".repeat(1000)}\n`, "parameters/oo_accelerate_veth": "maybe\n" };
  const { version, acceleratesVeth } = await moduleWith(files);
  expect(acceleratesVeth).toBeUndefined();
  expect(version).not.toContain("\u001b");
  expect(version).toHaveLength(64);
});
