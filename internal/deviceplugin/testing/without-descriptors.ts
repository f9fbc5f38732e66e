/**
 * Looks at a node with every descriptor of this process in use, and prints what came of it as JSON: to be started under
 * a low limit, `ulimit -n 64; bun without-descriptors.ts ROOT`.
 */
import { closeSync, openSync, renameSync } from "node:fs";
import { DEVICE_FILES } from "../../api/plugin-pod.ts";
import { deviceProblem } from "../device-files.ts";
import { findInstallation } from "../installation.ts";
import { scanNics } from "../nics.ts";
import { observeNode } from "../observe.ts";

const root = process.argv[2]!;
const config = {
  hostRoot: root,
  hostOnloadPath: "/opt/onload",
  mountOnload: true,
  needNic: true,
  procDir: `${root}/proc`,
};

async function outcome(look: () => Promise<unknown>): Promise<string> {
  try {
    return `found ${JSON.stringify(await look())}`;
  } catch (error) {
    return `failed: ${(error as Error).message}`;
  }
}

/** Each works once before, so that the runtime has loaded what it needs. */
const looks = {
  observeNode: () => observeNode(config),
  scanNics: () => scanNics(`${root}/sys`),
  findInstallation: () => findInstallation(`${root}/opt/onload`),
};
for (const look of Object.values(looks)) await look();
const before = await looks.observeNode();

const used: number[] = [];
try {
  for (;;) used.push(openSync("/dev/null", "r"));
} catch {
  // All are in use.
}
const results: Record<string, string> = {};
for (const [name, look] of Object.entries(looks)) results[name] = await outcome(look);
results["device files"] = await outcome(() =>
  Promise.all(DEVICE_FILES.map(async (name) => (await deviceProblem(config, name)) ?? null)),
);
renameSync(`${root}/dev/onload`, `${root}/dev/onload.away`);
results["observeNode after /dev/onload went"] = await outcome(() => observeNode(config, before));
renameSync(`${root}/dev/onload.away`, `${root}/dev/onload`);
// Some are enough to list a folder, but perhaps not to read all that is in it side by side.
for (let i = 0; i < 3; i++) closeSync(used.pop()!);
results["scanNics with three descriptors"] = await outcome(async () => (await looks.scanNics()).length);
for (const descriptor of used) closeSync(descriptor);
process.stdout.write(JSON.stringify(results));
