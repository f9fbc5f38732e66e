/**
 * Runs everything that tests the project: the checks (format, lint, types) and the build, and then, two at a time, unit
 * tests followed by tests on a real control plane (*.cluster.test.ts), tests with the machine's own container engines and
 * kernel (*.host.test.ts, as root on Linux), and tests on real nodes (*.node.test.ts, as root on Linux).
 * The end tells which tests failed, and why; the last line says how many passed and failed. The exit code is 0 only if
 * none failed and none was left out.
 */
import { Glob } from "bun";
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { firstFew } from "../internal/cli/first-few.ts";
import { whyNoNode } from "../internal/testcluster/index.ts";
import { sharedClusterVariable, startShared } from "../internal/testcluster/shared.ts";
import { builtExecutable } from "../internal/testcluster/lib/built.ts";
import { interruption } from "./lib/interruption.ts";
import { checkout } from "../internal/testcluster/lib/paths.ts";
import { progress } from "../internal/testcluster/lib/progress.ts";
import { NO_REPORT, parseJUnit, type Tally } from "./lib/junit.ts";
import { clearRunsOf } from "../internal/testcluster/lib/run-state.ts";
import { CLUSTER_PROGRAMS, tools } from "../internal/testcluster/tools/index.ts";

const usage = `Run the tests

USAGE ./scripts/test [check|unit|cluster|host|node]... [PATTERN]...

Without kinds all run. A PATTERN keeps only the test files whose path contains it.

  ./scripts/test                          everything
  ./scripts/test unit                     only what needs no cluster
  ./scripts/test cluster internal/kube    only that folder's tests on a control plane
`;

/** How many failures the end repeats: more have one cause, as a rule. */
const MAX_FAILURES = 20;

const kinds = ["check", "unit", "cluster", "host", "node"] as const;
type Kind = (typeof kinds)[number];

const args = process.argv.slice(2);
if (args.includes("--help") || args.includes("-h")) {
  process.stdout.write(usage);
  process.exit(0);
}
const unknown = args.find((arg) => arg.startsWith("-"));
if (unknown !== undefined) {
  console.error(`Unknown option ${unknown}; see ./scripts/test --help`);
  process.exit(2);
}
const asked = kinds.filter((kind) => args.includes(kind));
const patterns = args.filter((arg) => !(kinds as readonly string[]).includes(arg));
const wanted: readonly Kind[] = asked.length > 0 ? asked : patterns.length > 0 ? kinds.slice(1) : kinds;

const stop = interruption();
const results = mkdtempSync(join(tmpdir(), "onloadctl-test-"));
let runs = 0;
const total = { passed: 0, failed: 0, failures: [] as string[], broken: [] as string[], leftOut: [] as string[] };
try {
  const files = findFiles(patterns);
  if (patterns.length > 0 && wanted.every((kind) => files[kind].length === 0)) {
    console.error(`No test file matches ${patterns.join(" ")}`);
    process.exit(2);
  }
  if (wanted.includes("check")) await runCheck();
  if (wanted.some((kind) => files[kind].length > 0)) await build();
  const node = wanted.includes("node") ? nodeTests(files.node) : [];
  const start = { unit: (paths: string[]) => runFiles("unit", paths), cluster: runCluster, host: runHost };
  const lane = async (...first: (keyof typeof start)[]): Promise<void> => {
    for (const kind of first) if (wanted.includes(kind) && files[kind].length > 0) await start[kind](files[kind]);
    for (let next = node.shift(); next !== undefined; next = node.shift()) await next();
  };
  // Tests in one process use one processor, and those on a control plane mostly wait; those of the host mostly build.
  // Whichever ends first goes on with the nodes' tests.
  await allEnded([lane("unit", "cluster"), lane("host")]);
} catch (error) {
  total.failed += 1;
  total.broken.push(stop.signal.aborted ? "Interrupted" : (error as Error).message);
} finally {
  rmSync(results, { recursive: true, force: true });
}
await tellEnd();
process.exit(stop.signal.aborted ? 130 : total.failed > 0 || total.leftOut.length > 0 ? 1 : 0);

/** Tells at the end what failed and why: of a long run often only the end is kept, or read. */
async function tellEnd(): Promise<void> {
  const shown = total.failures.slice(0, MAX_FAILURES);
  const lines = shown.map((failure) => `Failed: ${failure}`);
  const more = total.failures.length - shown.length;
  if (more > 0) lines.push(`Failed: ${more} more tests; see above`);
  lines.push(...total.broken.map((reason) => `Failed: ${reason}`));
  lines.push(...total.leftOut.map((reason) => `Left out, so that not all is tested: ${reason}`));
  // Awaited, because what is still in a pipe's buffer is lost when the process exits.
  await Bun.write(Bun.stderr, lines.map((line) => `${line}\n`).join(""));
  await Bun.write(Bun.stdout, `${total.passed} passed, ${total.failed} failed\n`);
}

function findFiles(patterns: readonly string[]): Record<Kind, string[]> {
  const found: Record<Kind, string[]> = { check: [], unit: [], cluster: [], host: [], node: [] };
  const paths = [...new Glob("{cmd,internal,proto,scripts}/**/*.test.ts").scanSync({ cwd: checkout })].toSorted();
  for (const path of paths) {
    if (patterns.length > 0 && !patterns.some((pattern) => path.includes(pattern))) continue;
    const kind = (["cluster", "host", "node"] as const).find((each) => path.endsWith(`.${each}.test.ts`));
    found[kind ?? "unit"].push(path);
  }
  return found;
}

async function runCheck(): Promise<void> {
  progress("Checks: format, lint, types, imports, generated files");
  const code = await runBun(["run", "check"]);
  add("check", { tests: 1, failed: code === 0 ? 0 : 1, skipped: 0 });
  if (code !== 0) total.broken.push(`check, with exit code ${code}`);
}

async function build(): Promise<void> {
  progress("Building dist/onloadctl if it is older than its sources");
  await builtExecutable();
}

async function runCluster(files: readonly string[]): Promise<void> {
  progress("Getting the programs of the test cluster");
  await tools(CLUSTER_PROGRAMS);
  progress("Starting the control plane that the tests share");
  const plane = await startShared();
  try {
    await runFiles("cluster", files, { env: { [sharedClusterVariable]: plane.folder } });
  } finally {
    await plane.stop();
  }
}

/** Runs the tests of the host beside those on a control plane. */
async function runHost(files: readonly string[]): Promise<void> {
  const reason = whyNoNode();
  if (reason !== undefined) {
    total.leftOut.push(`${files.length} test files as root on the host: ${reason}`);
    return;
  }
  await runFiles("host", files, { isBesideOthers: true });
}

/** The tests on real nodes, a file each, the longest first: each starts a node of its own, and mostly waits. */
function nodeTests(files: readonly string[]): (() => Promise<void>)[] {
  const reason = files.length === 0 ? undefined : whyNoNode();
  if (reason !== undefined) {
    total.leftOut.push(`${files.length} test files on a real node: ${reason}`);
    return [];
  }
  let prepared: Promise<void> | undefined;
  return files
    .toSorted((a, b) => statSync(b).size - statSync(a).size)
    .map((file) => async () => {
      await (prepared ??= prepareNodes());
      await runFiles("node", [file], { isBesideOthers: files.length > 1 });
    });
}

async function prepareNodes(): Promise<void> {
  progress("Getting the programs of the node");
  await tools([...CLUSTER_PROGRAMS, "kubelet", "kube-proxy", "crictl", "multus", "pause"]);
}

/** Waits until all have ended, so that what they started is stopped, and then fails as the first of them did. */
async function allEnded(work: readonly Promise<void>[]): Promise<void> {
  const ended = await Promise.allSettled(work);
  const failed = ended.find((each) => each.status === "rejected");
  if (failed) throw failed.reason;
}

interface RunOptions {
  env?: Record<string, string>;
  /** Others print meanwhile: what these tests say is printed when they have ended. */
  isBesideOthers?: boolean;
}

/** Runs test files in one process of bun test, and counts what it reports. */
async function runFiles(kind: Kind, files: readonly string[], options: RunOptions = {}): Promise<void> {
  progress(`${kind} tests: ${files.length === 1 ? files[0] : `${files.length} files`}`);
  const run = `${kind}-${runs++}`;
  const report = join(results, `${run}.xml`);
  const log = options.isBesideOthers === true ? join(results, `${run}.log`) : undefined;
  const code = await runBun(
    [
      "test",
      "--timeout=120000",
      "--reporter=junit",
      `--reporter-outfile=${report}`,
      ...files.map((file) => `./${file}`),
    ],
    { ...options, ...(log === undefined ? {} : { log }) },
  ).finally(() => {
    if (log !== undefined && existsSync(log)) process.stderr.write(readFileSync(log));
  });
  let tested = NO_REPORT;
  try {
    tested = parseJUnit(readFileSync(report, "utf8"));
  } catch {
    // A run that ended early has written no report; its exit code tells.
  }
  let { tally } = tested;
  for (const { file, name, reason } of tested.failures) total.failures.push(`${file}: ${name}\n${reason}`);
  // A file that cannot be loaded fails the run without being in the report.
  const missing = files.filter((file) => !tested.files.has(file));
  if (code !== 0 && (missing.length > 0 || tally.failed === 0)) {
    const what = missing.length > 0 ? `: nothing ran of ${firstFew(missing, 3)}` : "";
    total.broken.push(`${kind} tests, exit code ${code}${what}`);
    tally = { ...tally, tests: tally.tests + 1, failed: tally.failed + 1 };
  }
  add(kind, tally);
}

function add(kind: Kind, tally: Tally): void {
  const passed = tally.tests - tally.failed - tally.skipped;
  total.passed += passed;
  total.failed += tally.failed;
  if (tally.skipped > 0) total.leftOut.push(`${tally.skipped} ${kind} tests are skipped`);
  progress(`${kind}: ${passed} passed, ${tally.failed} failed`);
}

/** @param log the file that gets the output; standard error by default */
async function runBun(
  args: readonly string[],
  { env = {}, log }: { env?: Record<string, string>; log?: string } = {},
): Promise<number> {
  stop.signal.throwIfAborted();
  const output = log === undefined ? 2 : openSync(log, "w");
  const child = Bun.spawn([process.execPath, ...args], {
    cwd: checkout,
    env: { ...process.env, ...env },
    stdio: ["ignore", output, output],
    // Ctrl-C on a terminal reaches it anyway; a signal to this process alone does not.
    signal: stop.signal,
  });
  if (output !== 2) closeSync(output);
  const code = await child.exited;
  await clearRunsOf(child.pid);
  stop.signal.throwIfAborted();
  return code;
}
