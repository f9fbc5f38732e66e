/** Which commands write their log for machines. Without a terminal, as here, only what runs in pods does. */
import { expect, test } from "bun:test";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "../internal/testcluster/lib/command.ts";
import type { Subcommand } from "../internal/cli/command.ts";

const ENTRY = join(import.meta.dirname, "onloadctl.ts");

test("what runs in a pod is a service, and nothing that people run on a desk", async () => {
  const files = (await readdir(import.meta.dirname)).filter((file) =>
    /^(?!(?:onloadctl|root)\.ts)[a-z-]+\.ts$/.test(file),
  );
  const commands = files.map(async (file) => {
    const { default: command } = (await import(join(import.meta.dirname, file))) as { default: Subcommand };
    return command.service ? [file] : [];
  });
  expect((await Promise.all(commands)).flat().toSorted()).toEqual([
    "control-plane-run-on-node.ts",
    "control-plane-run-tool.ts",
    "control-plane.ts",
    "device-plugin-copy.ts",
    "device-plugin-install.ts",
    "device-plugin.ts",
    "operator.ts",
  ]);
});

test("a command of the desk writes plain words without a terminal, and JSON only if asked", async () => {
  const folder = await mkdtemp(join(tmpdir(), "onloadctl-log-"));
  try {
    const image = `registry.example.com/onloadctl@sha256:${"a".repeat(64)}`;
    const bundle = ["manifests", "bundle", `--output=${folder}`, `--image=${image}`];
    const plain = await run([process.execPath, ENTRY, ...bundle]);
    expect(plain.stderr).toMatch(/^\d\d:\d\d:\d\d INFO {2}Wrote a file of the bundle {2}file=/);
    expect(plain.stderr).not.toContain("{");
    const json = await run([process.execPath, ENTRY, ...bundle, "--log-format=json"]);
    for (const line of json.stderr.trim().split("\n")) expect(JSON.parse(line)).toMatchObject({ level: "info" });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
