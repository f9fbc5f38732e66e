/**
 * The rules that the project's imports obey, for production code and tests alike: cmd -> internal -> proto, the layers
 * of internal, the stages of the operator, no circles, and what only one layer may use.
 */
import { circles, importGraph, importsOf, pathBetween, resolveImport, type Sources } from "./import-graph.ts";

/** What each folder of internal may import, beside itself and `cli`. Tests may also import `testcluster`. */
const LAYERS: Record<string, readonly string[]> = {
  cli: [],
  api: [],
  kube: ["api"],
  probes: [],
  controller: ["probes", "kube", "api"],
  manifests: ["api"],
  operator: ["controller", "manifests", "kube", "probes", "api"],
  check: ["operator", "manifests", "kube", "api"],
  doctor: ["check", "operator", "profiles", "acceleration", "kube", "api"],
  stack: ["doctor", "kube", "api"],
  uninstall: ["operator", "manifests", "controller", "kube", "api"],
  acceleration: ["api"],
  deviceplugin: ["acceleration", "probes", "api", "proto"],
  controlplane: ["acceleration", "api"],
  licenses: [],
  images: ["licenses", "api"],
  profiles: ["images", "api"],
  machineconfig: ["kube", "api"],
  testcluster: [],
};

/**
 * The stages of internal/operator in the order of the data. A stage may import itself and those before it. Files that
 * lie in internal/operator itself are the last stage, except `plan.ts` and `memo.ts`, which `view` uses.
 */
const STAGES = [
  ["cache"],
  ["kmm"],
  ["observe"],
  ["desired"],
  ["assess"],
  ["rollout"],
  ["act"],
  ["report"],
  ["watch"],
  ["plan.ts", "memo.ts"],
  ["view"],
  ["pass"],
  ["reconcile.ts", "operator.ts"],
];

/** The model of a cluster in which the operator is judged, and its only files that know the operator: they run it. */
const MODEL = "internal/operator/testing/model/";
const MODEL_RUNNERS: readonly string[] = ["caches.ts", "client.ts", "operator.ts"];

/** Packages that only these layers may load in production. */
const PACKAGE_OWNERS: Record<string, readonly string[]> = {
  "@grpc/grpc-js": ["deviceplugin", "proto"],
  citty: ["cli"],
  consola: ["cli"],
  "prom-client": ["probes"],
  re2js: ["api"],
  socks: ["kube"],
};

/** Files that may use what only one runtime offers, each the only one for its purpose. */
const RUNTIME_ADAPTERS: readonly string[] = ["internal/deviceplugin/runtime.ts", "internal/controlplane/enter-node.ts"];

/** The only file that writes to the terminal: it makes every text safe. */
const TERMINAL = "internal/cli/output.ts";

/** Hands its own output on to a program, for somebody elsewhere who makes what comes of it safe. */
const OUTPUT_GIVER = "internal/controlplane/run-tool.ts";

/** The only files that call the parsers of texts that others wrote: their errors say what is wrong in words for people. */
const JSON_PARSER = "internal/cli/json.ts";
const YAML_PARSERS = /^internal\/(?:cli\/yaml\.ts|manifests\/|uninstall\/installed\.ts)/;

/**
 * The only files that open files themselves: the readers, which take no pipes, devices and endless files, the pieces of
 * FileOps, and what only writes.
 */
const FILE_READERS = "internal/cli/regular-file.ts or small-file.ts";
const FILE_OPENERS: readonly string[] = [
  "internal/cli/regular-file.ts",
  "internal/cli/small-file.ts",
  "internal/acceleration/read.ts",
  "internal/controlplane/termination-message.ts",
  "internal/deviceplugin/file-ops.ts",
  "internal/images/step-log.ts",
  "internal/machineconfig/output.ts",
  "internal/stack/capture.ts",
];

/** Subcommands that run on every node and must stay small: they load nothing of the API client. */
const WITHOUT_API_CLIENT = ["cmd/device-plugin.ts", "cmd/control-plane.ts"];

/** What the operator must not load before it is needed, because it would stay in memory for as long as the process runs. */
const NOT_AT_START: readonly RegExp[] = [
  /^yaml(?:\/|$)/,
  /^internal\/manifests\/(?:files\.gen\.ts|.*\.yaml)$/,
  /^internal\/kube\/kubeconfig\.ts$/,
  // Its parts are all that is used; the index loads everything.
  /^prom-client$/,
];

/** Where the operator's process starts: the program, and then the subcommand. */
const OPERATOR_STARTS = ["cmd/onloadctl.ts", "cmd/operator.ts"];

/** Whether a file is a test, or serves tests only. */
function servesTests(file: string): boolean {
  return (
    file.endsWith(".test.ts") ||
    /\/(?:testing|testdata)\//.test(file) ||
    /^(?:internal\/testcluster|scripts)\//.test(file)
  );
}

/**
 * Every import that breaks a rule, in words.
 *
 * @param sources all TypeScript files of cmd, internal, proto and scripts
 */
export function importProblems(sources: Sources): string[] {
  const problems: string[] = [];
  for (const [file, text] of sources) {
    const problem = folderProblem(file);
    if (problem) problems.push(`${file}: ${problem}`);
    for (const target of importsOf(text)) {
      const path = resolveImport(file, target);
      const wrong = path === undefined ? packageProblem(file, target) : pathProblem(file, path);
      if (wrong) problems.push(`${file}: ${wrong}`);
    }
    if (!servesTests(file)) problems.push(...textProblems(file, text).map((problem) => `${file}: ${problem}`));
  }
  for (const circle of circles(importGraph(sources))) problems.push(`circle: ${circle.join(" -> ")}`);
  const loads = loadGraph(sources);
  for (const command of WITHOUT_API_CLIENT) {
    const path = [...loads.keys()]
      .filter((file) => file.startsWith("internal/kube/"))
      .map((file) => pathBetween(loads, command, file))
      .find((each) => each !== undefined);
    if (path) problems.push(`${command}: must not load the API client, but does: ${path.join(" -> ")}`);
  }
  const starts = loadGraph(sources, "static");
  const heavy = new Set([...starts.values()].flat().filter((path) => NOT_AT_START.some((each) => each.test(path))));
  for (const start of OPERATOR_STARTS) {
    for (const target of heavy) {
      const path = pathBetween(starts, start, target);
      if (path) problems.push(`${start}: must not load ${target} at its start, but does: ${path.join(" -> ")}`);
    }
  }
  return problems;
}

/** What production code uses that only one file may use. */
function textProblems(file: string, text: string): string[] {
  const problems: string[] = [];
  if (!RUNTIME_ADAPTERS.includes(file) && usesRuntime(text)) problems.push(`uses a runtime's own API; use node:`);
  if (file !== TERMINAL && file !== OUTPUT_GIVER && usesTerminal(text))
    problems.push(`writes to the terminal; use ${TERMINAL}, which makes texts safe`);
  if (file !== JSON_PARSER && parsesJson(text))
    problems.push(`JSON.parse says neither what was read nor from where; use parseJson of ${JSON_PARSER}`);
  if (!FILE_OPENERS.includes(file) && opensFiles(text))
    problems.push(`a pipe, a device or an endless file may be in a file's place; use ${FILE_READERS}`);
  if (!YAML_PARSERS.test(file) && parsesYaml(text))
    problems.push(`only what is our own is read by the package yaml; use parseYaml of internal/cli/yaml.ts`);
  return problems;
}

function folderProblem(file: string): string | undefined {
  const layer = layerOf(file);
  if (file.startsWith("internal/") && !(layer in LAYERS)) return `folder internal/${layer} is no known layer`;
  if (layer === "operator" && !isOperatorTesting(file) && stageOf(file) < 0) {
    return `folder ${file.split("/").slice(0, 3).join("/")} is no known stage of the operator`;
  }
  return undefined;
}

function pathProblem(file: string, path: string): string | undefined {
  if (!/\.[A-Za-z]+$/.test(path)) return `import of ${path} has no file extension`;
  const layer = layerOf(file);
  const into = layerOf(path);
  if (path.endsWith(".test.ts")) return `nothing imports a test (${path})`;
  if (layer === "scripts") return undefined;
  if (into === "scripts") return `${layer} must not import scripts (${path})`;
  if (servesTests(path) && !servesTests(file)) return `production code must not import what serves tests (${path})`;
  if (layer === "cmd") return undefined;
  if (into === layer) {
    return layer === "operator" ? stageProblem(file, path) : undefined;
  }
  if (layer === "testcluster" || layer === "proto") return `${layer} must not import ${into} (${path})`;
  if (into === "cli" || (layer === "cli" && path === "package.json")) return undefined;
  if (into === "testcluster" || LAYERS[layer]?.includes(into)) return undefined;
  return `${layer} must not import ${into} (${path})`;
}

function stageProblem(file: string, path: string): string | undefined {
  if (file.startsWith(MODEL) && !MODEL_RUNNERS.includes(file.slice(MODEL.length)) && !path.startsWith(MODEL))
    return `what judges the operator must not import what it judges (${path})`;
  if (isOperatorTesting(file) || isOperatorTesting(path)) return undefined;
  if (stageOf(path) <= stageOf(file)) return undefined;
  return `stage ${STAGES[stageOf(file)]?.join(", ")} must not import ${path}, which is a later stage`;
}

function packageProblem(file: string, target: string): string | undefined {
  if (target.startsWith("node:") || servesTests(file)) return undefined;
  if (target.startsWith("bun:")) {
    return RUNTIME_ADAPTERS.includes(file) ? undefined : "uses a runtime's own API; use node:";
  }
  const name = target
    .split("/")
    .slice(0, target.startsWith("@") ? 2 : 1)
    .join("/");
  const owners = PACKAGE_OWNERS[name];
  return owners && !owners.includes(layerOf(file)) ? `only ${owners.join(", ")} may import ${name}` : undefined;
}

/** The folder of internal that a path is in, or else the folder at the top. */
function layerOf(path: string): string {
  const parts = path.split("/");
  return (parts[0] === "internal" ? parts[1] : parts[0])!;
}

/** The index of a file's stage in STAGES; -1 if its folder is no stage. */
function stageOf(path: string): number {
  const place = path.split("/")[2]!.replace(/(?:\.[a-z]+)?\.test\.ts$/, ".ts");
  const stage = STAGES.findIndex((places) => places.includes(place));
  return stage < 0 && place.endsWith(".ts") ? STAGES.length - 1 : stage;
}

function isOperatorTesting(path: string): boolean {
  return path.startsWith("internal/operator/testing/") || path.startsWith("internal/operator/testdata/");
}

/** Whether code names a runtime's own global: itself, as a property of another object, or as a property's key. */
function usesRuntime(text: string): boolean {
  const code = text
    .replaceAll(/\/\*[\s\S]*?\*\/|(?<=^|\s)\/\/.*$/gm, "")
    // Texts for people may name runtimes. A literal that is a name alone is a key.
    .replaceAll(/(["'`])(?!(?:Bun|Deno)\1)(?:\\.|(?!\1).)*\1/g, "''");
  return /\b(?:Bun|Deno)\b/.test(code);
}

/** Whether code writes to standard output or error itself, or has a control character that a terminal obeys. */
function usesTerminal(text: string): boolean {
  const code = text.replaceAll(/\/\*[\s\S]*?\*\/|(?<=^|\s)\/\/.*$/gm, "");
  return [
    /\bprocess\s*(?:\?\.|\.|\[)\s*["'`]?(?:stdout|stderr|emitWarning)\b/,
    /\{[^{}]*\bstd(?:out|err)\b[^{}]*\}\s*=\s*(?:globalThis\s*\.\s*)?process\b/,
    /from\s+["'](?:node:)?(?:process|tty|console)["']/,
    /\bconsole\b(?!["'])/,
    /\bwrite(?:v|File)?(?:Sync)?\(\s*[12]\s*,/,
    /["'`]\/(?:dev\/(?:std(?:out|err)|tty)\b|(?:dev|proc\/self)\/fd\/[12]\b)/,
    /\bstdio\s*:[^\n]*(?:inherit|[12]\s*[,\]])|\b(?:stdout|stderr)\s*:\s*["'`]inherit/,
    /\\(?:u001b|u009b|u\{1b\}|x1b|x9b|033)/i,
  ].some((use) => use.test(code));
}

/** Whether code parses JSON that is not its own copy of a value. */
function parsesJson(text: string): boolean {
  const code = text.replaceAll(/\/\*[\s\S]*?\*\/|(?<=^|\s)\/\/.*$/gm, "");
  return /\bJSON\s*(?:\?\.|\.|\[)\s*["'`]?parse\b(?!\(JSON\.stringify\()|\{[^{}]*\bparse\b[^{}]*\}\s*=\s*JSON\b|\.json\(\)/.test(
    code,
  );
}

/** Whether code imports what opens files from node:fs, or all of it. */
function opensFiles(text: string): boolean {
  return /import\s*(?:\{[^{}]*\b(?:readFile|readFileSync|createReadStream|open|openSync|openAsBlob|promises)\b[^{}]*\}|\*[^"']*|[\w$]+)\s*from\s*["'](?:node:)?fs(?:\/promises)?["']|import\(\s*["'](?:node:)?fs\b/.test(
    text,
  );
}

/** Whether code imports a parser of the package yaml. */
function parsesYaml(text: string): boolean {
  return /import\s*(?:\{[^{}]*\b(?:parse\w*|Parser|Composer)\b[^{}]*\}|\*[^"']*|[\w$]+)\s*from\s*["']yaml["']|import\(\s*["']yaml["']/.test(
    text,
  );
}

/**
 * Which production file loads which file or package when it runs: type-only imports are left out.
 *
 * @param kind "static": only what it loads before it runs
 */
function loadGraph(sources: Sources, kind: "static" | "any" = "any"): Map<string, string[]> {
  const transpiler = new Bun.Transpiler({ loader: "ts" });
  return new Map(
    [...sources]
      .filter(([file]) => !servesTests(file))
      .map(([file, text]) => [
        file,
        transpiler
          .scanImports(text.replace(/^#!.*/, ""))
          .filter((each) => kind === "any" || each.kind !== "dynamic-import")
          .map(({ path }) => resolveImport(file, path) ?? path),
      ]),
  );
}
