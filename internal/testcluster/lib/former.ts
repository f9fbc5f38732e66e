import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { run } from "./command.ts";
import { withLock } from "./lock.ts";
import { cacheFolder, checkout } from "./paths.ts";
import { progress } from "./progress.ts";

/**
 * The commit that tests take for the former release: of 2026-11-28, with another CRD, fewer admission policies, other
 * rights and another pod of the device plugin. Once there are releases, it is that of the last one.
 */
const COMMIT = "c2324e2";

/** Whether this clone has the former release's commit: one without history has not. */
export const hasFormerRelease =
  spawnSync("git", ["cat-file", "-e", `${COMMIT}^{commit}`], { cwd: checkout, stdio: "ignore" }).status === 0;

/** What a former release consists of. */
export interface FormerRelease {
  executable: string;
  /** Its `internal/manifests`. */
  manifests: string;
}

/**
 * The former release, compiled by its own build script with its own packages, once, into the cache.
 */
export async function formerRelease(): Promise<FormerRelease> {
  const folder = join(cacheFolder, `former-${COMMIT}`);
  await withLock(join(cacheFolder, "former.lock"), async () => {
    if (!existsSync(folder)) await build(folder);
  });
  return { executable: join(folder, "onloadctl"), manifests: join(folder, "manifests") };
}

async function build(folder: string): Promise<void> {
  progress("Building the former release");
  const sources = `${folder}.sources`;
  const unfinished = `${folder}.unfinished`;
  for (const each of [sources, unfinished]) {
    rmSync(each, { recursive: true, force: true });
    mkdirSync(each, { recursive: true });
  }
  try {
    const tarball = join(unfinished, "sources.tar");
    await run(["git", "archive", `--output=${tarball}`, COMMIT], { cwd: checkout });
    await run(["tar", "-xf", tarball, "-C", sources]);
    rmSync(tarball);
    await run([join(sources, "scripts/build")], { cwd: sources });
    cpSync(join(sources, "dist/onloadctl"), join(unfinished, "onloadctl"));
    cpSync(join(sources, "internal/manifests"), join(unfinished, "manifests"), { recursive: true });
    // The name appears only with all that belongs to it.
    renameSync(unfinished, folder);
  } finally {
    rmSync(sources, { recursive: true, force: true });
    rmSync(unfinished, { recursive: true, force: true });
  }
}
