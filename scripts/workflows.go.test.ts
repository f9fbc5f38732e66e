/** The workflows of GitHub, by actionlint and by our own rules: they do nothing that nobody can do without them. */
import { expect, test } from "bun:test";
import { Glob } from "bun";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { parse } from "yaml";
import { run } from "../internal/testcluster/lib/command.ts";
import { checkout } from "../internal/testcluster/lib/paths.ts";
import { tool } from "../internal/testcluster/tools/index.ts";

interface Workflow {
  permissions: Record<string, string>;
  jobs: Record<string, { "timeout-minutes"?: number; steps: { uses?: string; run?: string }[] }>;
}

// The Go compiler is not among what a test is timed for.
const actionlint = await tool("actionlint");
const files = [...new Glob(".github/workflows/*").scanSync({ cwd: checkout, dot: true })].toSorted();

test("actionlint has nothing to say", async () => {
  expect(files).toEqual([
    ".github/workflows/nightly.yaml",
    ".github/workflows/release.yaml",
    ".github/workflows/test.yaml",
  ]);
  const lint = [actionlint, "-no-color", "-shellcheck=", "-pyflakes="];
  expect((await run([...lint, ...files], { cwd: checkout, allowFailure: true })).stdout).toBe("");
  const wrong = "on: push\njobs:\n  a:\n    runs-on: ubuntu-24.04\n    steps:\n      - run: echo ${{ githup.ref }}\n";
  expect((await run([...lint, "-"], { input: wrong, allowFailure: true })).stdout).toContain("githup");
});

test("the release's workflow pushes the images and the chart before it publishes what names them", async () => {
  const { jobs } = parse(await readFile(join(checkout, ".github/workflows/release.yaml"), "utf8")) as Workflow;
  const lines = jobs["release"]!.steps.flatMap(({ run }) => run?.split("\n") ?? []);
  const commands = ["./scripts/release", "skopeo copy", "skopeo copy", "helm push", "gh release create"];
  const found = lines.flatMap((line) => commands.find((each) => line.trim().startsWith(each)) ?? []);
  expect(found).toEqual(commands);
  expect(lines.find((line) => line.includes("./scripts/release"))).toContain('--image="$IMAGE"');
});

test.each(files)("%s pins its actions, has limits, and calls our scripts", async (file) => {
  const { permissions, jobs } = parse(await readFile(join(checkout, file), "utf8")) as Workflow;
  // Only a release writes: its files, and what it pushes.
  const pushes = file.endsWith("/release.yaml");
  expect(permissions).toEqual(pushes ? { contents: "write", packages: "write" } : { contents: "read" });
  for (const { steps, "timeout-minutes": minutes } of Object.values(jobs)) {
    expect(minutes).toBeLessThanOrEqual(90);
    for (const { uses } of steps.filter((step) => step.uses !== undefined)) expect(uses).toMatch(/@[0-9a-f]{40}$/);
    expect(steps.map((step) => step.run ?? "").join("\n")).toMatch(/\.\/scripts\/(?:test|release)\b/);
  }
});
