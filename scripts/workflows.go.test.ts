/**
 * The workflows of GitHub, by actionlint and by our own rules: they call our scripts, and beside them only what is listed here, so that
 * nothing is done there that nobody can do without them.
 */
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
  jobs: Record<string, Job>;
}

/** One with steps, or one that is another workflow of ours. */
interface Job {
  uses?: string;
  needs?: string;
  "timeout-minutes"?: number;
  steps?: { uses?: string; run?: string; env?: Record<string, string> }[];
}

/** The scripts of a job. */
const scriptsOf = ({ steps = [] }: Job): string[] => steps.flatMap(({ run }) => run ?? []);

const PUBLISHES = "The release's files and images go where the workflow runs, with its logins.";
const UBUNTU = "The machine is Ubuntu, and Debian's package of the C library is to be had on Debian.";
/** By which the release's tests and the release get that package. */
const C_LIBRARY = {
  "sed -n '' scripts/lib/release/c-library.ts": UBUNTU,
  "mkdir -p ''": UBUNTU,
  "docker run --rm --volume='' --workdir=/packages debian:12 sh -ec ''": UBUNTU,
  "dpkg --add-architecture arm64": UBUNTU,
  "apt-get update": UBUNTU,
  "apt-get download libc6:amd64=$version libc6:arm64=$version": UBUNTU,
};

/** How each command begins that a workflow may call, without what is quoted; and why. */
const ALLOWED: Record<string, Record<string, string>> = {
  "nightly.yaml": { "./scripts/test unit": "Ours." },
  "release.yaml": {
    "echo '' >> ''": "Later steps know the version and the image's name from the environment.",
    ...C_LIBRARY,
    "install -m 600 /dev/stdin ''": "The key is a secret, and the script reads it from a file.",
    "./scripts/release ''": "Ours.",
    "skopeo login ''": PUBLISHES,
    "helm registry login ''": PUBLISHES,
    "skopeo copy --all '' ''": PUBLISHES,
    "helm push '' ''": PUBLISHES,
    "gh release create ''": PUBLISHES,
  },
  "test.yaml": {
    ...C_LIBRARY,
    "sudo --preserve-env=PATH,ONLOADCTL_CACHE ./scripts/test": "Ours; tests on a real node need root.",
  },
};

/** Commands of a script, with '' for what is quoted. What is quoted and has several lines is a script too, as for `sh -c`. */
function commandsOf(script: string): string[] {
  const inner: string[] = [];
  const bare = script.replaceAll(/'[^']*'|"([^"]*)"/g, (_, text?: string) => {
    const isScript = text?.includes("\n") === true;
    const substituted = text?.includes("`") ? [text] : (text?.match(/\$\([^]*/g) ?? []);
    inner.push(...(isScript ? [text] : substituted));
    return "''";
  });
  const lines = bare.split(/\n|\$\(|[`;&|()]/).map((line) => line.trim().replace(/^\w+=(?=\s|$)/, ""));
  return [...lines.filter((line) => line !== "" && !line.startsWith("#")), ...inner.flatMap(commandsOf)];
}

/** Commands of a script that are not on a list. */
function othersThan(allowed: readonly string[], script: string): string[] {
  return commandsOf(script).filter((line) => !allowed.some((each) => line === each || line.startsWith(`${each} `)));
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
  const lines = scriptsOf(jobs["release"]!).flatMap((script) => script.split("\n"));
  const commands = ["./scripts/release", "skopeo copy", "skopeo copy", "helm push", "gh release create"];
  const found = lines.flatMap((line) => commands.find((each) => line.trim().startsWith(each)) ?? []);
  expect(found).toEqual(commands);
  expect(lines.find((line) => line.includes("./scripts/release"))).toContain('--image="$IMAGE"');
});

test("a release waits for the tests of its commit, makes no tag, and a candidate does not become the latest", async () => {
  const { jobs } = parse(await readFile(join(checkout, ".github/workflows/release.yaml"), "utf8")) as Workflow;
  expect(jobs["release"]!.needs).toBe("test");
  expect(jobs["test"]).toEqual({ uses: "./.github/workflows/test.yaml" });
  const publish = jobs["release"]!.steps!.filter(({ run }) => run?.includes("gh release create"));
  expect(publish).toHaveLength(1);
  expect(publish[0]!.run).toContain(' --verify-tag --prerelease="$PRERELEASE" ');
  expect(publish[0]!.env!["PRERELEASE"]).toBe("${{ contains(github.ref_name, '-') }}");
});

test.each(files)("%s pins its actions, has limits, and calls our scripts", async (file) => {
  const { permissions, jobs } = parse(await readFile(join(checkout, file), "utf8")) as Workflow;
  // Only a release writes: its files, and what it pushes.
  const pushes = file.endsWith("/release.yaml");
  expect(permissions).toEqual(pushes ? { contents: "write", packages: "write" } : { contents: "read" });
  for (const job of Object.values(jobs)) {
    // Another workflow of ours has its own limits, actions and scripts.
    if (job.uses !== undefined) {
      expect(files).toContain(job.uses.replace(/^\.\//, ""));
      continue;
    }
    expect(job["timeout-minutes"]).toBeLessThanOrEqual(90);
    for (const { uses } of job.steps ?? []) if (uses !== undefined) expect(uses).toMatch(/@[0-9a-f]{40}$/);
    expect(scriptsOf(job).join("\n")).toMatch(/\.\/scripts\/(?:test|release)\b/);
  }
});

test.each(files)("%s calls nothing but what is allowed, and all of that", async (file) => {
  const { jobs } = parse(await readFile(join(checkout, file), "utf8")) as Workflow;
  const allowed = Object.keys(ALLOWED[file.slice(file.lastIndexOf("/") + 1)]!);
  const scripts = Object.values(jobs).flatMap(scriptsOf);
  expect(scripts.flatMap((script) => othersThan(allowed, script))).toEqual([]);
  const called = scripts.flatMap(commandsOf);
  expect(allowed.filter((each) => !called.some((line) => line.startsWith(each)))).toEqual([]);
});

test.each([
  ["a line", "a b\ncurl x"],
  ["after another", "a b; curl x"],
  ["if another succeeds", "a b && curl x"],
  ["of a pipe", "a b | curl x"],
  ["in parentheses", "(curl x)"],
  ["whose output is a word", "a b $(curl x)"],
  ["whose output is quoted", 'a b "$(curl x)"'],
  ["in backticks", "a b `curl x`"],
  ["in quoted backticks", 'a b "`curl x`"'],
  ["whose output a variable is", "v=$(curl x)"],
  ["of a script in a script", 'a b "\n  curl x"'],
  ["like an allowed one", "a bc"],
])("a command %s is noticed", (_, script) => {
  expect(othersThan(["a b"], script)).not.toEqual([]);
  expect(othersThan(["a b", "curl x", "a bc"], script)).toEqual([]);
});
