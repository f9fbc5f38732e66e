/**
 * The Go programs of the test cluster. `tool(name)` returns the path of a program, building it the first time:
 *
 *   const kubectl = await tool("kubectl");
 *   const [etcd, kwok] = await tools(["etcd", "kwok"]);
 *
 * `bun internal/testcluster/tools/index.ts [NAME...]` builds them from the command line (all without names) and prints their paths.
 */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { cacheFolder } from "../lib/paths.ts";
import { output, run } from "../lib/command.ts";
import { withLock } from "../lib/lock.ts";
import { progress } from "../lib/progress.ts";
import { catalogue } from "./catalogue.ts";
import type { Tool, ToolName } from "./catalogue.ts";
import { goEnvironment } from "./go.ts";

export type { ToolName } from "./catalogue.ts";

/** Programs that $KUBEBUILDER_ASSETS may hold already. */
const customary: readonly ToolName[] = ["kube-apiserver", "etcd", "kubectl"];

/** What a cluster without nodes of its own is made of, with KMM 1.1.0 and kwok. */
export const CLUSTER_PROGRAMS = [
  "etcd",
  "kube-apiserver",
  "kube-controller-manager",
  "kube-scheduler",
  "kubectl",
  "kwok",
  "kmm-manager",
] as const satisfies readonly ToolName[];

/**
 * Returns the path of a program. It is built once into the cache, under a name that changes with its pinned version,
 * dependencies and build settings; callers at the same time, in other processes too, wait for the one build.
 * Throws one line that says what is missing if it cannot be built.
 */
export async function tool(name: ToolName): Promise<string> {
  const assets = process.env["KUBEBUILDER_ASSETS"];
  if (assets !== undefined && customary.includes(name)) {
    const given = join(assets, name);
    if (existsSync(given)) return given;
  }
  const wanted: Tool = catalogue[name];
  const path = join(cacheFolder, "tools", `${wanted.family}-${buildKey(wanted)}`, name);
  if (!existsSync(path)) {
    const folder = join(path, "..");
    mkdirSync(folder, { recursive: true });
    // One build at a time: the Go compiler uses every core anyway.
    await withLock(join(cacheFolder, "tools", "build.lock"), async () => {
      if (!existsSync(path)) await build(name, wanted, path);
    });
  }
  return path;
}

/** Returns the paths of several programs, in the order of the names. */
export async function tools<const T extends readonly ToolName[]>(
  names: T,
): Promise<{ [K in keyof T]: string }> {
  const paths: string[] = [];
  for (const name of names) paths.push(await tool(name));
  return paths as { [K in keyof T]: string };
}

/** Returns the folder of a module's source as pinned by a family's go.mod, for the manifests that it holds. */
export async function moduleFolder(family: string, module: string): Promise<string> {
  const environment = await goEnvironment();
  const options = { cwd: familyFolder(family), env: environment };
  await withLock(join(cacheFolder, "tools", "modules.lock"), async () => {
    await run(["go", "mod", "download", module], options);
  });
  return await output(["go", "list", "-m", "-f", "{{.Dir}}", module], options);
}

async function build(name: ToolName, wanted: Tool, path: string): Promise<void> {
  const environment = await goEnvironment();
  const folder = familyFolder(wanted.family);
  const start = Date.now();
  progress(`Building ${name}`);
  const flags = ["-s", "-w", ...(await linkerVariables(wanted, environment))].join(" ");
  const unfinished = `${path}.${process.pid}`;
  try {
    await run(["go", "build", "-trimpath", "-ldflags", flags, "-o", unfinished, wanted.package], {
      cwd: folder,
      env: environment,
    });
  } catch (cause) {
    rmSync(unfinished, { force: true });
    throw new Error(`Cannot build ${name}: ${(cause as Error).message}`, { cause });
  }
  // The name appears only with the whole program behind it.
  renameSync(unfinished, path);
  progress(`Built ${name} in ${Math.round((Date.now() - start) / 1000)} s`);
}

async function linkerVariables(wanted: Tool, environment: Record<string, string>): Promise<string[]> {
  if (wanted.module === undefined || wanted.variables === undefined) return [];
  const version = await output(["go", "list", "-m", "-f", "{{.Version}}", wanted.module], {
    cwd: familyFolder(wanted.family),
    env: environment,
  });
  const [major = "", minor = ""] = version.replace(/^v/, "").split(".");
  return Object.entries(wanted.variables).map(([variable, value]) => {
    const set = value.replace("VERSION", version).replace("MAJOR", major).replace("MINOR", minor);
    return `-X ${variable}=${set}`;
  });
}

function familyFolder(family: string): string {
  return join(import.meta.dir, family);
}

/** A digest that changes if a program has to be built anew. */
function buildKey(wanted: Tool): string {
  const hash = createHash("sha256").update(JSON.stringify(wanted)).update(process.arch);
  for (const file of ["go.mod", "go.sum", "main.go"]) {
    const path = join(familyFolder(wanted.family), file);
    if (existsSync(path)) hash.update(readFileSync(path));
  }
  return hash.digest("hex").slice(0, 10);
}

if (import.meta.main) {
  const known = Object.keys(catalogue) as ToolName[];
  const asked = process.argv.slice(2);
  const unknown = asked.find((name) => !known.includes(name as ToolName));
  if (unknown !== undefined) {
    console.error(`Cannot build ${unknown}: no such program; known are ${known.join(", ")}`);
    process.exit(2);
  }
  try {
    for (const name of asked.length > 0 ? (asked as ToolName[]) : known) console.log(await tool(name));
  } catch (error) {
    console.error((error as Error).message);
    process.exit(1);
  }
}
