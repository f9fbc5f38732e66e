import { createHash } from "node:crypto";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { writing } from "../cli/writing.ts";
import { buildPlan, elsewhere, inParallel, type BuildDeps, type BuiltId } from "./build.ts";
import { dryRunScript, stageTag } from "./commands.ts";
import { findEngine } from "./detect-engine.ts";
import { matchKernels, readToolkit, toolkitOfRelease } from "./driver-toolkit.ts";
import { reach, type RegistryAccess } from "./access.ts";
import type { EngineName, LocalImage } from "./engine.ts";
import { readExecutable } from "./executable.ts";
import { CACHE_VARIABLE, STEP_MS, WORK_VARIABLE } from "./limits.ts";
import { LocalStore } from "./local-store.ts";
import { takeLock } from "./lock.ts";
import { baseImages, makePlan, type Kernel, type Observed, type Plan, type Request } from "./plan.ts";
import type { Progress } from "./progress.ts";
import { decidePush, pushImage, type PushDecision } from "./push.ts";
import { registryImage } from "./registry-image.ts";
import type { ResultImage } from "./report.ts";
import type { Runner } from "./runner.ts";
import { prepareFolder, writeBills } from "./sbom.ts";
import type { BuiltImage } from "./snippet.ts";
import { readSource, sourceOfImage, type Source } from "./source.ts";
import { checkImage, checkSameSource, type OpenedImage } from "./verify.ts";

/** What the command line asks for. */
export interface BuildOptions extends Omit<Request, "kernels" | "registry"> {
  registry: string;
  engine?: EngineName | undefined;
  /** A checkout, an unpacked release or a tarball. */
  onload?: string | undefined;
  sourceImage?: string | undefined;
  onloadVersion?: string | undefined;
  /** As `uname -r` prints them; if empty, the kernels of the Driver Toolkits. */
  kernels: readonly string[];
  openshiftVersions: readonly string[];
  toolkitImages: readonly string[];
  /** Image that compiles the userland, and the modules if there is no Driver Toolkit. */
  builder?: string | undefined;
  executable?: string | undefined;
  access: RegistryAccess;
  push: boolean;
  force: boolean;
  dryRun: boolean;
  /** Folder for bills of materials; if undefined, none are written. */
  sbom?: string | undefined;
}

/** Dependencies of a run. */
export interface RunDeps {
  runner: Runner;
  progress: Progress;
  signal: AbortSignal;
  /** Program version, for labels and bills of materials. */
  version: string;
  /** Folder for the lock and for the logs of failed runs. */
  cache: string;
  root: boolean;
  now: () => number;
  /** Longest build, pull, push or reading of an image, in milliseconds. Default: two hours. */
  stepMs?: number | undefined;
}

/** What a run has built. */
export interface RunResult {
  images: (ResultImage & BuiltImage)[];
  /** Onload's version; undefined if only onloadctl itself was built. */
  version: string | undefined;
}

/**
 * Builds, checks, names and pushes the images. A dry run returns the shell script instead.
 *
 * @throws Error with the cause and the remedy; no image that was not built and checked has its name then
 */
export async function buildImages(options: BuildOptions, deps: RunDeps): Promise<RunResult | string> {
  const { runner, signal, progress } = deps;
  const registry = options.access;
  const { engine: wanted, dryRun } = options;
  const engine = await findEngine({ runner, wanted, registry, root: deps.root, dryRun, signal });
  const store = new LocalStore(engine, runner, { signal, mayPull: !options.dryRun, stepMs: deps.stepMs });
  progress.note(`Building with ${engine.name}`);

  const source = await findSource(options, store, deps);
  const kernels = options.parts.includes("module") ? await findKernels(options, store, deps) : [];
  const request: Request = { ...options, kernels, userBuilder: options.userBuilder ?? options.builder };
  const executable = options.parts.includes("onloadctl")
    ? await readExecutable(options.executable, deps.version, options.platform)
    : undefined;
  const images = new Map<string, LocalImage>();
  const missing: string[] = [];
  const observed: Observed = { source, executable, images, now: new Date(deps.now()) };
  for (const base of baseImages(request)) {
    const image = options.dryRun ? await store.inspect(base) : await store.obtain(base, registry, options.platform);
    if (image) images.set(base, image);
    else missing.push(base);
  }
  let plan = makePlan(request, observed);
  for (const { tag } of plan.images) {
    const image = await store.inspect(tag);
    if (image) images.set(tag, image);
  }
  plan = makePlan(request, observed);
  if (options.dryRun)
    return dryRunScript(plan, request, { engine, registry, source, executable, push: options.push, missing });

  if (options.sbom !== undefined) await prepareFolder(options.sbom);
  const unlock = await takeLock(join(deps.cache, `build-${shortHash(options.registry)}.lock`));
  const run = `${process.pid}-${deps.now().toString(36)}`;
  const work = { root: "" };
  const logs = join(deps.cache, "build-logs", run);
  try {
    work.root = await writing(tmpdir(), WORK_VARIABLE, () => mkdtemp(join(tmpdir(), "onloadctl-build-")));
    await writing(logs, CACHE_VARIABLE, () => mkdir(logs, { recursive: true }));
    const { now, stepMs = STEP_MS } = deps;
    const buildDeps: BuildDeps = { runner, store, progress, registry, work, logs, run, now, signal, stepMs };
    const decisions = options.push
      ? await decide(plan, images, options.force, buildDeps)
      : new Map<string, PushDecision>();
    plan = makePlan(request, observed);
    const result = await carryOut(plan, request, observed, decisions, options, deps, buildDeps);
    await rm(logs, { recursive: true, force: true });
    return result;
  } catch (error) {
    // A log is useful after a failure, but not if somebody stopped the run.
    if (signal.aborted) await rm(logs, { recursive: true, force: true });
    throw error;
  } finally {
    if (work.root !== "") await rm(work.root, { recursive: true, force: true });
    await unlock();
  }
}

async function carryOut(
  plan: Plan,
  request: Request,
  observed: Observed,
  decisions: ReadonlyMap<string, PushDecision>,
  options: BuildOptions,
  deps: RunDeps,
  buildDeps: BuildDeps,
): Promise<RunResult> {
  const { store, progress } = buildDeps;
  const stages = plan.images.filter(({ part, reuse }) => part === "source" && reuse === undefined);
  let built: BuiltId[];
  let opened: OpenedImage[];
  try {
    built = await buildPlan(plan, request, observed, buildDeps);
    opened = await check(built, request.cores, store, progress);
    for (const { planned, id, took } of built) {
      if (took !== undefined) await store.must(`tag ${planned.tag}`, store.engine.tag(id, planned.tag));
    }
  } finally {
    await removeStages(stages, deps, buildDeps);
  }
  const images: (ResultImage & BuiltImage)[] = [];
  for (const [index, { planned, id, took }] of built.entries()) {
    if (!planned.wanted) continue;
    const { image, contents } = opened[index]!;
    const decision = decisions.get(planned.tag);
    const kept = decision?.do === "keep" ? decision.digest : undefined;
    const digest = kept ?? (options.push ? await pushImage(planned, buildDeps) : undefined);
    if (kept !== undefined) progress.skip(`push ${planned.name}`, "the registry has it");
    const sfc = [...contents.modules.keys()].some((path) => /\/sfc\.ko(\.\w+)?$/.test(path));
    images.push({
      part: planned.part,
      kernel: planned.kernel,
      tag: planned.tag,
      id,
      size: image.size,
      digest,
      took,
      sfc,
    });
  }
  if (options.sbom !== undefined) await writeBills(opened, options.sbom, deps.version);
  return { images, version: observed.source?.version };
}

async function check(
  built: readonly BuiltId[],
  cores: number,
  store: LocalStore,
  progress: Progress,
): Promise<OpenedImage[]> {
  const opened: OpenedImage[] = [];
  await inParallel([...built.entries()], cores, async ([index, { planned, id }]) => {
    const step = progress.begin(`check ${planned.name}`);
    let ok = false;
    try {
      const image = await store.inspect(id);
      if (!image) throw new Error(`Cannot check ${planned.name}: ${elsewhere(store.engine.name)}`);
      const one = { name: planned.tag, image, contents: await store.contents(id) };
      opened[index] = one;
      const findings = checkImage(one, planned.part, planned.kernel);
      ok = findings.every((finding) => finding.ok);
      if (!ok) throw new Error(`Cannot use the ${planned.name} image that was built: ${failures(findings)}`);
    } finally {
      step.end(ok);
    }
  });
  const mixed = checkSameSource(opened.map((one, index) => ({ ...one, part: built[index]!.planned.part }))).filter(
    (finding) => !finding.ok,
  );
  if (mixed.length > 0) throw new Error(`Cannot use the images that were built: ${failures(mixed)}`);
  return opened;
}

function failures(findings: readonly { ok: boolean; check: string; detail: string }[]): string {
  return findings
    .filter(({ ok }) => !ok)
    .map(({ check: name, detail }) => `${name}: ${detail}`)
    .join("; ");
}

/** Removes the stage tags of this run, after an abort too. */
async function removeStages(images: Plan["images"], deps: RunDeps, { store, run }: BuildDeps): Promise<void> {
  const { engine } = store;
  if (!engine.unstage) return;
  for (const image of images) await deps.runner.run(engine.unstage(stageTag(image, run)), { env: engine.env });
}

/** Asks the registry for each name before anything is built. @throws Error if a name has other content there */
async function decide(
  plan: Plan,
  images: Map<string, LocalImage>,
  force: boolean,
  { store, registry, progress, signal }: BuildDeps,
): Promise<Map<string, PushDecision>> {
  const decisions = new Map<string, PushDecision>();
  for (const planned of plan.images) {
    if (!planned.wanted) continue;
    const found = await registryImage(planned.tag, store, reach(registry, planned.tag), signal);
    if (found.kind === "unknown") {
      progress.note(
        `Warning: cannot tell what the registry has under ${planned.tag} (${found.reason}); the push will tell, and replaces what is there`,
      );
    }
    const decision = decidePush(planned, found, force);
    if (decision.do === "refuse") {
      const remedy = planned.part === "onloadctl" ? "" : "give another --onload-version, or ";
      const what = decision.digest === undefined ? "" : ` (${decision.digest})`;
      throw new Error(
        `Cannot push ${planned.tag}: the registry has other content under this tag${what}; ${remedy}replace it with --force`,
      );
    }
    if (decision.do === "keep") {
      const { image } = decision;
      if (images.get(planned.tag)?.id !== image.id) {
        progress.note(`The registry has ${planned.name} already`);
        await store.must(`tag ${planned.tag}`, store.engine.tag(image.id, planned.tag));
        images.set(planned.tag, image);
      }
    }
    decisions.set(planned.tag, decision);
  }
  return decisions;
}

async function findSource(
  options: BuildOptions,
  store: LocalStore,
  { runner, signal }: RunDeps,
): Promise<Source | undefined> {
  if (options.sourceImage !== undefined) {
    const image = await store.obtain(options.sourceImage, options.access, options.platform);
    return sourceOfImage(options.sourceImage, image, options.onloadVersion);
  }
  if (options.onload === undefined) return undefined;
  return await readSource(resolve(options.onload), { runner, version: options.onloadVersion, signal });
}

async function findKernels(options: BuildOptions, store: LocalStore, { runner, signal }: RunDeps): Promise<Kernel[]> {
  const registry = options.access;
  const toolkitImages = [...options.toolkitImages];
  for (const release of options.openshiftVersions)
    toolkitImages.push(await toolkitOfRelease(release, { runner, registry, signal }));
  if (toolkitImages.length === 0) {
    return options.kernels.map((version) => ({ version, builder: options.builder ?? "" }));
  }
  const toolkits = [];
  for (const image of toolkitImages) {
    await store.obtain(image, registry, options.platform);
    toolkits.push({ image, ...(await readToolkit(store, image)) });
  }
  return matchKernels(toolkits, options.kernels);
}

function shortHash(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 12);
}
