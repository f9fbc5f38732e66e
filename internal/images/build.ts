import { copyFile, chmod, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  buildSpec,
  dockerfilePath,
  iidPath,
  labelsOf,
  mkdistCommand,
  stageTag,
  unpackCommand,
  type SourceReference,
  type WorkFiles,
} from "./commands.ts";
import { readRegularFile } from "../cli/regular-file.ts";
import { writing } from "../cli/writing.ts";
import { NOTICES } from "../licenses/notices.ts";
import { diagnose, lastLines } from "./diagnose.ts";
import type { RegistryAccess } from "./access.ts";
import { bareId, type EngineName } from "./engine.ts";
import { MORE_TIME, TimeLimitError, WORK_VARIABLE } from "./limits.ts";
import type { LocalStore } from "./local-store.ts";
import type { Observed, Plan, PlannedImage, Request } from "./plan.ts";
import { MAX_KEPT } from "./program-output.ts";
import type { Progress } from "./progress.ts";
import type { Runner } from "./runner.ts";
import type { Source } from "./source.ts";
import { StepLog } from "./step-log.ts";
import { readTarball } from "./tarball.ts";

/** Dependencies of a build. */
export interface BuildDeps {
  runner: Runner;
  store: LocalStore;
  progress: Progress;
  registry: RegistryAccess;
  work: WorkFiles;
  /** Folder that gets a log file for each step. */
  logs: string;
  /** Makes the stage tags of this run unique. */
  run: string;
  now: () => number;
  signal: AbortSignal;
  /** Longest run of one step, in milliseconds. */
  stepMs: number;
}

/** An image that was built, or was there already. It has no name yet. */
export interface BuiltId {
  planned: PlannedImage;
  id: string;
  /** Milliseconds that the build took; undefined if nothing had changed. */
  took?: number;
}

/** An image's ID and a line end, in bytes. */
const MAX_ID = 1024;
/** How many lines of a failed step are shown. */
const SHOWN_LINES = 20;

/**
 * Builds the images of the plan that are not there yet. No image gets its name here, so that an abort leaves no tags of
 * an incomplete set. The first failure stops the builds that run beside it.
 *
 * @throws Error naming the step, its likely cause, what to do, and its log file
 */
export async function buildPlan(plan: Plan, request: Request, observed: Observed, deps: BuildDeps): Promise<BuiltId[]> {
  const stop = new AbortController();
  const signal = AbortSignal.any([deps.signal, stop.signal]);
  const inner = { ...deps, signal };
  const built = new Map<PlannedImage, BuiltId>();
  let failure: unknown;
  const build = async (planned: PlannedImage, reference: SourceReference): Promise<void> => {
    if (planned.reuse !== undefined) {
      deps.progress.skip(planned.name, "nothing has changed");
      built.set(planned, { planned, id: planned.reuse });
      return;
    }
    try {
      built.set(planned, await buildOne(planned, request, observed, reference, inner));
    } catch (error) {
      failure ??= error;
      stop.abort(new DOMException("Another step failed", "AbortError"));
    }
  };
  const empty = join(deps.work.root, "empty");
  await writing(empty, WORK_VARIABLE, () => mkdir(empty, { recursive: true }));
  const source = plan.images.find(({ part }) => part === "source");
  if (source) await build(source, { name: "", id: "" });
  if (failure === undefined) {
    const reference = await sourceReference(source && built.get(source), observed.source, deps);
    await inParallel(
      plan.images.filter((image) => image !== source),
      plan.parallel,
      async (image) => {
        if (failure === undefined) await build(image, reference);
      },
    );
  }
  deps.signal.throwIfAborted();
  if (failure !== undefined) throw failure as Error;
  return plan.images.map((image) => built.get(image)!);
}

/** How builds refer to the source image: by its ID, or by a name if the FROM of the engine takes no ID. */
async function sourceReference(
  built: BuiltId | undefined,
  source: Source | undefined,
  { store, run }: BuildDeps,
): Promise<SourceReference> {
  const id = built?.id ?? source?.imageId ?? "";
  if (!store.engine.unstage || id === "") return { name: id, id };
  if (!built) return { name: source!.location, id };
  const name = built.took === undefined ? built.planned.tag : stageTag(built.planned, run);
  return { name, id };
}

async function buildOne(
  planned: PlannedImage,
  request: Request,
  observed: Observed,
  reference: SourceReference,
  deps: BuildDeps,
): Promise<BuiltId> {
  const start = deps.now();
  await runStep(planned.name, deps, async (step) => {
    if (planned.part === "source") await prepareTree(observed.source!, deps, step);
    if (planned.part === "onloadctl") await prepareExecutable(observed.executable!.path, deps);
    const dockerfile = `${planned.dockerfile}\n${labelsOf(planned, reference)}\n`;
    const path = dockerfilePath(deps.work, planned);
    await writing(path, WORK_VARIABLE, () => writeFile(path, dockerfile));
    const { engine } = deps.store;
    const stage = engine.unstage && planned.part === "source" ? stageTag(planned, deps.run) : undefined;
    await step(engine.build(buildSpec(planned, request, deps.work, observed.source, reference, stage), deps.registry));
  });
  const id = bareId((await readRegularFile(iidPath(deps.work, planned), MAX_ID).catch(() => "")).toString());
  if (id === "") throw new Error(`Cannot use ${planned.name}: ${elsewhere(deps.store.engine.name)}`);
  return { planned, id, took: deps.now() - start };
}

/** What it means if an engine has built an image that is not in its local store. */
export function elsewhere(engine: EngineName): string {
  if (engine !== "docker") return `${engine} built it and does not have it`;
  return (
    "docker built it and does not have it, so its builder keeps images elsewhere (driver docker-container); " +
    "choose the builder of driver docker that docker buildx ls shows with docker buildx use, or another --engine"
  );
}

/** Runs one program of a step; its output goes to the step's progress and log. */
type StepRunner = (command: readonly string[], cwd?: string) => Promise<string>;

async function runStep(name: string, deps: BuildDeps, body: (run: StepRunner) => Promise<void>): Promise<void> {
  const { progress, runner, store, signal, stepMs } = deps;
  const path = join(deps.logs, `${name}.log`);
  const log = new StepLog(path);
  const step = progress.begin(name);
  let all = "";
  let recent: string[] = [];
  let failure: Error | undefined;
  const run: StepRunner = async (command, cwd) => {
    log.line(`$ ${command.join(" ")}`);
    const running = runner.run(command, {
      env: store.engine.env,
      signal,
      gentle: true,
      timeoutMs: stepMs,
      ...(cwd === undefined ? {} : { cwd }),
      onLine: (line) => {
        step.line(line);
        log.line(line);
        recent = [...recent.slice(1 - SHOWN_LINES), line];
      },
    });
    const { code, stdout, output } = await running.catch((cause: unknown) => {
      if (!(cause instanceof TimeLimitError)) throw cause;
      all = recent.join("\n");
      failure = new Error(`Cannot build ${name}: ${cause.message}; ${MORE_TIME} (log: ${path})`, { cause });
      throw failure;
    });
    log.ends(output);
    all = `${all}${output}`.slice(-2 * MAX_KEPT);
    if (code === 0) return stdout;
    const known = diagnose(all);
    const reason = known ? `${known.cause}; ${known.remedy}` : `${command[0]} exits with ${code}`;
    failure = new Error(`Cannot build ${name}: ${reason} (log: ${path})`);
    throw failure;
  };
  let ok = false;
  try {
    await body(run);
    ok = true;
  } finally {
    step.end(ok);
    if (log.problem !== undefined) progress.note(`The log of ${name} is not whole: ${log.problem}`);
    if (failure !== undefined) {
      progress.note(
        [`The last lines of ${name}:`, ...lastLines(all, SHOWN_LINES).map((line) => `  ${line}`)].join("\n"),
      );
    }
    log.close();
  }
}

async function prepareTree(source: Source, { work, signal }: BuildDeps, step: StepRunner): Promise<void> {
  if (source.kind === "tree") return;
  const tree = join(work.root, "tree");
  await writing(tree, WORK_VARIABLE, () => mkdir(tree, { recursive: true }));
  let tarball = source.location;
  let { strip } = source;
  if (source.kind === "checkout") {
    const vars = await step(mkdistCommand(source), work.root);
    const name = /^tarball_name=(.+)$/m.exec(vars)?.[1];
    if (name === undefined)
      throw new Error(`Cannot make a release of ${source.location}: scripts/onload_mkdist names no tarball`);
    tarball = join(work.root, name);
    ({ strip } = await readTarball(tarball, signal));
  }
  await step(unpackCommand(tarball, tree, strip));
}

async function prepareExecutable(path: string, { work }: BuildDeps): Promise<void> {
  const folder = join(work.root, "onloadctl");
  await writing(folder, WORK_VARIABLE, async () => {
    await mkdir(folder, { recursive: true });
    await copyFile(path, join(folder, "onloadctl"));
    await chmod(join(folder, "onloadctl"), 0o755);
    await writeFile(join(folder, "THIRD-PARTY"), NOTICES);
  });
}

/** Runs `work` for each item, at most `limit` at a time. After a failure no further item is begun. */
export async function inParallel<T>(
  items: readonly T[],
  limit: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const queue = [...items];
  const worker = async (): Promise<void> => {
    try {
      for (let item = queue.shift(); item !== undefined; item = queue.shift()) await work(item);
    } finally {
      queue.length = 0;
    }
  };
  const results = await Promise.allSettled(Array.from({ length: limit }, worker));
  for (const result of results) if (result.status === "rejected") throw result.reason;
}
