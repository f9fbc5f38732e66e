import { createHash } from "node:crypto";
import { fieldsOf, parseJson } from "../cli/json.ts";

/** The container engines that can build. */
export type EngineName = "podman" | "docker" | "buildah";
/** In the order in which they are looked for. */
export const ENGINE_NAMES = ["podman", "docker", "buildah"] as const satisfies readonly EngineName[];

/** How to reach one registry. */
export interface RegistryOptions {
  /** Credentials file to use instead of the engine's own. */
  authfile?: string | undefined;
  /** Talk plain HTTP, or TLS without checking the certificate. */
  insecure?: boolean;
}

/** One image build, as the engine gets it. */
export interface BuildSpec {
  dockerfile: string;
  context: string;
  /** File that receives the image's ID. */
  iidfile: string;
  /** A temporary tag, only for engines whose later builds cannot refer to an image by its ID. */
  stageTag?: string | undefined;
  args: readonly (readonly [string, string])[];
  platform?: string | undefined;
  noCache?: boolean;
}

/** What an engine knows about an image in its local store. */
export interface LocalImage {
  /** Without "sha256:". */
  id: string;
  architecture: string;
  os: string;
  labels: Record<string, string>;
  env: string[];
  /** As the image sets it, such as "1001" or "65532:65532"; empty means root. */
  user: string;
  /** Bytes, uncompressed. */
  size: number;
  /** Digests of its manifests, with "sha256:", under which registries may have it. */
  digests: readonly string[];
  /** The digest of the manifest that the store itself made, if it says so. */
  ownDigest?: string | undefined;
}

/** An engine's command lines. Nothing here runs anything. */
export interface Engine {
  name: EngineName;
  env: Record<string, string>;
  /** Exits with code 0 if the engine works. */
  probe(): string[];
  /**
   * Bases are in the local store already. Whatever else a Dockerfile names is pulled with TLS as the engine is configured,
   * because a flag would switch it off for every registry.
   */
  build(spec: BuildSpec, registry: Pick<RegistryOptions, "authfile">): string[];
  pull(image: string, registry: RegistryOptions, platform?: string): string[];
  tag(id: string, image: string): string[];
  /** Removes a stage tag. Only engines that need stage tags have it: their FROM cannot name an image by its ID. */
  unstage?(tag: string): string[];
  /** `digestFile` receives the digest. If the engine does not support that, the output contains it. */
  push(image: string, registry: RegistryOptions, digestFile: string): string[];
  inspect(image: string): string[];
  /** Reads what `inspect` printed. */
  parseInspect(stdout: string): LocalImage;
  /** Makes a container that is never started; its name is the last word on standard output. */
  create(image: string): string[];
  /** The container's whole file system as a tar on standard output. */
  exportTar(container: string): string[];
  remove(container: string): string[];
}

/** The commands of `name`. `root` says whether this process runs as root, which buildah's mounts depend on. */
export function engineCommands(name: EngineName, root: boolean): Engine {
  switch (name) {
    case "podman":
      return podman;
    case "docker":
      return docker;
    case "buildah":
      return buildah(root);
  }
}

const podman: Engine = {
  name: "podman",
  env: {},
  probe: () => ["podman", "info"],
  build: (spec, registry) => [
    "podman",
    "build",
    "--force-rm",
    "--pull=false",
    ...imageBuild(spec),
    ...authFlags(registry),
    spec.context,
  ],
  pull: (image, registry, platform) => ["podman", "pull", ...pullFlags(registry, platform), image],
  tag: (id, image) => ["podman", "tag", id, image],
  push: (image, registry, file) => ["podman", "push", ...buildahFlags(registry), "--digestfile", file, image],
  inspect: (image) => ["podman", "image", "inspect", image],
  parseInspect: parseDockerInspect,
  create: (image) => ["podman", "create", "--pull=never", image, "/none"],
  // Podman opens /dev/stdout by name. That fails because our standard output is a socket; cat turns it into a pipe.
  exportTar: (container) => ["sh", "-c", 'podman export "$1" | cat', "sh", container],
  remove: (container) => ["podman", "rm", "--force", container],
};

const docker: Engine = {
  name: "docker",
  // With attestations the image ID would be that of a list of image and attestation.
  env: { DOCKER_BUILDKIT: "1", BUILDX_NO_DEFAULT_ATTESTATIONS: "1" },
  probe: () => ["docker", "version", "--format", "{{.Server.Version}}"],
  build: (spec) => ["docker", "build", "--progress=plain", ...imageBuild(spec), spec.context],
  pull: (image, _registry, platform) => ["docker", "pull", "--quiet", ...platformFlag(platform), image],
  tag: (id, image) => ["docker", "tag", id, image],
  unstage: (tag) => ["docker", "rmi", "--no-prune", tag],
  push: (image) => ["docker", "push", image],
  inspect: (image) => ["docker", "image", "inspect", image],
  parseInspect: parseDockerInspect,
  create: (image) => ["docker", "create", image, "/none"],
  exportTar: (container) => ["docker", "export", container],
  remove: (container) => ["docker", "rm", "--force", container],
};

function buildah(root: boolean): Engine {
  const script = ["sh", "-c", 'tar -C "$(buildah mount "$1")" -cf - .', "sh"];
  return {
    name: "buildah",
    env: {},
    probe: () => ["buildah", "info"],
    build: (spec, registry) => {
      // --layers keeps the steps for the next build; --force-rm removes the containers that would otherwise stay.
      const command = ["buildah", "build", "--layers", "--force-rm", "--pull=false"];
      return [...command, ...imageBuild(spec), ...authFlags(registry), spec.context];
    },
    pull: (image, registry, platform) => ["buildah", "pull", ...pullFlags(registry, platform), image],
    tag: (id, image) => ["buildah", "tag", id, image],
    push: (image, registry, file) => ["buildah", "push", ...buildahFlags(registry), "--digestfile", file, image],
    inspect: (image) => ["buildah", "inspect", "--type", "image", image],
    parseInspect: parseBuildahInspect,
    create: (image) => ["buildah", "from", "--pull-never", image],
    // Mounting works only in the user namespace that buildah itself enters for other commands.
    exportTar: (container) => [...(root ? [] : ["buildah", "unshare"]), ...script, container],
    remove: (container) => ["buildah", "rm", container],
  };
}

function imageBuild(spec: BuildSpec): string[] {
  return [
    `--file=${spec.dockerfile}`,
    `--iidfile=${spec.iidfile}`,
    ...(spec.stageTag === undefined ? [] : ["--tag", spec.stageTag]),
    ...platformFlag(spec.platform),
    ...(spec.noCache ? ["--no-cache"] : []),
    ...spec.args.flatMap(([name, value]) => ["--build-arg", `${name}=${value}`]),
  ];
}

function platformFlag(platform: string | undefined): string[] {
  return platform === undefined ? [] : ["--platform", platform];
}

function pullFlags(registry: RegistryOptions, platform: string | undefined): string[] {
  return ["--quiet", ...platformFlag(platform), ...buildahFlags(registry)];
}

function buildahFlags(registry: RegistryOptions): string[] {
  return [...authFlags(registry), ...(registry.insecure ? ["--tls-verify=false"] : [])];
}

function authFlags({ authfile }: Pick<RegistryOptions, "authfile">): string[] {
  return authfile === undefined ? [] : ["--authfile", authfile];
}

/** What an engine says of an image, in a form that may be wrong. */
function answerOf<T>(engine: string, parse: () => T | undefined): T {
  let reason = "it lists no image";
  try {
    const answer = parse();
    if (answer !== undefined) return answer;
  } catch (error) {
    reason = (error as Error).message;
  }
  throw new Error(
    `Cannot read what ${engine} says about an image: ${reason}; update it, or take another with --engine`,
  );
}

function parseDockerInspect(stdout: string): LocalImage {
  const image = answerOf("the engine", () => {
    const list = parseJson(stdout);
    return Array.isArray(list) ? (fieldsOf(list[0]) as DockerImage | undefined) : undefined;
  });
  return {
    id: bareId(image.Id),
    architecture: image.Architecture,
    os: image.Os,
    labels: image.Config?.Labels ?? {},
    env: image.Config?.Env ?? [],
    user: image.Config?.User ?? "",
    size: image.Size,
    digests: manifestDigests(image.RepoDigests ?? []),
    ownDigest: image.Digest,
  };
}

interface DockerImage {
  Id: string;
  Architecture: string;
  Os: string;
  Size: number;
  Digest?: string;
  RepoDigests?: string[] | null;
  Config?: { Labels?: Record<string, string> | null; Env?: string[] | null; User?: string } | null;
}

interface BuildahImage {
  FromImageID: string;
  Manifest: string;
  OCIv1: {
    architecture: string;
    os: string;
    config?: { Labels?: Record<string, string>; Env?: string[]; User?: string };
  };
}

function parseBuildahInspect(stdout: string): LocalImage {
  const image = answerOf("buildah", () => fieldsOf(parseJson(stdout)) as BuildahImage | undefined);
  const manifest = answerOf("buildah", () => fieldsOf(parseJson(image.Manifest)) as { layers?: { size: number }[] });
  return {
    id: bareId(image.FromImageID),
    architecture: image.OCIv1.architecture,
    os: image.OCIv1.os,
    labels: image.OCIv1.config?.Labels ?? {},
    env: image.OCIv1.config?.Env ?? [],
    user: image.OCIv1.config?.User ?? "",
    size: (manifest.layers ?? []).reduce((sum, layer) => sum + layer.size, 0),
    // It is the manifest that was fetched last, letter by letter.
    digests: [`sha256:${createHash("sha256").update(image.Manifest).digest("hex")}`],
  };
}

/** The digests in names such as r.example/x@sha256:..., each once. */
function manifestDigests(names: readonly string[]): string[] {
  return [...new Set(names.flatMap((name) => /@(sha256:[0-9a-f]{64})$/.exec(name)?.[1] ?? []))];
}

/** An image ID without its algorithm, as every engine accepts it. */
export function bareId(id: string): string {
  return id.trim().replace(/^sha256:/, "");
}

/** The digest that `docker push` reports. */
export function digestInOutput(output: string): string | undefined {
  return /digest: (sha256:[0-9a-f]{64})/.exec(output)?.[1];
}
