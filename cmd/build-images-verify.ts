import { commonArgs, defineSubcommand, type Args } from "../internal/cli/command.ts";
import { printText } from "../internal/cli/output.ts";
import { verifyImages } from "../internal/images/verify-images.ts";
import { registryAccess } from "../internal/images/options.ts";
import { engineArgs, runDeps } from "./shared/engine.ts";

const args = {
  ...commonArgs,
  image: {
    type: "positional",
    repeatable: true,
    required: true,
    description: "Images to open; pulled if they are not in the local store",
  },
  kernel: {
    type: "string",
    valueHint: "KERNEL",
    description: "Kernel that module images must be for (default: that of their label)",
  },
  ...engineArgs,
} as const satisfies Args;

export default defineSubcommand({
  summary: "Open images and check that they are what Onload on Kubernetes needs.",
  description:
    "Checks that each image has its libraries, programs, modules and the files of depmod, that the vermagic of its modules\n" +
    "is that of their kernel, and that the architectures agree. Also checks that all images come from one source.",
  args,
  examples: [
    {
      run: "onloadctl build-images verify registry.example.com/onload-user:9.1.0 registry.example.com/onload-module:9.1.0-6.1.0-42-amd64",
      does: "Check a pair of images before they go to a cluster",
    },
  ],
  async run({ args, signal }) {
    const images = args.image;
    const result = await verifyImages(
      images,
      { engine: args.engine, access: registryAccess(args), kernel: args.kernel, sbom: args.sbom },
      runDeps(signal, args.timeout),
    );
    printText(result.text);
    return result.ok ? 0 : 1;
  },
});
