import { Glob } from "bun";
import { statSync } from "node:fs";
import { join } from "node:path";
import { run } from "./command.ts";
import { withLock } from "./lock.ts";
import { cacheFolder, checkout, executable } from "./paths.ts";

/** Returns the path of the compiled executable, compiling it first where it is missing or older than its sources. */
export async function builtExecutable(): Promise<string> {
  await withLock(join(cacheFolder, "dist.lock"), async () => {
    if (stale()) await run([join(checkout, "scripts/build")], { cwd: checkout });
  });
  return executable;
}

function stale(): boolean {
  const built = statSync(executable, { throwIfNoEntry: false })?.mtimeMs;
  if (built === undefined) return true;
  const sources = new Glob("{cmd,internal,proto}/**/*").scanSync({ cwd: checkout, dot: false });
  for (const file of [...sources, "bun.lock", "package.json", "scripts/build"]) {
    if (!file.endsWith(".test.ts") && statSync(join(checkout, file)).mtimeMs > built) return true;
  }
  return false;
}

if (import.meta.main) console.log(await builtExecutable());
