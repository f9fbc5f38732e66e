import { parseOpenShiftVersion } from "../api/openshift-version.ts";
import { REGISTRY_PATH } from "../api/references.ts";
import { UsageError } from "../cli/errors.ts";
import { PARTS, type Part } from "./dockerfile.ts";
import type { RegistryAccess } from "./access.ts";
import type { EngineName } from "./engine.ts";
import type { BuildOptions } from "./run.ts";

/** The parsed command line, before it is checked. */
export interface BuildFlags {
  parts: readonly Part[];
  registry: string;
  engine?: EngineName | undefined;
  onload?: string | undefined;
  "source-image"?: string | undefined;
  "onload-version"?: string | undefined;
  kernels: readonly string[];
  openshiftVersions: readonly string[];
  toolkitImages: readonly string[];
  "builder-image"?: string | undefined;
  "user-base"?: string | undefined;
  "module-base"?: string | undefined;
  "onloadctl-base"?: string | undefined;
  executable?: string | undefined;
  "build-params": string;
  strip: boolean;
  /** NAME=VALUE */
  buildArgs: readonly string[];
  platform?: string | undefined;
  "no-cache"?: boolean | undefined;
  authfile?: string | undefined;
  /** HOST or HOST:PORT */
  "insecure-registry"?: readonly string[] | undefined;
  sbom?: string | undefined;
  push?: boolean | undefined;
  force?: boolean | undefined;
  dockerfiles: Partial<Record<Part, string>>;
  "source-url"?: string | undefined;
  "dry-run"?: boolean | undefined;
  cores: number;
}

/** The images that a word on the command line names. @throws UsageError if it names none */
export function readParts(given: string | undefined): Part[] {
  if (given === undefined || given === "all") return [...PARTS];
  const part = PARTS.find((name) => name === given);
  if (part === undefined)
    throw new UsageError(`Unknown image "${given}": use one of ${[...PARTS, "all"].join(", ")}, or verify`);
  return [part];
}

/**
 * Checks what can be checked without looking at files, engines or registries.
 *
 * @throws UsageError naming the flag and what would be right
 */
export function readOptions(flags: BuildFlags): BuildOptions {
  checkSource(flags);
  checkKernels(flags);
  checkNames(flags);
  // A given source image is not built again; the other images are made from it.
  const parts = flags["source-image"] === undefined ? flags.parts : flags.parts.filter((part) => part !== "source");
  return {
    parts,
    registry: flags.registry,
    engine: flags.engine,
    onload: flags.onload,
    sourceImage: flags["source-image"],
    onloadVersion: flags["onload-version"],
    kernels: [...new Set(flags.kernels)],
    toolkitImages: flags.toolkitImages,
    openshiftVersions: flags.openshiftVersions,
    builder: flags["builder-image"],
    bases: { user: flags["user-base"], module: flags["module-base"], onloadctl: flags["onloadctl-base"] },
    buildParams: flags["build-params"],
    strip: flags.strip,
    buildArgs: flags.buildArgs.map((pair) => splitPair("build-arg", pair, "NAME=VALUE")),
    platform: flags.platform,
    noCache: flags["no-cache"] === true,
    dockerfiles: flags.dockerfiles,
    sourceUrl: flags["source-url"],
    cores: flags.cores,
    executable: flags.executable,
    access: registryAccess(flags),
    push: flags.push === true,
    force: flags.force === true,
    dryRun: flags["dry-run"] === true,
    sbom: flags.sbom,
  };
}

/** How to reach registries. @throws UsageError if what may lack TLS is no registry */
export function registryAccess(flags: Pick<BuildFlags, "authfile" | "insecure-registry">): RegistryAccess {
  const insecure = flags["insecure-registry"] ?? [];
  for (const registry of insecure) {
    if (!/^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+)(:\d+)?$/.test(registry)) {
      throw new UsageError(
        `Flag --insecure-registry cannot be "${registry}": give HOST[:PORT], as image names have it`,
      );
    }
  }
  return { authfile: flags.authfile, insecure };
}

/** Splits the value of a flag at its first equals sign. @throws UsageError if there is none */
export function splitPair(flag: string, pair: string, form: string): [string, string] {
  const at = pair.indexOf("=");
  if (at <= 0) throw new UsageError(`Flag --${flag} cannot be "${pair}": give ${form}`);
  return [pair.slice(0, at), pair.slice(at + 1)];
}

function checkSource(flags: BuildFlags): void {
  const { onload, "source-image": image, parts } = flags;
  if (onload !== undefined && image !== undefined) throw new UsageError("Give --onload or --source-image, not both");
  if (parts.some((part) => part !== "onloadctl") && onload === undefined && image === undefined) {
    throw new UsageError("Onload's source is missing: give --onload=PATH or --source-image=IMAGE");
  }
  if (image !== undefined && parts.length === 1 && parts[0] === "source") {
    throw new UsageError("A source image is built from --onload=PATH, not from --source-image");
  }
}

function checkKernels(flags: BuildFlags): void {
  const { parts, kernels, toolkitImages, openshiftVersions, "builder-image": builder } = flags;
  for (const kernel of kernels) {
    if (!/^[\w.+~-]+$/.test(kernel)) {
      throw new UsageError(`Flag --kernel cannot be "${kernel}": give a kernel as uname -r prints it`);
    }
    // KMM takes the version apart at these characters, and cannot go on with fewer parts (internal/kernel, KMM 1.1 to 2.6).
    if (kernel.split(/[.-]/).length < 3) {
      throw new UsageError(
        `Flag --kernel cannot be "${kernel}": KMM needs a version of three parts; give one as uname -r prints it, such as 6.1.0-42-amd64`,
      );
    }
  }
  for (const version of openshiftVersions) {
    // An image of a release has a path.
    if (parseOpenShiftVersion(version) || /^[\w.-]+(:\d+)?\/[\w./:@-]+$/.test(version)) continue;
    throw new UsageError(
      `Flag --openshift-version cannot be "${version}": give a release such as 4.14.12; oc version says it`,
    );
  }
  if (!parts.includes("module") || toolkitImages.length + openshiftVersions.length > 0) return;
  if (kernels.length === 0) {
    throw new UsageError(
      "No kernel to build modules for: give --openshift-version, --dtk-image, or --kernel with --builder-image",
    );
  }
  if (builder === undefined) {
    throw new UsageError("Flag --kernel needs an image with the kernel's headers: give --builder-image=IMAGE");
  }
}

function checkNames({ registry, push, platform }: BuildFlags): void {
  if (push && registry === "localhost") {
    throw new UsageError("Flag --push needs a registry: give --registry=HOST[:PORT][/PATH]");
  }
  if (!REGISTRY_PATH.test(registry)) {
    throw new UsageError(`Flag --registry cannot be "${registry}": give HOST[:PORT][/PATH], the path in lower case`);
  }
  if (platform !== undefined && !/^linux\/[a-z0-9]+(\/v\d+)?$/.test(platform)) {
    throw new UsageError(`Flag --platform cannot be "${platform}": give one such as linux/arm64`);
  }
}
