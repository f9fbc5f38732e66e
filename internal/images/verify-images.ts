import { findEngine } from "./detect-engine.ts";
import { LocalStore } from "./local-store.ts";
import { findingLines } from "./report.ts";
import type { BuildOptions, RunDeps } from "./run.ts";
import { writeBills } from "./sbom.ts";
import { checkImage, checkSameSource, partOf, type Finding, type KnownImage, type OpenedImage } from "./verify.ts";

/** The result of all checks: a text, and whether all have passed. */
export interface Verification {
  text: string;
  ok: boolean;
}

/** Opens images, which are pulled if they are not in the local store, and checks each of them and all together. */
export async function verifyImages(
  names: readonly string[],
  options: Pick<BuildOptions, "engine" | "access" | "sbom"> & { kernel?: string | undefined },
  deps: RunDeps,
): Promise<Verification> {
  const { runner, signal } = deps;
  const engine = await findEngine({
    runner,
    wanted: options.engine,
    registry: options.access,
    root: deps.root,
    signal,
  });
  const store = new LocalStore(engine, runner, { signal, builds: false, stepMs: deps.stepMs });
  const known: KnownImage[] = [];
  const parts: { name: string; findings: Finding[] }[] = [];
  // One after another, and nothing of its contents is kept: memory does not grow with the number of images.
  for (const name of names) {
    const image = await store.obtain(name, options.access);
    const opened: OpenedImage = { name, image, contents: await store.contents(name) };
    const part = partOf(opened.contents);
    known.push({ name, image, part });
    parts.push({ name, findings: checkImage(opened, part, options.kernel) });
    if (options.sbom !== undefined) await writeBills([opened], options.sbom, deps.version);
  }
  const together = checkSameSource(known);
  if (together.length > 0) parts.push({ name: "All together", findings: together });
  return {
    text: parts.map(({ name, findings }) => findingLines(name, findings)).join("\n"),
    ok: parts.every(({ findings }) => findings.every(({ ok }) => ok)),
  };
}
