import { expect, test } from "bun:test";
import { join } from "node:path";

test("the licences of the runtime and of every direct dependency that runs are printed", async () => {
  const root = join(import.meta.dir, "..");
  const { stdout, exitCode } = Bun.spawnSync(["bun", join(root, "cmd/onloadctl.ts"), "licenses"]);
  const text = stdout.toString();
  expect(exitCode).toBe(0);
  const { dependencies } = (await Bun.file(join(root, "package.json")).json()) as {
    dependencies: Record<string, string>;
  };
  // These two are there for their types and for generating files.
  const { zod: _, citty: __, ...running } = dependencies;
  for (const [name, version] of Object.entries(running)) expect(text).toContain(`\n${name} ${version}\nLicence: `);
  expect(text).toContain("JavaScriptCore");
  expect(text).toContain("GNU LIBRARY GENERAL PUBLIC LICENSE");
});
