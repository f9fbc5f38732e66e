import { commonArgs, defineSubcommand } from "../internal/cli/command.ts";
import { namespaceFlag } from "../internal/cli/values.ts";
import { printData } from "../internal/cli/output.ts";
import { render } from "../internal/manifests/render.ts";
import { kubernetesVersionArgs, takesPolicies } from "./shared/kubernetes-version.ts";
import { imageFlag, manifestArgs, secretFlag } from "./shared/manifests.ts";

export default defineSubcommand({
  summary: "Print the CRD, namespace, RBAC, admission policies and Deployment of the operator",
  description:
    "Kubernetes before 1.30 knows no admission policies. They are left out if --kubernetes-version says so, or the cluster of the kubeconfig, and a message says what is not enforced then.\n\nTo remove the operator again, run `onloadctl uninstall`. If you delete these objects instead, what the operator has put onto the nodes stays there.",
  args: {
    image: {
      type: "string",
      valueHint: "IMAGE",
      required: true,
      description: "Image of onloadctl with its tag or digest, as `build-images all --push` prints it",
    },
    "image-pull-secret": {
      type: "string",
      valueHint: "NAME",
      description: "Secret with the login by which nodes pull that image, in the operator's namespace",
    },
    "no-admission-policies": {
      type: "boolean",
      description: "Leave out the admission policies, whatever the cluster is",
    },
    ...kubernetesVersionArgs,
    ...manifestArgs,
    "secure-metrics": {
      type: "boolean",
      description: "Run the operator with --metrics-secure, and print the rights that it needs for that",
    },
    ...commonArgs,
  },
  examples: [
    {
      run: "onloadctl manifests install --image=registry.example.com/onloadctl:0.1.0 | kubectl apply --server-side --force-conflicts -f -",
      does: "Install or update the operator",
    },
    {
      run: "onloadctl manifests install --image=registry.example.com/onloadctl:0.1.0 --kubernetes-version=1.27 > install.yaml",
      does: "Write the manifests for a cluster of OpenShift 4.14",
    },
  ],
  async run(context) {
    const { args } = context;
    const secureMetrics = args["secure-metrics"] ?? false;
    const options = {
      image: imageFlag("image", args.image),
      namespace: namespaceFlag("namespace", args.namespace),
      imagePullSecret: secretFlag("image-pull-secret", args["image-pull-secret"]),
      secureMetrics,
    };
    const policies = !args["no-admission-policies"] && (await takesPolicies(context));
    const operator = policies ? "default" : "before-1.30";
    const trees = secureMetrics ? [operator, "secure-metrics"] : [operator];
    printData(trees.map((tree) => render(tree, options)).join(""));
  },
});
