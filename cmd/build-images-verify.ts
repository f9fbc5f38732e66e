import { commonArgs, defineSubcommand, type Args } from "../internal/cli/command.ts";
import { verifyImages } from "../internal/images/verify-images.ts";
import { registryAccess } from "../internal/images/options.ts";
import { engineArgs, runDeps } from "./shared/engine.ts";

const args = {
  ...commonArgs,
  image: {
    type: "positional",
    repeatable: true,
    required: true,
    description: "Images to open; pulled when they are not here",
  },
  kernel: {
    type: "string",
    valueHint: "KERNEL",
    description: "Kernel that module images must be for (default: what their label says)",
  },
  ...engineArgs,
} as const satisfies Args;

export default defineSubcommand({
  summary: "Open images and check that they are what Onload on Kubernetes needs.",
  description:
    "Says of each image whether libraries, programs, modules and depmod's files are there, whether the modules' vermagic is\n" +
    "that of their kernel and architectures agree, and of all together whether they come from one source.",
  args,
  examples: [
    {
      run: "onloadctl build-images verify registry.example/onload-user:9.1.0 registry.example/onload-module:9.1.0-6.1.0-42-amd64",
      does: "Check a pair of images before they go to a cluster",
    },
  ],
  async run({ args, signal }) {
    const images = args.image;
    const result = await verifyImages(
      images,
      { engine: args.engine, access: registryAccess(args, images), kernel: args.kernel, sbom: args.sbom },
      runDeps(signal),
    );
    process.stdout.write(result.text);
    return result.ok ? 0 : 1;
  },
});
