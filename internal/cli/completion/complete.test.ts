import { expect, test } from "bun:test";
import type { Subcommand } from "../command.ts";
import { complete } from "./complete.ts";
import { answerText } from "./protocol.ts";

const status: Subcommand = {
  summary: "Show what is",
  args: {
    name: { type: "positional", required: false, completes: "onloads" },
    namespace: { type: "string", alias: "n", valueHint: "NS" },
    node: { type: "string", repeatable: true, valueHint: "NODE" },
    output: { type: "enum", alias: "o", options: ["json", "yaml"], description: "Output format" },
    filename: { type: "string", alias: "f", valueHint: "FILE" },
    wait: { type: "string", implied: "15m", valueHint: "TIMEOUT" },
    watch: { type: "boolean", alias: "w" },
  },
  run: async () => {},
};
const sample: Subcommand = {
  summary: "Samples",
  args: { name: { type: "positional", completes: ["pod", "onload"], repeatable: true } },
  run: async () => {},
};
const manifests: Subcommand = {
  summary: "Manifests",
  subcommands: {
    sample: { summary: "Samples", load: async () => sample },
    secret: { summary: "Internal", hidden: true, load: async () => sample },
  },
};
const root: Subcommand = {
  summary: "Root",
  topics: { states: { summary: "All states", load: async () => "" } },
  subcommands: {
    status: { summary: "Show what is", load: async () => status },
    manifests: { summary: "Manifests", load: async () => manifests },
  },
};

const FLAGS = ["--namespace", "--node", "--output", "--filename", "--wait", "--watch", "--help"];

test.each<[string, string[] | string]>([
  ["", ["status", "manifests"]],
  ["st", ["status"]],
  ["nonsense", []],
  ["status ", "onloads"],
  ["status onload ", []],
  ["status -", FLAGS],
  ["status --no", ["--node"]],
  ["status --node a -", FLAGS],
  ["status --watch --output json -", FLAGS.filter((flag) => flag !== "--watch" && flag !== "--output")],
  ["status --output ", ["json", "yaml"]],
  ["status -o j", ["json"]],
  ["status --output=", ["json", "yaml"]],
  ["status --output=y", ["yaml"]],
  ["status --watch=", ["true", "false"]],
  ["status --node ", "nodes"],
  ["status --node=", "nodes"],
  ["status -n ", "namespaces"],
  ["status --filename ", "files"],
  ["status -f=", "files"],
  // Its value is not the next word.
  ["status --wait ", "onloads"],
  ["status --unknown=", []],
  ["status -- -", "onloads"],
  ["status -- ", "onloads"],
  ["-n team status ", "onloads"],
  ["-n ", "namespaces"],
  ["--context ", "contexts"],
  ["manifests ", ["sample"]],
  ["manifests sample ", ["pod", "onload"]],
  ["manifests sample pod on", ["onload"]],
  ["help ", ["status", "manifests", "states"]],
  ["help manifests ", ["sample"]],
  ["help status ", []],
  ["help status -", ["--help"]],
])("%p: %p", async (line, expected) => {
  const { candidates, source, files } = await complete(root, line.split(" "));
  const values = candidates.map(({ value }) => value);
  if (typeof expected === "string") {
    expect({ values, source: source ?? (files ? "files" : undefined) }).toEqual({ values: [], source: expected });
  } else {
    expect({ values, source, files }).toEqual({ values: expected, source: undefined, files: false });
  }
});

test("the flags of the line say which cluster is meant", async () => {
  const { given } = await complete(root, ["--context=prod", "status", "-n", "team", "--kubeconfig", ""]);
  expect(given).toEqual({ context: "prod", namespace: "team" });
});

test("names that no shell should see are left out, and descriptions have one line", () => {
  const hostile = ["$(touch x)", "`id`", "a b", "a;b", "a'b", 'a"b', "a\nb", "\u001b[31m", "", "~", "*"];
  const candidates = [...hostile, "node-1.example.com"].map((value) => ({ value, description: "one\ttwo\nthree" }));
  expect(answerText(candidates, false)).toBe("node-1.example.com\tone two three\n:4\n");
  expect(answerText([], true)).toBe(":0\n");
});
