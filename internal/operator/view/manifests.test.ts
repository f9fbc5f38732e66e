import { expect, test } from "bun:test";
import { parseYaml } from "../../cli/yaml.ts";
import { readManifests } from "./manifests.ts";

const ONLOAD = "apiVersion: onload.amd.com/v1alpha1\nkind: Onload\nmetadata: {name: a, namespace: trading}\n";

function read(text: string, asked?: string): ReturnType<typeof readManifests> {
  return readManifests(parseYaml(text), "plan for x.yaml", asked ?? "default", asked);
}

test("documents, Lists and empty documents are read as kubectl reads them", () => {
  const list = "apiVersion: v1\nkind: List\nitems:\n  - apiVersion: v1\n    kind: Namespace\n    metadata: {name: b}\n";
  const { onloads, others } = read(
    `---\n# nothing\n---\n${ONLOAD}---\n${list}---\n${ONLOAD.replace("{name: a, namespace: trading}", "{name: c}")}`,
  );
  expect(onloads.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`)).toEqual(["trading/a", "default/c"]);
  expect(others.map(({ kind }) => kind)).toEqual(["Namespace"]);
});

test.each<[string, string, string | undefined, string]>([
  ["nothing", "", undefined, "it has no Onload resource"],
  ["another kind alone", "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n", undefined, "it has no Onload resource"],
  ["no object", "- 1\n- 2\n", undefined, "it has an object without apiVersion or kind"],
  ["no name", ONLOAD.replace("name: a, ", ""), undefined, "metadata.name of an Onload is missing"],
  [
    "no metadata",
    "apiVersion: onload.amd.com/v1alpha1\nkind: Onload\n",
    undefined,
    "metadata.name of an Onload is missing",
  ],
  ["another version", ONLOAD.replace("v1alpha1", "v9"), undefined, "it must be onload.amd.com/v1alpha1"],
  ["one resource twice", `${ONLOAD}---\n${ONLOAD}`, undefined, 'it has Onload "a" of namespace "trading" twice'],
  ["another namespace", ONLOAD, "other", 'Onload "a" is of namespace "trading", and --namespace is "other"'],
])("%s is refused", (_, text, asked, words) => {
  expect(() => read(text, asked)).toThrow(words);
});

test("a mistake in YAML is told with its place", () => {
  expect(() => read(`${ONLOAD}kind: Onload\n`)).toThrow("line 4, column 1: duplicate key");
  expect(() => read(`${ONLOAD}spec:\n  a: [1\n`)).toThrow(/line \d+, column \d+: /);
});
