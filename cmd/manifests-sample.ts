import { commonArgs, defineSubcommand } from "../internal/cli/command.ts";
import { UsageError } from "../internal/cli/errors.ts";
import { namespaceFlag } from "../internal/cli/values.ts";
import { printData } from "../internal/cli/output.ts";
import { render } from "../internal/manifests/render.ts";
import { manifestArgs } from "./shared/manifests.ts";

const SAMPLES: Record<string, string> = {
  namespace: "A namespace for the Onload resource, with its ServiceAccount",
  onload: "An Onload resource with images that exist already",
  "in-cluster-build": "The same, with kernel modules that KMM builds in the cluster",
  pod: "A pod that uses Onload",
  profiles: "Onload's latency profile as a ConfigMap",
};

export default defineSubcommand({
  summary: "Print sample resources to start from",
  description: Object.entries(SAMPLES)
    .map(([name, does]) => `${name}: ${does}`)
    .join("\n\n"),
  args: {
    name: {
      type: "positional",
      required: false,
      default: "onload",
      description: `One of ${Object.keys(SAMPLES).join(", ")}`,
    },
    ...manifestArgs,
    ...commonArgs,
  },
  examples: [
    {
      run: "onloadctl manifests sample namespace | kubectl apply --server-side -f -",
      does: "Make a namespace whose pods may load drivers",
    },
    { run: "onloadctl manifests sample > onload.yaml", does: "Start an Onload resource of your own" },
  ],
  async run({ args }) {
    if (!Object.hasOwn(SAMPLES, args.name)) {
      throw new UsageError(`Unknown sample "${args.name}": use one of ${Object.keys(SAMPLES).join(", ")}`);
    }
    printData(render(`samples/${args.name}`, { namespace: namespaceFlag("namespace", args.namespace) }));
  },
});
