import { defineSubcommand } from "../internal/cli/command.ts";
import { printData, printJson, printText, screenColumns } from "../internal/cli/output.ts";
import { formatTableWithNotes } from "../internal/cli/table-with-notes.ts";
import { yamlText } from "../internal/cli/yaml.ts";
import { digestOf } from "../internal/images/mirror.ts";
import { registryAccess } from "../internal/images/options.ts";
import { runDeps } from "./shared/engine.ts";
import { findImages, imagesArgs } from "./shared/images.ts";
import { outputArg } from "./shared/resources.ts";

export default defineSubcommand({
  summary: "List every image that Onload needs in the cluster",
  description:
    "Exit code 1 if images may be missing, because something could not be read, KMM or the operator is not installed, or a resource selects no node. Images that KMM builds in the cluster are marked.",
  args: {
    ...imagesArgs,
    digests: {
      type: "boolean",
      default: false,
      description: "Ask the registries for digests, by skopeo",
    },
    output: { ...outputArg, options: ["table", "json", "yaml"] },
  },
  examples: [
    { run: "onloadctl images list", does: "Of the operator, KMM and every Onload resource" },
    {
      run: "onloadctl images list -f onload.yaml --image registry.example.com/trading/onloadctl:0.1.0",
      does: "Before an install",
    },
    { run: "onloadctl images list --digests -o json", does: "With digests, for scripts" },
  ],
  async run(context) {
    const { args, signal, log } = context;
    const { images, problems } = await findImages(context);
    const access = registryAccess(args);
    const deps = runDeps(signal);
    const list: Row[] = [];
    for (const { image, uses, isBuilt } of images) {
      const found = args.digests && !isBuilt ? await digestOf(image, access, deps) : undefined;
      if (found && "problem" in found) log.warn(`Cannot find out the digest of ${image}: ${found.problem}`);
      const digest = found && "digest" in found ? { digest: found.digest } : {};
      list.push({ image, ...digest, builtInCluster: isBuilt, uses });
    }
    if (args.output === "json") printJson(list);
    else if (args.output === "yaml") printData(yamlText(list));
    else if (list.length > 0) {
      const head = ["image", ...(args.digests ? ["digest"] : []), "for"];
      printText(formatTableWithNotes(head, list.map(row(args.digests)), 1, screenColumns()));
    }
    return problems.length > 0 ? 1 : 0;
  },
});

interface Row {
  image: string;
  digest?: string;
  builtInCluster: boolean;
  uses: string[];
}

function row(withDigests: boolean): (each: Row) => string[] {
  return ({ image, digest, builtInCluster, uses }) => {
    const use = `${uses.join(", ")}${builtInCluster ? ", built in the cluster" : ""}`;
    return [image, ...(withDigests ? [digest ?? "-"] : []), use];
  };
}
