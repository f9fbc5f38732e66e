/**
 * Generates the TypeScript of proto/**\/*.proto with buf and ts-proto: `bun scripts/generate-proto.ts [--check]`.
 * With --check, writes nothing and fails if a checked-in file differs from what would be generated.
 */
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { checkout } from "../internal/testcluster/lib/paths.ts";
import { run } from "../internal/testcluster/lib/command.ts";

const OPTIONS = [
  "outputServices=grpc-js",
  "importSuffix=.ts",
  "esModuleInterop=true",
  "outputJsonMethods=false",
  "outputPartialMethods=false",
  "removeEnumPrefix=true",
  "env=node",
  "forceLong=number",
  "useAbortSignal=false",
  "annotateFilesWithVersion=false",
];

/** Generated files by their path in the checkout. Nothing is written outside a temporary folder. */
export async function generateProto(): Promise<Map<string, string>> {
  const folder = await mkdtemp(join(tmpdir(), "onloadctl-proto-"));
  const bin = join(checkout, "node_modules/.bin");
  try {
    const template = {
      version: "v2",
      plugins: [{ local: join(bin, "protoc-gen-ts_proto"), out: folder, opt: OPTIONS }],
    };
    await run([join(bin, "buf"), "generate", "proto", "--template", JSON.stringify(template)], { cwd: checkout });
    const files = new Map<string, string>();
    for (const path of await readdir(folder, { recursive: true })) {
      if (!path.endsWith(".ts")) continue;
      // The suffix tells linter and formatter to leave the file alone.
      const target = join("proto", path.replace(/\.ts$/, ".gen.ts"));
      files.set(target, await readFile(join(folder, path), "utf8"));
    }
    if (files.size === 0) throw new Error("Cannot generate code from proto: buf wrote no file");
    return files;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

if (import.meta.main) {
  const check = process.argv.includes("--check");
  let stale = false;
  for (const [path, text] of await generateProto()) {
    const current = await readFile(join(checkout, path), "utf8").catch(() => undefined);
    if (current === text) continue;
    stale = true;
    if (check) console.error(`${path} is out of date: run bun run generate`);
    else await writeFile(join(checkout, path), text);
  }
  if (check && stale) process.exitCode = 1;
}
