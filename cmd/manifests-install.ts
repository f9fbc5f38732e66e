import { commonArgs, defineSubcommand } from "../internal/cli/command.ts";
import { imageFlag, namespaceFlag } from "../internal/cli/values.ts";
import { printData } from "../internal/cli/output.ts";
import { render } from "../internal/manifests/render.ts";
import { manifestArgs } from "./shared/manifests.ts";

export default defineSubcommand({
  summary: "Print the CRD, namespace, RBAC, admission policies and Deployment of the operator",
  description:
    "To remove the operator again, run `onloadctl uninstall`. Deleting these objects would leave on the nodes what the operator has put there.",
  args: {
    image: {
      type: "string",
      valueHint: "IMAGE",
      description: "Image of onloadctl, with its tag or digest",
      default: "onloadctl:latest",
    },
    "no-admission-policies": {
      type: "boolean",
      description: "Leave out the admission policies, for Kubernetes before 1.30",
    },
    ...manifestArgs,
    "secure-metrics": {
      type: "boolean",
      description: "Run the operator with --metrics-secure, and print the rights that it needs for that",
    },
    ...commonArgs,
  },
  examples: [
    {
      run: "onloadctl manifests install --image=registry.example.com/onloadctl:0.1.0 | kubectl apply --server-side -f -",
      does: "Install or update the operator",
    },
  ],
  async run({ args }) {
    const secureMetrics = args["secure-metrics"] ?? false;
    const options = {
      image: imageFlag("image", args.image),
      admission: !args["no-admission-policies"],
      namespace: namespaceFlag("namespace", args.namespace),
      secureMetrics,
    };
    const trees = secureMetrics ? ["default", "secure-metrics"] : ["default"];
    printData(trees.map((tree) => render(tree, options)).join(""));
  },
});
