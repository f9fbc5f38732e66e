/**
 * Checks that imports go only downward, as the layers below say, and that runtime code stays portable: only `node:`
 * and Web APIs, explicit file extensions, no `Bun` or `Deno`.
 */
import { Glob } from "bun";
import { readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";

/** What each folder of `internal` may import, beside itself and `cli`. */
const MAY_IMPORT: Record<string, string[]> = {
  cli: [],
  api: [],
  kube: ["api"],
  controller: ["kube", "api"],
  manifests: ["api"],
  operator: ["controller", "kube", "api"],
  deviceplugin: ["api"],
  controlplane: ["api"],
  images: ["api"],
  machineconfig: ["kube", "api"],
  testcluster: [],
};
/** Packages that only one layer may load. The device plugin must stay small: it never loads the API client. */
const PACKAGE_OWNERS: Record<string, string[]> = {
  "@kubernetes/client-node": ["kube"],
  "@grpc/grpc-js": ["deviceplugin", "proto"],
  citty: ["cli"],
  consola: ["cli"],
};

const IMPORT = /(?:^|\s)(?:import|export)\s[^"';]*?from\s+"([^"]+)"|import\s+"([^"]+)"|import\("([^"]+)"\)/g;
const problems: string[] = [];

for (const file of [...new Glob("{cmd,internal}/**/*.ts").scanSync(".")].sort()) {
  const text = await Bun.file(file).text();
  const test = /\.test\.ts$|\/testing\/|^internal\/testcluster\//.test(file) || file.includes("/testdata/");
  const layer = file.startsWith("cmd/") ? "cmd" : file.split("/")[1]!;
  if (layer !== "cmd" && !(layer in MAY_IMPORT)) problems.push(`${file}: folder internal/${layer} is no known layer`);
  const code = text.replaceAll(/\/\*[\s\S]*?\*\/|(?<=^|\s)\/\/.*$/gm, "");
  if (!test && /(?<![\w."'`-])(?:Bun|Deno)\./.test(code)) problems.push(`${file}: uses a runtime's own API; use node:`);
  if (test) continue;
  for (const match of code.matchAll(IMPORT)) {
    const target = match[1] ?? match[2] ?? match[3]!;
    if (target.startsWith(".")) checkRelative(file, layer, target);
    else if (!target.startsWith("node:")) checkPackage(file, layer, target);
  }
}

/** How `file` comes to import a package, through imports that are not types alone. */
function pathTo(wanted: string, file: string, seen = new Set<string>()): string[] | undefined {
  if (seen.has(file)) return undefined;
  seen.add(file);
  for (const { path } of new Bun.Transpiler({ loader: "ts" }).scanImports(readFileSync(file))) {
    if (path === wanted) return [file, path];
    if (!path.startsWith(".") || !path.endsWith(".ts")) continue;
    const rest = pathTo(wanted, normalize(join(dirname(file), path)), seen);
    if (rest) return [file, ...rest];
  }
  return undefined;
}

function checkRelative(file: string, layer: string, target: string): void {
  if (!/\.[A-Za-z]+$/.test(target)) problems.push(`${file}: import "${target}" has no file extension`);
  const path = normalize(join(dirname(file), target));
  const into = path.startsWith("internal/") ? path.split("/")[1]! : path.split("/")[0]!;
  if (layer === "cmd" || into === layer || into === "cli") return;
  if (layer === "cli" && into === "package.json") return;
  if (into === "proto" && layer === "deviceplugin") return;
  if (!MAY_IMPORT[layer]?.includes(into)) problems.push(`${file}: ${layer} must not import ${into} (${target})`);
}

function checkPackage(file: string, layer: string, target: string): void {
  const name = target
    .split("/")
    .slice(0, target.startsWith("@") ? 2 : 1)
    .join("/");
  const owners = PACKAGE_OWNERS[name];
  if (owners && !owners.includes(layer)) problems.push(`${file}: only ${owners.join(", ")} may import ${name}`);
}

for (const command of ["device-plugin", "control-plane"]) {
  const path = pathTo("@kubernetes/client-node", `cmd/${command}.ts`);
  if (path) problems.push(`cmd/${command}.ts must not load the API client, but does: ${path.join(" -> ")}`);
}

for (const problem of problems) console.error(problem);
process.exit(problems.length > 0 ? 1 : 0);
