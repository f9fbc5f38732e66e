import { Glob } from "bun";
import { statSync } from "node:fs";
import { join } from "node:path";
import { run } from "./command.ts";
import { withLock } from "./lock.ts";
import { cacheFolder, checkout, executable } from "./paths.ts";

let looked: Promise<string> | undefined;

/**
 * Returns the path of the compiled executable, compiling it first if it is missing or older than its sources; a process
 * looks at that once. Started as users start it, it needs half the time that the sources need.
 */
export function builtExecutable(): Promise<string> {
  looked ??= look();
  return looked;
}

async function look(): Promise<string> {
  await withLock(join(cacheFolder, "dist.lock"), async () => {
    if (stale()) await run([join(checkout, "scripts/build")], { cwd: checkout });
  });
  return executable;
}

function stale(): boolean {
  const built = statSync(executable, { throwIfNoEntry: false })?.mtimeMs;
  if (built === undefined) return true;
  return executableSources(checkout).some((file) => statSync(join(checkout, file)).mtimeMs > built);
}

/**
 * The files that the executable is made from, as paths below the root of a checkout. Tests, what they share
 * (`testing` folders, `testdata`) and the test cluster are not among them.
 */
export function executableSources(root: string): string[] {
  const files = [...new Glob("{cmd,internal,proto}/**/*").scanSync({ cwd: root, dot: false })];
  const sources = files.filter((file) => !/\.test\.ts$|\/(?:testing|testdata|testcluster)\//.test(file));
  return [...sources, "bun.lock", "package.json", "scripts/build"];
}

if (import.meta.main) console.log(await builtExecutable());
