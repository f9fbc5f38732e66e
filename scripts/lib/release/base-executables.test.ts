import { expect, test } from "bun:test";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import packageJson from "../../../package.json" with { type: "json" };
import { BASE_EXECUTABLES, baseExecutable } from "./base-executables.ts";

test("the digests are those of the Bun that is pinned", () => {
  expect(BASE_EXECUTABLES.version).toBe(packageJson.engines.bun);
});

test("a program that is another is refused, and so is one that is not there", async () => {
  const folder = await mkdtemp(join(tmpdir(), "onloadctl-base-executables-"));
  try {
    const file = join(folder, `bun-linux-aarch64-v${packageJson.engines.bun}`);
    await writeFile(file, "another");
    await expect(baseExecutable("linux-arm64", folder)).rejects.toThrow(
      `Cannot release for linux-arm64: the SHA-256 of ${file} is ae448ac86c4e8e4dec645729708ef41873ae79c6dff84eff73360989487f08e5`,
    );
    await expect(baseExecutable("linux-x64", folder)).rejects.toThrow("ENOENT");
  } finally {
    await rm(folder, { recursive: true });
  }
});
