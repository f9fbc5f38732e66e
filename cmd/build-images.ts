import { availableParallelism } from "node:os";
import { readSmallFile } from "../internal/cli/small-file.ts";
import { commonArgs, defineSubcommand, type Args, type Context } from "../internal/cli/command.ts";
import { UsageError } from "../internal/cli/errors.ts";
import { printData, printJson, printText } from "../internal/cli/output.ts";
import { DOCKERFILES, PARTS, type Part } from "../internal/images/dockerfile.ts";
import { readOptions, readParts, splitPair } from "../internal/images/options.ts";
import { imageTable } from "../internal/images/report.ts";
import { buildImages } from "../internal/images/run.ts";
import { dockerfileConfigMap, onloadSnippet } from "../internal/images/snippet.ts";
import { engineArgs, runDeps } from "./shared/engine.ts";

const args = {
  ...commonArgs,
  part: {
    type: "positional",
    required: false,
    valueHint: [...PARTS, "all"].join("|"),
    description: "What to build (default: all)",
  },
  onload: { type: "string", valueHint: "PATH", description: "Onload checkout, unpacked release, or release tarball" },
  "source-image": {
    type: "string",
    valueHint: "IMAGE",
    description: "Existing Onload source image to build from, instead of --onload",
  },
  "onload-version": {
    type: "string",
    valueHint: "VERSION",
    description: "Version of Onload (default: found out from its tag, commit, README or labels)",
  },
  registry: {
    type: "string",
    valueHint: "HOST[:PORT][/PATH]",
    default: "localhost",
    description: "Registry and path in front of the image names",
  },
  kernel: {
    type: "string",
    repeatable: true,
    valueHint: "KERNEL",
    description: "Kernel to build modules for, as uname -r prints it (default: that of the Driver Toolkit)",
  },
  "openshift-version": {
    type: "string",
    repeatable: true,
    valueHint: "VERSION",
    description: "OpenShift release whose Driver Toolkit builds the modules; oc finds it",
  },
  "dtk-image": {
    type: "string",
    repeatable: true,
    valueHint: "IMAGE",
    description: "Driver Toolkit image that builds the modules",
  },
  "builder-image": {
    type: "string",
    valueHint: "IMAGE",
    description: "Image that compiles the userland, and the modules if there is no Driver Toolkit",
  },
  "user-base": { type: "string", valueHint: "IMAGE", description: "Base of the userland image" },
  "module-base": { type: "string", valueHint: "IMAGE", description: "Base of the module images" },
  "onloadctl-base": { type: "string", valueHint: "IMAGE", description: "Base of the onloadctl image; needs glibc" },
  executable: {
    type: "string",
    valueHint: "FILE",
    description: "onloadctl executable for the onloadctl image (default: this program)",
  },
  "build-params": {
    type: "string",
    valueHint: "ARGS",
    default: "",
    description: "Further arguments of scripts/onload_build, such as --debug",
  },
  strip: { type: "boolean", default: true, description: "Strip debug information from the modules" },
  "build-arg": {
    type: "string",
    repeatable: true,
    valueHint: "NAME=VALUE",
    description: "Build argument for every Dockerfile",
  },
  platform: {
    type: "string",
    valueHint: "OS/ARCH",
    description: "Platform to build for, such as linux/arm64, if the engine can",
  },
  "no-cache": { type: "boolean", description: "Build everything again, without the engine's cache" },
  ...engineArgs,
  push: { type: "boolean", description: "Push the images after all have been built and checked" },
  force: { type: "boolean", description: "Replace tags that the registry has with other content" },
  dockerfile: {
    type: "string",
    repeatable: true,
    valueHint: "PART=FILE",
    description: "Dockerfile to use instead of ours",
  },
  "print-dockerfile": { type: "boolean", description: "Only print the Dockerfile of the part" },
  configmap: {
    type: "boolean",
    description: "Only print a ConfigMap with the module Dockerfile, for builds inside the cluster",
  },
  "configmap-name": {
    type: "string",
    valueHint: "NAME",
    default: "onload-module-dockerfile",
    description: "Name of the ConfigMap",
  },
  namespace: { type: "string", alias: "n", valueHint: "NAMESPACE", description: "Namespace of the ConfigMap" },
  "source-url": { type: "string", valueHint: "URL", description: "Repository of the source, for the images' labels" },
  "dry-run": { type: "boolean", description: "Print the commands as a shell script instead of running them" },
  output: {
    type: "enum",
    alias: "o",
    options: ["table", "yaml", "json"],
    default: "table",
    description: "What to print at the end; yaml: the part of the Onload resource that names the images",
  },
} as const satisfies Args;

type BuildArgs = typeof args;

export default defineSubcommand({
  summary: "Build the images that Onload on Kubernetes needs.",
  description:
    "Builds Onload's source image, its userland, its kernel modules for one or more kernels, and onloadctl's own image,\n" +
    "checks them, and prints the part of the Onload resource that names them. Images get their names only after all of them\n" +
    "have been built and checked.",
  args,
  examples: [
    {
      run: "onloadctl build-images --onload ~/onload --registry registry.example.com/trading \\\n  --openshift-version 4.14.12 --push",
      does: "Everything, for the kernel of an OpenShift release",
    },
    {
      run: "onloadctl build-images module --source-image registry.example.com/onload-source:9.1.0 --dtk-image IMAGE",
      does: "Modules from an existing source image",
    },
    {
      run: "onloadctl build-images module --onload onload-9.1.0.tgz --builder-image debian:12 --module-base debian:12 \\\n  --kernel 6.1.0-42-amd64",
      does: "Modules for a Debian kernel",
    },
    {
      run: "onloadctl build-images module --configmap -n onload-runtime | kubectl apply -f -",
      does: "Let the cluster build the modules with the same Dockerfile",
    },
  ],
  subcommands: {
    verify: {
      summary: "Open images and check that they are what Onload on Kubernetes needs",
      load: async () => (await import("./build-images-verify.ts")).default,
    },
  },
  async run(context) {
    const { args } = context;
    const parts = readParts(args.part);
    if (args["print-dockerfile"] || args.configmap) return await printDockerfile(context, parts);
    const options = readOptions({
      ...args,
      parts,
      kernels: args.kernel,
      openshiftVersions: args["openshift-version"],
      toolkitImages: args["dtk-image"],
      buildArgs: args["build-arg"],
      dockerfiles: await readDockerfiles(args.dockerfile),
      cores: availableParallelism(),
    });
    const result = await buildImages(options, runDeps(context.signal, args.timeout));
    if (typeof result === "string") {
      printData(result);
      return 0;
    }
    const snippet = onloadSnippet(result.images, result.version);
    if (args.output === "yaml") printData(snippet);
    else if (args.output === "json") printJson(result);
    else printText(`${imageTable(result.images)}\nFor the Onload resource:\n\n${snippet}`);
    return 0;
  },
});

/** For whoever lets the cluster build. */
const BUILD_LOGINS =
  "On OpenShift the first of spec.imagePullSecrets replaces the logins that builds have by themselves: leave it out, or put a login for every registry of the build into it, the cluster's own and that of the Driver Toolkit too";

async function printDockerfile({ args, log }: Context<BuildArgs>, parts: Part[]): Promise<number> {
  const part = args.configmap && args.part === undefined ? "module" : parts[0]!;
  if (!args.configmap && parts.length > 1)
    throw new UsageError(`Name one image to print the Dockerfile of: ${PARTS.join(", ")}`);
  if (args.configmap && (part !== "module" || args.part === "all")) {
    throw new UsageError("Only modules are built inside the cluster: use build-images module --configmap");
  }
  const dockerfile = (await readDockerfiles(args.dockerfile))[part] ?? DOCKERFILES[part];
  if (args.configmap) log.info(BUILD_LOGINS);
  printData(args.configmap ? dockerfileConfigMap(dockerfile, args["configmap-name"], args.namespace) : dockerfile);
  return 0;
}

const MAX_DOCKERFILE = 1024 * 1024;

async function readDockerfiles(pairs: readonly string[]): Promise<Partial<Record<Part, string>>> {
  const found: Partial<Record<Part, string>> = {};
  for (const pair of pairs) {
    const [part, file] = splitPair("dockerfile", pair, "PART=FILE");
    if (!(PARTS as readonly string[]).includes(part)) {
      throw new UsageError(`Flag --dockerfile cannot be "${pair}": PART is one of ${PARTS.join(", ")}`);
    }
    const text = await readSmallFile(file, { maxBytes: MAX_DOCKERFILE }).catch((cause: Error) => {
      throw new UsageError(`Cannot read the Dockerfile ${file}: ${cause.message}`, { cause });
    });
    found[part as Part] = text.toString();
  }
  return found;
}
