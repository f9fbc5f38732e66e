import { reach, type RegistryAccess } from "./access.ts";
import type { BuildSpec, Engine } from "./engine.ts";
import { LABEL_SOURCE_IMAGE } from "./labels.ts";
import { SOURCE_ARG, type Executable, type Plan, type PlannedImage, type Request } from "./plan.ts";
import { declaresArg, labelInstruction } from "./dockerfile.ts";
import { assignOutput, shellLine, shellWord, variable, writeFileLines } from "./shell.ts";
import type { Source } from "./source.ts";

/** The files of one run. They are in one folder, which is removed at the end. */
export interface WorkFiles {
  root: string;
}

/** The source image as builds refer to it, and its ID for the label. Both are empty if nothing is compiled. */
export interface SourceReference {
  name: string;
  id: string;
}

/** A temporary name for an image, for engines that need one. `run` makes it unique. */
export function stageTag(image: PlannedImage, run: string): string {
  return `onloadctl-stage/${image.name.toLowerCase()}:${run}`;
}

export function dockerfilePath(work: WorkFiles, image: PlannedImage): string {
  return `${work.root}/${image.name}.Dockerfile`;
}

export function iidPath(work: WorkFiles, image: PlannedImage): string {
  return `${work.root}/${image.name}.iid`;
}

export function digestPath(work: WorkFiles, image: PlannedImage): string {
  return `${work.root}/${image.name}.digest`;
}

/** The build context: the source tree, the folder of the executable, or an empty folder. */
function contextPath(work: WorkFiles, image: PlannedImage, source: Source | undefined): string {
  if (image.part === "source") return source?.kind === "tree" ? source.location : `${work.root}/tree`;
  return image.part === "onloadctl" ? `${work.root}/onloadctl` : `${work.root}/empty`;
}

/** The LABEL instruction that ends an image's Dockerfile. */
export function labelsOf(image: PlannedImage, reference: SourceReference): string {
  const labels = labelInstruction(image.labels);
  if (image.part !== "user" && image.part !== "module") return labels;
  // Not through labelInstruction, because the ID may be a reference to a shell variable. Engines make IDs of hex digits.
  return `${labels} ${LABEL_SOURCE_IMAGE}="sha256:${reference.id}"`;
}

/** What the engine is told to build. */
export function buildSpec(
  image: PlannedImage,
  request: Request,
  work: WorkFiles,
  source: Source | undefined,
  reference: SourceReference,
  stage: string | undefined,
): BuildSpec {
  const compiled = image.part === "user" || image.part === "module";
  return {
    dockerfile: dockerfilePath(work, image),
    context: contextPath(work, image, source),
    iidfile: iidPath(work, image),
    stageTag: stage,
    args: [
      ...(compiled && declaresArg(image.dockerfile, SOURCE_ARG) ? [[SOURCE_ARG, reference.name] as const] : []),
      ...image.args,
    ],
    platform: request.platform,
    noCache: request.noCache,
  };
}

/** Makes a release tarball of a checkout in the current folder. */
export function mkdistCommand(source: Source): string[] {
  const script = `${source.location}/scripts/onload_mkdist`;
  return [script, "--output-vars", "--version", source.version, "--srcrev", source.revision];
}

/** Unpacks a tarball into `folder`, without the first `strip` parts of its names. The tarball was checked before. */
export function unpackCommand(tarball: string, folder: string, strip = 1): string[] {
  return ["tar", "-xzf", tarball, "-C", folder, `--strip-components=${strip}`, "--no-same-owner"];
}

/** What a dry run needs beyond the plan. */
export interface DryRunOptions {
  engine: Engine;
  registry: RegistryAccess;
  source?: Source | undefined;
  executable?: Executable | undefined;
  push: boolean;
  /** Bases that are not in the local store yet. */
  missing: readonly string[];
}

/** The whole run as a shell script: the commands in the order in which they would run one after another. */
export function dryRunScript(plan: Plan, request: Request, options: DryRunOptions): string {
  const { engine, registry, source } = options;
  const work: WorkFiles = { root: variable("work") };
  const lines = [
    "#!/bin/sh",
    "set -eu",
    assignOutput("work", ["mktemp", "-d"]),
    // A shell may end by a signal without what is to be done at its end.
    `trap 'rm -rf "$work"' EXIT`,
    "trap 'exit 1' HUP INT TERM",
    shellLine(["mkdir", `${work.root}/empty`]),
  ];
  for (const [name, value] of Object.entries(engine.env)) lines.push(`export ${name}=${shellWord(value)}`);
  for (const image of options.missing)
    lines.push(shellLine(engine.pull(image, reach(registry, image), request.platform)));
  const sourceImage = plan.images.find(({ part }) => part === "source");
  const reference = referenceInShell(sourceImage, engine, source);
  const stages: string[] = [];
  for (const image of plan.images) {
    lines.push("", `# ${image.tag}`);
    if (image.reuse !== undefined) {
      lines.push(`# Nothing has changed: image ${image.reuse.slice(0, 12)} stays`);
      continue;
    }
    if (image.part === "source") lines.push(...prepareSource(source, work));
    if (image.part === "onloadctl") {
      const folder = `${work.root}/onloadctl`;
      lines.push(shellLine(["mkdir", folder]));
      lines.push(shellLine(["cp", options.executable?.path ?? "", `${folder}/onloadctl`]));
      // Not by the copy: it may be for another machine.
      lines.push(`${shellLine(["onloadctl", "licenses"])} >${shellWord(`${folder}/THIRD-PARTY`)}`);
    }
    lines.push(...writeDockerfile(image, dockerfilePath(work, image), reference));
    const stage = engine.unstage && image === sourceImage ? stageTag(image, "dry-run") : undefined;
    if (stage !== undefined) stages.push(stage);
    lines.push(shellLine(engine.build(buildSpec(image, request, work, source, reference, stage), registry)));
    if (image === sourceImage) lines.push(assignOutput(SOURCE_ID, ["cut", "-d:", "-f2", iidPath(work, image)]));
  }
  lines.push("", "# Names appear only when every image is built and checked");
  const wanted = plan.images.filter((image) => image.wanted || image.part === "source");
  for (const image of wanted) {
    if (image.reuse !== undefined) continue;
    lines.push(assignOutput("image_id", ["cat", iidPath(work, image)]));
    lines.push(shellLine(engine.tag(variable("image_id"), image.tag)));
  }
  for (const stage of stages) lines.push(shellLine(engine.unstage!(stage)));
  if (options.push)
    for (const image of wanted)
      if (image.wanted)
        lines.push(shellLine(engine.push(image.tag, reach(registry, image.tag), digestPath(work, image))));
  return `${lines.join("\n")}\n`;
}

/** The shell variable with the ID of the source image that the script has built. */
const SOURCE_ID = "source_id";

/** The Dockerfile as it is, and then the labels, which may hold a shell variable. */
function writeDockerfile(image: PlannedImage, path: string, reference: SourceReference): string[] {
  return [
    writeFileLines(path, image.dockerfile.trimEnd()),
    `${shellLine(["printf", "%s\\n", labelsOf(image, reference)])} >> ${shellWord(path)}`,
  ];
}

function referenceInShell(
  image: PlannedImage | undefined,
  engine: Engine,
  source: Source | undefined,
): SourceReference {
  if (source?.imageId !== undefined) return { name: source.imageId, id: source.imageId };
  if (image?.reuse !== undefined) return { name: engine.unstage ? image.tag : image.reuse, id: image.reuse };
  if (!image) return { name: "", id: "" };
  const id = variable(SOURCE_ID);
  return { name: engine.unstage ? stageTag(image, "dry-run") : id, id };
}

function prepareSource(source: Source | undefined, work: WorkFiles): string[] {
  if (source?.kind === "tree" || source === undefined) return [];
  const tree = `${work.root}/tree`;
  const lines = [shellLine(["mkdir", tree])];
  if (source.kind === "tarball") return [...lines, shellLine(unpackCommand(source.location, tree, source.strip))];
  return [
    ...lines,
    `(cd ${shellWord(work.root)} && ${shellLine(mkdistCommand(source))})`,
    shellLine(unpackCommand(`${work.root}/onload-${source.version}.tgz`, tree)),
  ];
}
