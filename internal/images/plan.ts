import { createHash } from "node:crypto";
import { kernelTag } from "../api/kernel-tag.ts";
import { argDefault, declaresArg, DOCKERFILES, PARTS, type Part } from "./dockerfile.ts";
import type { LocalImage } from "./engine.ts";
import * as labels from "./labels.ts";
import type { Source } from "./source.ts";

/** A kernel to build modules for, and the image that has its headers and compiler. */
export interface Kernel {
  /** As `uname -r` prints it. */
  version: string;
  builder: string;
}

/** What the command line asks for. */
export interface Request {
  parts: readonly Part[];
  /** Host, port and path in front of the image names, such as registry.example:5000/trading. */
  registry: string;
  kernels: readonly Kernel[];
  /** Images instead of the Dockerfiles' defaults. */
  userBuilder?: string | undefined;
  bases: Partial<Record<Part, string | undefined>>;
  /** Further arguments of scripts/onload_build, such as --debug. */
  buildParams: string;
  strip: boolean;
  /** Given to every build unchanged. */
  buildArgs: readonly (readonly [string, string])[];
  platform?: string | undefined;
  noCache: boolean;
  /** Dockerfiles instead of ours. */
  dockerfiles: Partial<Record<Part, string>>;
  /** URL of the source repository, for the label. */
  sourceUrl?: string | undefined;
  /** CPUs to share among builds that run side by side. */
  cores: number;
}

/** The executable that becomes the onloadctl image. */
export interface Executable {
  path: string;
  version: string;
  digest: string;
}

/** What was found out about the source and the local images. */
export interface Observed {
  /** Undefined if no image of Onload is built. */
  source?: Source | undefined;
  executable?: Executable | undefined;
  /** Images in the local store by name: bases and earlier results. */
  images: ReadonlyMap<string, LocalImage>;
  now: Date;
}

/** One image that the run provides. */
export interface PlannedImage {
  part: Part;
  /** Only of module images. */
  kernel?: string;
  /** Short name for progress and files, such as "module-6.1.0-42-amd64". */
  name: string;
  /** The name that it gets at the end. */
  tag: string;
  /** False for a source image that is only needed to build others. */
  wanted: boolean;
  /** ID of a local image that equals what would be built; it is used instead. */
  reuse?: string | undefined;
  dockerfile: string;
  /** Build arguments; those that name the source image are added as soon as its ID is known. */
  args: [string, string][];
  labels: [string, string][];
}

/** All images; each comes after those that it depends on. */
export interface Plan {
  images: PlannedImage[];
  /** How many may be built at a time. */
  parallel: number;
}

/** The build argument that names the source image. */
export const SOURCE_ARG = "ONLOAD_SOURCE";

/** The name and tag of each image that a request asks for, before anything is known about its content. */
export function imageName(request: Pick<Request, "registry">, part: Part, version: string, kernel?: string): string {
  const repository = part === "onloadctl" ? "onloadctl" : `onload-${part}`;
  const tag = kernel === undefined ? version : `${version}-${kernelTag(kernel)}`;
  if (tag.length > 128)
    throw new Error(`Cannot tag ${repository}: "${tag}" is longer than the 128 characters of a tag`);
  return `${request.registry}/${repository}:${tag}`;
}

/** The base images. They must be in the local store before the plan is exact. */
export function baseImages(request: Request): string[] {
  const found = new Set<string>();
  for (const part of request.parts) {
    for (const [, image] of baseArgs(request, part, undefined)) found.add(image);
    if (part === "module") for (const { builder } of request.kernels) found.add(builder);
  }
  return [...found];
}

/** Decides which images to build, with which arguments and labels, and which are there already. */
export function makePlan(request: Request, observed: Observed): Plan {
  const images: PlannedImage[] = [];
  for (const part of withSource(request.parts, observed.source)) {
    if (part === "module") {
      for (const kernel of request.kernels) images.push(planImage(request, observed, part, kernel));
    } else {
      images.push(planImage(request, observed, part, undefined));
    }
  }
  const compiled = images.filter(({ part, reuse }) => (part === "user" || part === "module") && reuse === undefined);
  const parallel = Math.max(1, Math.min(request.cores, compiled.length));
  const jobs = Math.max(1, Math.floor(request.cores / parallel));
  // Not part of the key, because the number of compilers does not change their output.
  for (const image of compiled) if (declaresArg(image.dockerfile, "JOBS")) image.args.push(["JOBS", String(jobs)]);
  return { images, parallel };
}

/** The parts to build. The source image is added if others are compiled from it and it is not there already. */
function withSource(parts: readonly Part[], source: Source | undefined): Part[] {
  const needed =
    source !== undefined && source.kind !== "image" && parts.some((part) => part === "user" || part === "module");
  return PARTS.filter((part) => {
    if (part === "source") return source?.kind !== "image" && (needed || parts.includes(part));
    return parts.includes(part);
  });
}

function planImage(request: Request, observed: Observed, part: Part, kernel: Kernel | undefined): PlannedImage {
  const { source, executable } = observed;
  const version = part === "onloadctl" ? executable?.version : source?.version;
  if (version === undefined) throw new Error(`Cannot plan the ${part} image: its source is unknown`);
  const dockerfile = request.dockerfiles[part] ?? DOCKERFILES[part];
  const bases = baseArgs(request, part, kernel);
  const args: [string, string][] = bases.map(([name, image]) => [name, image]);
  if (kernel) args.push(["KERNEL_FULL_VERSION", kernel.version]);
  if (part === "module" && !request.strip) args.push(["STRIP", "false"]);
  if ((part === "user" || part === "module") && request.buildParams !== "") {
    args.push(["ONLOAD_BUILD_PARAMS", request.buildParams]);
  }
  const used = args.filter(([name]) => declaresArg(dockerfile, name));
  used.push(...request.buildArgs.map(([name, value]): [string, string] => [name, value]));
  const about = describe(request, observed, part, version, kernel?.version, bases.at(-1)?.[1]);
  const key = digestOf({
    dockerfile,
    args: used,
    about,
    bases: bases.map(([, image]) => observed.images.get(image)?.id ?? image),
    content: part === "onloadctl" ? executable?.digest : source?.digest,
    platform: request.platform ?? "",
  });
  const tag = imageName(request, part, version, kernel?.version);
  const present = observed.images.get(tag);
  return {
    part,
    ...(kernel ? { kernel: kernel.version } : {}),
    name: kernel ? `module-${kernelTag(kernel.version)}` : part,
    tag,
    wanted: request.parts.includes(part),
    reuse: !request.noCache && present?.labels[labels.LABEL_BUILD_KEY] === key ? present.id : undefined,
    dockerfile,
    args: used,
    labels: [...about, [labels.LABEL_CREATED, observed.now.toISOString()], [labels.LABEL_BUILD_KEY, key]],
  };
}

/** The build arguments that name base images; that of the final stage is the last. */
function baseArgs(request: Request, part: Part, kernel: Kernel | undefined): [string, string][] {
  const dockerfile = request.dockerfiles[part] ?? DOCKERFILES[part];
  const wanted: [string, string | undefined][] = [];
  if (part === "user") wanted.push(["BUILDER_IMAGE", request.userBuilder]);
  // KMM calls this argument DTK_AUTO. A user's own Dockerfile may declare either name.
  if (part === "module" && kernel) wanted.push(["DTK_AUTO", kernel.builder], ["BUILDER_IMAGE", kernel.builder]);
  if (part !== "source") wanted.push([`${part.toUpperCase()}_BASE`, request.bases[part]]);
  return wanted.flatMap(([name, image]) => {
    const value = image ?? argDefault(dockerfile, name);
    return value === undefined || !declaresArg(dockerfile, name) ? [] : [[name, value]];
  });
}

function describe(
  request: Request,
  { source }: Observed,
  part: Part,
  version: string,
  kernel: string | undefined,
  base: string | undefined,
): [string, string][] {
  const known = (name: string, value: string | undefined): [string, string][] => (value ? [[name, value]] : []);
  const brand = source?.brand ?? "";
  const title = {
    source: `${brand} Source Code`,
    user: `${brand} Userland`,
    module: `${brand} Kernel Modules`,
    onloadctl: "onloadctl",
  }[part];
  const what =
    kernel === undefined ? `${title}, version ${version}` : `${title}, version ${version}, for kernel ${kernel}`;
  // The first five have no vendor-neutral equivalent. Without them the values of the base image would stay visible.
  const common: [string, string][] = [
    ["name", title],
    ["summary", title],
    ["description", what],
    ["version", version],
    ["release", version],
    [labels.LABEL_TITLE, title],
    [labels.LABEL_DESCRIPTION, what],
    [labels.LABEL_VERSION, version],
    ...known(labels.LABEL_BASE_NAME, base),
  ];
  if (part === "onloadctl") return [...common, [labels.LABEL_LICENSES, "MIT"]];
  return [
    ...common,
    [labels.LABEL_PRODUCT, source?.product ?? ""],
    [labels.LABEL_BRAND, brand],
    [labels.LABEL_SOURCE, source?.digest ?? ""],
    ...known(labels.LABEL_REVISION, source?.revision),
    ...known(labels.LABEL_SOURCE_URL, request.sourceUrl),
    ...known(labels.LABEL_KERNEL, kernel),
    [labels.LABEL_LICENSES, "GPL-2.0 AND BSD-2-Clause"],
  ];
}

function digestOf(value: unknown): string {
  return `sha256:${createHash("sha256").update(JSON.stringify(value)).digest("hex")}`;
}
