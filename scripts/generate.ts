/**
 * Writes every generated file, or with --check names those that differ from what would be written:
 * `bun run generate [--check]`.
 */
import { join } from "node:path";
import { stringify } from "yaml";
import { onloadCrd } from "../internal/api/crd.ts";
import { generateProto } from "./generate-proto.ts";
import { checkout } from "./lib/paths.ts";

const crd = `# Generated from internal/api/schema.ts by scripts/generate.ts.\n${stringify(onloadCrd(), { lineWidth: 120 })}`;

/** Texts by the path of their file in the checkout. */
const files = new Map([["internal/manifests/crd/onload.amd.com_onloads.yaml", crd], ...(await generateProto())]);

const check = process.argv.includes("--check");
for (const [path, wanted] of files) {
  const file = Bun.file(join(checkout, path));
  if ((await file.exists()) && (await file.text()) === wanted) continue;
  if (check) {
    console.error(`${path} is out of date: run bun run generate`);
    process.exitCode = 1;
  } else {
    await Bun.write(file, wanted);
    console.error(`Wrote ${path}`);
  }
}
