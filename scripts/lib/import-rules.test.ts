/** The rules are judged on small made-up trees, and on every folder that the real tree has. */
import { describe, expect, test } from "bun:test";
import { importProblems } from "./import-rules.ts";

/** A file that imports these paths, one statement each. */
const imports = (...paths: string[]): string => paths.map((path) => `import { x } from "${path}";\n`).join("");
const typeImport = (path: string): string => `import type { X } from "${path}";\n`;
const dynamicImport = (path: string): string => `const { x } = await import("${path}");\n`;

const problems = (files: Record<string, string>): string[] => importProblems(new Map(Object.entries(files)));

describe("an import that goes upward is a problem", () => {
  const rows: Record<string, [Record<string, string>, string]> = {
    "from a layer": [
      { "internal/kube/a.ts": imports("../operator/b.ts") },
      "internal/kube/a.ts: kube must not import operator (internal/operator/b.ts)",
    ],
    "of a type": [
      { "internal/kube/a.ts": typeImport("../operator/b.ts") },
      "internal/kube/a.ts: kube must not import operator (internal/operator/b.ts)",
    ],
    "exported again": [
      { "internal/kube/a.ts": 'export type { X } from "../operator/b.ts";\n' },
      "internal/kube/a.ts: kube must not import operator (internal/operator/b.ts)",
    ],
    "over several lines": [
      { "internal/kube/a.ts": 'import {\n  type X,\n  y,\n} from "../operator/b.ts";\n' },
      "internal/kube/a.ts: kube must not import operator (internal/operator/b.ts)",
    ],
    "for its effect": [
      { "internal/kube/a.ts": 'import "../operator/b.ts";\n' },
      "internal/kube/a.ts: kube must not import operator (internal/operator/b.ts)",
    ],
    "when it runs": [
      { "internal/kube/a.ts": dynamicImport("../operator/b.ts") },
      "internal/kube/a.ts: kube must not import operator (internal/operator/b.ts)",
    ],
    "from a test": [
      { "internal/kube/a.test.ts": imports("../operator/b.ts") },
      "internal/kube/a.test.ts: kube must not import operator (internal/operator/b.ts)",
    ],
    "from a testing folder": [
      { "internal/kube/testing/a.ts": imports("../../operator/testing/b.ts") },
      "internal/kube/testing/a.ts: kube must not import operator (internal/operator/testing/b.ts)",
    ],
    "from the test cluster": [
      { "internal/testcluster/a.ts": imports("../api/names.ts") },
      "internal/testcluster/a.ts: testcluster must not import api (internal/api/names.ts)",
    ],
    "from generated code": [
      { "proto/a.gen.ts": imports("../internal/api/names.ts") },
      "proto/a.gen.ts: proto must not import api (internal/api/names.ts)",
    ],
    "from internal to cmd": [
      { "internal/cli/a.ts": imports("../../cmd/plan.ts") },
      "internal/cli/a.ts: cli must not import cmd (cmd/plan.ts)",
    ],
    "from a test to scripts": [
      { "internal/cli/a.test.ts": imports("../../scripts/lib/b.ts") },
      "internal/cli/a.test.ts: cli must not import scripts (scripts/lib/b.ts)",
    ],
    "from cmd to scripts": [
      { "cmd/a.test.ts": imports("../scripts/lib/b.ts") },
      "cmd/a.test.ts: cmd must not import scripts (scripts/lib/b.ts)",
    ],
  };
  test.each(Object.entries(rows))("%s", (_, [files, problem]) => {
    expect(problems(files)).toEqual([problem]);
  });
});

describe("production code keeps clear of what serves tests", () => {
  const rows: Record<string, [string, string, string]> = {
    "a test cluster in internal": ["internal/operator/act/a.ts", "../../testcluster/b.ts", "internal/testcluster/b.ts"],
    "a test cluster in cmd": ["cmd/a.ts", "../internal/testcluster/b.ts", "internal/testcluster/b.ts"],
    "a testing folder of its own": ["internal/kube/a.ts", "./testing/b.ts", "internal/kube/testing/b.ts"],
    "a testing folder of another layer": ["internal/images/a.ts", "../api/testing/b.ts", "internal/api/testing/b.ts"],
  };
  test.each(Object.entries(rows))("%s", (_, [file, target, path]) => {
    const problem = `${file}: production code must not import what serves tests (${path})`;
    expect(problems({ [file]: imports(target) })).toEqual([problem]);
  });

  test("and nobody imports a test", () => {
    expect(problems({ "internal/kube/a.test.ts": imports("./b.test.ts") })).toEqual([
      "internal/kube/a.test.ts: nothing imports a test (internal/kube/b.test.ts)",
    ]);
  });
});

describe("the operator's stages follow one another", () => {
  const later = (stage: string, path: string): string =>
    `stage ${stage} must not import internal/operator/${path}, which is a later stage`;
  const rows: Record<string, [string, string, string]> = {
    "cache and kmm": ["cache/a.ts", "kmm/b.ts", later("cache", "kmm/b.ts")],
    "observe and desired": ["observe/a.ts", "desired/b.ts", later("observe", "desired/b.ts")],
    "desired and assess": ["desired/a.ts", "assess/b.ts", later("desired", "assess/b.ts")],
    "rollout and act": ["rollout/a.ts", "act/b.ts", later("rollout", "act/b.ts")],
    "act and report, in a test": ["act/a.test.ts", "report/b.ts", later("act", "report/b.ts")],
    "watch and the planner": ["watch/a.ts", "plan.ts", later("watch", "plan.ts")],
    "view and the reconciler": ["view/a.ts", "reconcile.ts", later("view", "reconcile.ts")],
    "the planner and view": ["plan.ts", "view/a.ts", later("plan.ts, memo.ts", "view/a.ts")],
    "the planner's test and view": ["plan.cluster.test.ts", "view/a.ts", later("plan.ts, memo.ts", "view/a.ts")],
  };
  for (const [name, [file, path, problem]] of Object.entries(rows)) {
    const up = file.includes("/") ? "../" : "./";
    for (const [kind, statement] of Object.entries({ value: imports, type: typeImport })) {
      test(`${name}, by ${kind}`, () => {
        expect(problems({ [`internal/operator/${file}`]: statement(`${up}${path}`) })).toEqual([
          `internal/operator/${file}: ${problem}`,
        ]);
      });
    }
  }

  test("a folder that is no stage is a problem", () => {
    expect(problems({ "internal/operator/misc/a.ts": "" })).toEqual([
      "internal/operator/misc/a.ts: folder internal/operator/misc is no known stage of the operator",
    ]);
  });
});

describe("a circle of files is a problem", () => {
  const rows: Record<string, [Record<string, string>, string]> = {
    "of two": [
      { "cmd/a.ts": imports("./b.ts"), "cmd/b.ts": imports("./a.ts") },
      "circle: cmd/a.ts -> cmd/b.ts -> cmd/a.ts",
    ],
    "of types alone": [
      { "cmd/a.ts": typeImport("./b.ts"), "cmd/b.ts": typeImport("./a.ts") },
      "circle: cmd/a.ts -> cmd/b.ts -> cmd/a.ts",
    ],
    "closed when it runs": [
      { "cmd/a.ts": dynamicImport("./b.ts"), "cmd/b.ts": imports("./a.ts") },
      "circle: cmd/a.ts -> cmd/b.ts -> cmd/a.ts",
    ],
    "of three, beside a file that only leads to it": [
      {
        "scripts/a.ts": imports("./b.ts"),
        "scripts/b.ts": imports("./c.ts"),
        "scripts/c.ts": imports("./d.ts"),
        "scripts/d.ts": imports("./b.ts"),
      },
      "circle: scripts/b.ts -> scripts/c.ts -> scripts/d.ts -> scripts/b.ts",
    ],
    "of one": [{ "cmd/a.ts": imports("./a.ts") }, "circle: cmd/a.ts -> cmd/a.ts"],
  };
  test.each(Object.entries(rows))("%s", (_, [files, problem]) => {
    expect(problems(files)).toEqual([problem]);
  });

  test("two circles are two problems", () => {
    const circle = (a: string, b: string) => ({ [`cmd/${a}`]: imports(`./${b}`), [`cmd/${b}`]: imports(`./${a}`) });
    expect(problems({ ...circle("a.ts", "b.ts"), ...circle("c.ts", "d.ts") })).toEqual([
      "circle: cmd/a.ts -> cmd/b.ts -> cmd/a.ts",
      "circle: cmd/c.ts -> cmd/d.ts -> cmd/c.ts",
    ]);
  });
});

describe("packages and runtimes stay where they belong", () => {
  const rows: Record<string, [string, string, string]> = {
    "a package of one layer": ["internal/operator/plan.ts", imports("citty"), "only cli may import citty"],
    "a part of a package": ["cmd/a.ts", imports("consola/core"), "only cli may import consola"],
    "a scoped package": [
      "internal/api/a.ts",
      imports("@grpc/grpc-js"),
      "only deviceplugin, proto may import @grpc/grpc-js",
    ],
    "Bun's own API": ["internal/api/a.ts", "Bun.file('x');\n", "uses a runtime's own API; use node:"],
    "Bun's own API, reached through a cast": [
      "internal/api/a.ts",
      "const { gc } = (globalThis as { Bun?: { gc(): void } }).Bun ?? {};\n",
      "uses a runtime's own API; use node:",
    ],
    "Deno's own API, by its name as a key": [
      "internal/api/a.ts",
      'const own = (globalThis as Record<string, unknown>)["Deno"];\n',
      "uses a runtime's own API; use node:",
    ],
    "a module of Bun's": ["internal/api/a.ts", dynamicImport("bun:ffi"), "uses a runtime's own API; use node:"],
    "no file extension": ["internal/api/a.ts", imports("./b"), "import of internal/api/b has no file extension"],
  };
  test.each(Object.entries(rows))("%s", (_, [file, text, problem]) => {
    expect(problems({ [file]: text })).toEqual([`${file}: ${problem}`]);
  });

  test.each([
    'process.stdout.write("x");\n',
    'globalThis.process["stderr"].write("x");\n',
    "const { stdin, stdout } = process;\n",
    'import { stderr } from "node:process";\n',
    'console.error("x");\n',
    'writeSync(2, "x");\n',
    'writeFileSync("/dev/stderr", "x");\n',
    'spawn("x", { stdio: ["ignore", "inherit", "pipe"] });\n',
    'export const CLEAR = "\\u001b[J";\n',
  ])("only one file writes to the terminal: %j", (text) => {
    const problem = "writes to the terminal; use internal/cli/output.ts, which makes texts safe";
    expect(problems({ "internal/kube/a.ts": text })).toEqual([`internal/kube/a.ts: ${problem}`]);
    expect(problems({ "internal/cli/output.ts": text, "internal/kube/a.test.ts": text })).toEqual([]);
  });

  test.each([
    "const x = JSON.parse(text);\n",
    "const x = lines.map(JSON.parse);\n",
    'const x = JSON["parse"](text);\n',
    "const { parse } = JSON;\n",
    "const x = await response.json();\n",
  ])("only one file parses the JSON of others: %j", (text) => {
    const problem = "JSON.parse says neither what was read nor from where; use parseJson of internal/cli/json.ts";
    expect(problems({ "internal/kube/a.ts": text })).toEqual([`internal/kube/a.ts: ${problem}`]);
    const allowed = { "internal/kube/b.ts": "const copy = JSON.parse(JSON.stringify(x));\n" };
    expect(problems({ ...allowed, "internal/cli/json.ts": text, "internal/kube/a.test.ts": text })).toEqual([]);
  });

  test.each([
    'import { parse } from "yaml";\n',
    'import { stringify, parseAllDocuments } from "yaml";\n',
    'import YAML from "yaml";\n',
  ])("only one file parses the YAML of others: %j", (text) => {
    const problem = "only what is our own is read by the package yaml; use parseYaml of internal/cli/yaml.ts";
    expect(problems({ "internal/kube/a.ts": text })).toEqual([`internal/kube/a.ts: ${problem}`]);
    const allowed = { "internal/images/b.ts": 'import { stringify } from "yaml";\n' };
    expect(problems({ ...allowed, "internal/cli/yaml.ts": text, "internal/manifests/a.ts": text })).toEqual([]);
  });

  test("what judges the operator takes nothing from it", () => {
    const model = "internal/operator/testing/model";
    const text = imports("../../rollout/slots.ts", "./world.ts", "../../../kube/store.ts");
    expect(problems({ [`${model}/judge.ts`]: text })).toEqual([
      `${model}/judge.ts: what judges the operator must not import what it judges (internal/operator/rollout/slots.ts)`,
    ]);
    expect(problems({ [`${model}/operator.ts`]: text })).toEqual([]);
  });

  test.each([
    'import { readFile } from "node:fs/promises";\n',
    'import { existsSync, readFileSync } from "node:fs";\n',
    'import {\n  createReadStream,\n  statSync,\n} from "node:fs";\n',
    'import { open } from "node:fs/promises";\n',
    'import { promises } from "node:fs";\n',
    'import * as fs from "node:fs";\n',
    'import fs from "node:fs";\n',
    'const fs = await import("node:fs");\n',
  ])("only the readers open files: %j", (text) => {
    const problem =
      "a pipe, a device or an endless file may be in a file's place; use internal/cli/regular-file.ts or small-file.ts";
    expect(problems({ "internal/kube/a.ts": text })).toEqual([`internal/kube/a.ts: ${problem}`]);
    const allowed = { "internal/images/b.ts": 'import { opendir, readdir, writeFile } from "node:fs/promises";\n' };
    expect(problems({ ...allowed, "internal/cli/small-file.ts": text, "internal/kube/a.test.ts": text })).toEqual([]);
  });

  test("the device plugin does not load the API client, by whatever way", () => {
    const files = {
      "cmd/device-plugin.ts": dynamicImport("../internal/deviceplugin/plugin.ts") + typeImport("../internal/kube/t.ts"),
      "internal/deviceplugin/plugin.ts": imports("../api/a.ts"),
      "internal/api/a.ts": "",
      "internal/kube/t.ts": "",
    };
    expect(problems(files)).toEqual([]);
    const loads = { ...files, "cmd/device-plugin.ts": `${imports("../internal/kube/t.ts")}x();\n` };
    expect(problems(loads)).toEqual([
      "cmd/device-plugin.ts: must not load the API client, but does: cmd/device-plugin.ts -> internal/kube/t.ts",
    ]);
  });

  test("the operator does not load at its start what it seldom needs", () => {
    const files = {
      "cmd/operator.ts": imports("../internal/kube/config.ts"),
      "internal/kube/config.ts": dynamicImport("./kubeconfig.ts"),
      "internal/kube/kubeconfig.ts": imports("../cli/yaml.ts"),
      "internal/cli/yaml.ts": 'import { Document } from "yaml";\nnew Document();\n',
    };
    expect(problems(files)).toEqual([]);
    const way = "cmd/operator.ts -> internal/kube/config.ts -> internal/kube/kubeconfig.ts";
    expect(problems({ ...files, "internal/kube/config.ts": `${imports("./kubeconfig.ts")}x();\n` })).toEqual([
      `cmd/operator.ts: must not load internal/kube/kubeconfig.ts at its start, but does: ${way}`,
      `cmd/operator.ts: must not load yaml at its start, but does: ${way} -> internal/cli/yaml.ts -> yaml`,
    ]);
    for (const target of ["yaml/util", "prom-client"]) {
      const loads = { "cmd/onloadctl.ts": `import { x } from "${target}";\nx();\n` };
      expect(problems(loads)).toContain(
        `cmd/onloadctl.ts: must not load ${target} at its start, but does: cmd/onloadctl.ts -> ${target}`,
      );
    }
  });
});

test("what goes downward, and what a comment says, is no problem", () => {
  expect(
    problems({
      "cmd/plan.ts": imports("../internal/operator/view/session.ts", "./shared/a.ts"),
      "cmd/plan.test.ts": imports("../internal/testcluster/index.ts", "../internal/operator/testing/facts.ts"),
      "cmd/shared/a.ts": imports("../../internal/cli/command.ts"),
      "internal/operator/view/session.ts": imports("../plan.ts", "../cache/caches.ts", "../../kube/client.ts"),
      "internal/operator/cache/caches.test.ts": imports("../testing/simulation.ts", "./caches.ts", "bun:test"),
      "internal/operator/testing/simulation.ts": imports("../reconcile.ts", "../../testcluster/lib/poll.ts"),
      "internal/operator/cache/caches.ts":
        '/*\n * import { x } from "../kmm/y.ts";\n */\n// see import("../kmm/y.ts")\n',
      "internal/operator/plan.ts": imports("./rollout/plan.ts"),
      "internal/operator/reconcile.ts": imports("./plan.ts", "./view/live.ts", "./watch/keys.ts"),
      "internal/deviceplugin/a.ts": imports("../../proto/a.gen.ts", "node:fs", "@grpc/grpc-js"),
      "scripts/bench/a.ts": imports("../../internal/operator/testing/facts.ts", "../../internal/testcluster/index.ts"),
    }),
  ).toEqual([]);
});
