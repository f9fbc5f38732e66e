import { findEngine } from "./detect-engine.ts";
import { LocalStore } from "./local-store.ts";
import { findingLines } from "./report.ts";
import type { BuildOptions, RunDeps } from "./run.ts";
import { writeBills } from "./sbom.ts";
import { checkImage, checkSameSource, type OpenedImage } from "./verify.ts";

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
  const store = new LocalStore(engine, runner, { signal });
  const opened: OpenedImage[] = [];
  for (const name of names) {
    const image = await store.obtain(name, options.access);
    opened.push({ name, image, contents: await store.contents(name) });
  }
  const parts = opened.map((one) => ({ name: one.name, findings: checkImage(one, undefined, options.kernel) }));
  const together = checkSameSource(opened);
  if (together.length > 0) parts.push({ name: "All together", findings: together });
  if (options.sbom !== undefined) await writeBills(opened, options.sbom, deps.version);
  return {
    text: parts.map(({ name, findings }) => findingLines(name, findings)).join("\n"),
    ok: parts.every(({ findings }) => findings.every(({ ok }) => ok)),
  };
}
