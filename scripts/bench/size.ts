/**
 * Says what the executable's size is made of, and what its parts cost and save: `bun scripts/bench/size.ts`. It compiles an empty
 * program and three variants of ours, and starts each often: the least processor time of a start is shown.
 */
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { formatTable } from "../../internal/cli/table.ts";
import { run } from "../../internal/testcluster/lib/command.ts";
import { checkout } from "../../internal/testcluster/lib/paths.ts";

const STARTS = 15;
const OWN = ["--minify", "--format=esm", "--splitting", "--define", '__dirname="/"', "--define", '__filename="/"'];
/** What is started: next to nothing, what works with a cluster, and the device plugin. */
const COMMANDS = [["--version"], ["status", "--kubeconfig=/none"], ["device-plugin", "--help"]];

interface Output {
  inputs: Record<string, { bytesInOutput: number }>;
}

const folder = await mkdtemp(join(tmpdir(), "onloadctl-size-"));
try {
  const empty = join(folder, "empty.ts");
  await writeFile(empty, "console.log(1);\n");
  const meta = join(folder, "meta.json");
  const variants: Record<string, string[]> = {
    "an empty program": [empty],
    "ours, without bytecode": [join(checkout, "cmd/onloadctl.ts"), ...OWN],
    "ours, bytecode of outer functions": [
      join(checkout, "cmd/onloadctl.ts"),
      ...OWN,
      "--bytecode",
      "--bytecode-depth=1",
    ],
    "ours, as built": [join(checkout, "cmd/onloadctl.ts"), ...OWN, "--bytecode", `--metafile=${meta}`],
  };
  const rows: string[][] = [];
  for (const [name, args] of Object.entries(variants)) {
    const file = join(folder, "program");
    await run([process.execPath, "build", ...args, "--compile", "--outfile", file], { cwd: checkout });
    const { size } = await stat(file);
    const zipped = gzipSync(await readFile(file), { level: 6 }).length;
    const starts = COMMANDS.map((command) => start([file, ...(args[0] === empty ? [] : command)]));
    rows.push([name, mb(size), mb(zipped), ...starts.map((ms) => `${ms} ms`)]);
  }
  const heads = ["EXECUTABLE", "SIZE", "GZIP", ...COMMANDS.map((words) => words.join(" "))];
  process.stdout.write(formatTable(heads, rows));
  process.stdout.write(`\n${await packagesOf(meta)}`);
} finally {
  await rm(folder, { recursive: true, force: true });
}

function mb(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

/** The least processor time of a start, in milliseconds. */
function start(command: string[]): number {
  const times = Array.from({ length: STARTS }, () => {
    const { resourceUsage } = Bun.spawnSync(command, { stdout: "ignore", stderr: "ignore" });
    return Number(resourceUsage!.cpuTime.total) / 1000;
  });
  return Math.round(Math.min(...times));
}

/** What the bundler has put into the executable, by package and by our folders, the largest first. */
async function packagesOf(file: string): Promise<string> {
  const { outputs } = JSON.parse(await readFile(file, "utf8")) as { outputs: Record<string, Output> };
  const sizes = new Map<string, { bytes: number; files: number }>();
  for (const [path, { bytesInOutput }] of Object.values(outputs).flatMap(({ inputs }) => Object.entries(inputs))) {
    const name =
      /.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1] ?? path.split("/").slice(0, -1).slice(0, 2).join("/");
    const { bytes, files } = sizes.get(name) ?? { bytes: 0, files: 0 };
    sizes.set(name, { bytes: bytes + bytesInOutput, files: files + 1 });
  }
  const sorted = [...sizes].toSorted(([, a], [, b]) => b.bytes - a.bytes);
  const rows = sorted
    .slice(0, 20)
    .map(([name, { bytes, files }]) => [name, `${Math.round(bytes / 1000)} kB`, String(files)]);
  const all = [...sizes.values()].reduce((sum, { bytes }) => sum + bytes, 0);
  return formatTable(
    ["PACKAGE OR FOLDER", "MINIFIED", "FILES"],
    [...rows, ["all", `${Math.round(all / 1000)} kB`, "-"]],
  );
}
