import { REGISTRY_PATH } from "../internal/api/references.ts";
import { defineSubcommand } from "../internal/cli/command.ts";
import { UsageError } from "../internal/cli/errors.ts";
import { printData, printText } from "../internal/cli/output.ts";
import { formatTable } from "../internal/cli/table.ts";
import { mirror, mirrorPlan, mirrorScript } from "../internal/images/mirror.ts";
import { registryAccess } from "../internal/images/options.ts";
import { engineArgs, runDeps } from "./shared/engine.ts";
import { findImages, imagesArgs } from "./shared/images.ts";

export default defineSubcommand({
  summary: "Copy every image that Onload needs to another registry, by skopeo",
  description:
    "All platforms of an image go, and digests stay as they are. Each image keeps its path and tag behind the name of the other registry. What is there already is not sent again. Images that KMM builds in the cluster are left out.",
  args: {
    ...imagesArgs,
    to: {
      type: "string",
      required: true,
      valueHint: "HOST[:PORT][/PATH]",
      description: "Registry and path that the images go to",
    },
    "dry-run": { type: "boolean", default: false, description: "Print the commands as lines of a shell instead" },
    timeout: { ...engineArgs.timeout, description: "Time limit for one image" },
  },
  examples: [
    { run: "onloadctl images mirror --to mirror.example.com/onload", does: "Copy all" },
    {
      run: "onloadctl images mirror --to mirror.example.com/onload --dry-run > mirror.sh",
      does: "For a machine that reaches both registries, but not the cluster",
    },
  ],
  async run(context) {
    const { args, signal } = context;
    if (!REGISTRY_PATH.test(args.to)) {
      throw new UsageError(`Flag --to cannot be "${args.to}": give HOST[:PORT][/PATH], the path in lower case`);
    }
    const { images, problems } = await findImages(context);
    const names = images.filter(({ isBuilt }) => !isBuilt).map(({ image }) => image);
    const copies = mirrorPlan(names, args.to, registryAccess(args));
    if (args["dry-run"]) {
      printData(mirrorScript(copies));
    } else {
      await mirror(copies, runDeps(signal, args.timeout));
      printText(
        formatTable(
          ["image", "mirrored as"],
          copies.map(({ from, to }) => [from, to]),
        ),
      );
    }
    return problems.length > 0 ? 1 : 0;
  },
});
