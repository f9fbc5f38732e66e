import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sharedControlPlane, type Cluster } from "../testcluster/index.ts";

let cluster: Cluster;
let namespace: string;
let folder: string;
const probe = join(import.meta.dir, "testing", "probe.ts");

beforeAll(async () => {
  cluster = await sharedControlPlane();
  folder = await mkdtemp(join(tmpdir(), "onloadctl-runtimes-"));
  namespace = await cluster.createNamespace("runtimes");
}, 120_000);

afterAll(async () => {
  await cluster.request("DELETE", `/api/v1/namespaces/${namespace}`);
  await rm(folder, { recursive: true });
});

/** Runs a command that ends with a namespace, and returns what the probe says. */
async function run(
  command: string[],
  env: Record<string, string> = {},
  cwd = folder,
): Promise<{ before: number; seen: string[] }> {
  const child = Bun.spawn([...command, namespace], {
    cwd,
    env: { ...process.env, KUBECONFIG: cluster.kubeconfigPath, ...env },
    stdout: "pipe",
    stderr: "pipe",
  });
  const [stdout, stderr] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  if (child.exitCode !== 0) throw new Error(`${command[0]} ended with ${child.exitCode}: ${stderr}`);
  return JSON.parse(stdout) as { before: number; seen: string[] };
}

function expectSeen({ seen }: { seen: string[] }): void {
  const key = `${namespace}/probe`;
  expect(seen.filter((line) => line.startsWith(key))).toEqual([`${key} - -> 1`, `${key} 1 -> 2`, `${key} 2 -> -`]);
}

test("the same sources work under Deno", async () => {
  const deno = join(import.meta.dir, "..", "..", "node_modules", ".bin", "deno");
  expectSeen(await run([deno, "run", "-A", probe]));
});

test("a compiled executable works with mutual TLS, and takes nothing from a hostile working folder", async () => {
  const out = join(folder, "probe");
  const build = Bun.spawn(
    [
      process.execPath,
      "build",
      "--compile",
      "--minify",
      "--bytecode",
      "--format=esm",
      "--no-compile-autoload-bunfig",
      "--no-compile-autoload-dotenv",
      `--outfile=${out}`,
      probe,
    ],
    { stdout: "ignore", stderr: "pipe" },
  );
  const said = await new Response(build.stderr).text();
  expect([await build.exited, said.includes("error")]).toEqual([0, false]);
  await writeFile(join(folder, "bunfig.toml"), 'preload = ["./evil.ts"]\n');
  await writeFile(join(folder, "evil.ts"), "throw new Error('the working folder was believed');\n");
  await writeFile(join(folder, ".env"), "KUBECONFIG=/nonexistent\n");
  expectSeen(await run([out]));
});
