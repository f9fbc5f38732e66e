/** The OLM bundle, judged by operator-framework's own validators. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { output } from "../testcluster/lib/command.ts";
import { tool } from "../testcluster/tools/index.ts";
import { bundle } from "./bundle.ts";

setDefaultTimeout(120_000);

// The Go compiler is not among what a test is timed for.
const program = await tool("go-olm");

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "onloadctl-bundle-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const CSV = "manifests/onload-operator.clusterserviceversion.yaml";

/** What the validators say of a bundle whose ClusterServiceVersion is changed before. */
async function findings(name: string, change: (csv: string) => string = (csv) => csv): Promise<string[]> {
  const files = bundle({ image: `registry.example.com/onloadctl@sha256:${"a".repeat(64)}`, version: "1.3.0-rc.1" });
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name, path)), { recursive: true });
    await writeFile(join(folder, name, path), path === CSV ? change(text) : text);
  }
  const said = JSON.parse(await output([program, join(folder, name)])) as { level: string; detail: string }[];
  return said.map(({ detail }) => detail);
}

test("they have nothing to say but that there is no icon", async () => {
  expect(await findings("bundle")).toEqual([
    "Warning: Value : (onload-operator.v1.3.0-rc.1) csv.Spec.Icon not specified",
  ]);
});

test.each<[string, (csv: string) => string, string]>([
  ["an annotation that OLM does not read", (csv) => csv.replace("olm.skipRange", "olm.skiprange"), "olm.skiprange"],
  ["a category that there is not", (csv) => csv.replace("categories: Networking", "categories: Drivers"), "categories"],
  ["a CRD that there is not", (csv) => csv.replace("kind: Onload\n", "kind: Other\n"), "owned CRD"],
])("they refuse %s", async (name, change, said) => {
  expect((await findings(name.replaceAll(" ", "-"), change)).join("\n")).toContain(said);
});
