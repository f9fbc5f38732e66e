/**
 * Changes production code on purpose, one place at a time, in a copy of the checkout, and says which changes no unit
 * test notices.
 *
 *     bun scripts/mutants.ts [--list] [NAME...]
 *
 * NAME is a part of a mutant's name or file. All of them take some ten minutes on two busy cores; each that survives
 * takes a run of the model more. Exit code 1 if one survives, or does not fit the code any more.
 */
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { DECIDING_MUTANTS } from "./mutants/deciding.ts";
import { KUBE_MUTANTS } from "./mutants/kube.ts";
import type { Mutant } from "./mutants/mutant.ts";
import { OPERATOR_MUTANTS } from "./mutants/operator.ts";
import { READING_MUTANTS } from "./mutants/reading.ts";

const ROOT = resolve(import.meta.dirname, "..");
const COPIED = ["cmd", "internal", "proto", "package.json", "tsconfig.json", "bunfig.toml"];
/** Enough for every mutant that the model finds at all; what it costs is paid for each one. */
const MODEL_RUNS = "600";
/** The same histories with and without each mutant: what fails with it fails because of it. */
const MODEL_SEED = process.env["MODEL_SEED"] ?? "1";
/** Other tests may wait for ever for what a mutant does not do. */
const TIMEOUT_MS = 600_000;

type Outcome = "killed" | "survived" | "does not fit";

/** What came of a mutant, and the first test that fails with it. */
interface Verdict {
  outcome: Outcome;
  by?: string | undefined;
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { list: { type: "boolean", default: false } },
});
const chosen = [...OPERATOR_MUTANTS, ...DECIDING_MUTANTS, ...READING_MUTANTS, ...KUBE_MUTANTS].filter(
  ({ name, file }) =>
    positionals.length === 0 || positionals.some((each) => name.includes(each) || file.includes(each)),
);

if (values.list) {
  for (const mutant of chosen) console.log(`${fits(mutant) ? "  " : "! "}${mutant.file}: ${mutant.name}`);
  process.exit(chosen.every(fits) ? 0 : 1);
}
process.exit((await run(chosen)) ? 0 : 1);

function fits({ file, text }: Mutant): boolean {
  return readFileSync(join(ROOT, file), "utf8").split(text).length === 2;
}

/** Gives whether all were killed. */
async function run(mutants: readonly Mutant[]): Promise<boolean> {
  const folder = mkdtempSync(join(tmpdir(), "onloadctl-mutants-"));
  try {
    for (const name of COPIED) cpSync(join(ROOT, name), join(folder, name), { recursive: true });
    symlinkSync(join(ROOT, "node_modules"), join(folder, "node_modules"));
    // A test that fails without any change would kill every mutant.
    for (const test of new Set(mutants.flatMap(({ tests }) => tests))) {
      const failed = await failureOf(test, folder);
      if (failed === undefined) continue;
      console.error(`Cannot judge mutants: ${test} fails without any, at "${failed}"`);
      return false;
    }
    let good = true;
    for (const mutant of mutants) {
      const { outcome, by }: Verdict = fits(mutant) ? await judge(mutant, folder) : { outcome: "does not fit" };
      console.log(`${outcome.padEnd(12)} ${mutant.file}: ${mutant.name}${by === undefined ? "" : `\n    by ${by}`}`);
      good &&= outcome === "killed";
    }
    return good;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function judge({ file, text, by, tests }: Mutant, folder: string): Promise<Verdict> {
  const path = join(folder, file);
  const original = readFileSync(path, "utf8");
  writeFileSync(
    path,
    original.replace(text, () => by),
  );
  try {
    for (const test of tests) {
      const failed = await failureOf(test, folder);
      if (failed !== undefined) return { outcome: "killed", by: failed };
    }
    return { outcome: "survived" };
  } finally {
    writeFileSync(path, original);
  }
}

/**
 * The first test of a file that fails; undefined if all pass. A file that does not end in time fails too.
 *
 * @returns the file's name, with the test's name behind it if it has one
 */
async function failureOf(test: string, folder: string): Promise<string | undefined> {
  const running = Bun.spawn(["bun", "test", "--bail", "--timeout=60000", `./${test}`], {
    cwd: folder,
    env: { ...process.env, MODEL_RUNS, MODEL_SEED },
    stdout: "ignore",
    stderr: "pipe",
    timeout: TIMEOUT_MS,
  });
  const output = await new Response(running.stderr).text();
  if ((await running.exited) === 0) return undefined;
  const name = /^\(fail\) (.*?)( \[[\d.]+ms\])?$/m.exec(output)?.[1];
  return name === undefined ? test : `${test} > ${name}`;
}
