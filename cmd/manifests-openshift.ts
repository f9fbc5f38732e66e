import { PART_OF_LABEL } from "../internal/api/names.ts";
import { commonArgs, defineSubcommand } from "../internal/cli/command.ts";
import { UsageError } from "../internal/cli/errors.ts";
import { namespaceFlag } from "../internal/cli/values.ts";
import { printData } from "../internal/cli/output.ts";
import { yamlText } from "../internal/cli/yaml.ts";
import { render } from "../internal/manifests/render.ts";

/** The ClusterRole of the tree. */
const ROLE = "onload-operator-privileged-scc";

export default defineSubcommand({
  summary: "Print the roles that let a ServiceAccount use OpenShift's privileged SCC",
  description:
    "The pods of the device plugin and of KMM are privileged, and run under the ServiceAccount that spec.serviceAccountName of the Onload resource names. With -n this prints what lets it run them: a ClusterRole, and a RoleBinding in the namespace of the Onload resource. Without -n it prints the ClusterRole alone.\n\nThe operator makes no such binding by itself, because it has no right to give rights away.",
  args: {
    namespace: { type: "string", alias: "n", valueHint: "NS", description: "Namespace of the Onload resource" },
    "service-account": {
      type: "string",
      valueHint: "NAME",
      description: "spec.serviceAccountName of the Onload resource (default: onload-operator-sa, as in the sample)",
    },
    ...commonArgs,
  },
  examples: [
    {
      run: "onloadctl manifests openshift -n trading --service-account=onload | kubectl apply -f -",
      does: "Let trading/onload run privileged pods",
    },
    { run: "onloadctl manifests openshift | kubectl apply -f -", does: "Make only the ClusterRole" },
  ],
  async run({ args }) {
    const namespace = namespaceFlag("namespace", args.namespace);
    const account = args["service-account"];
    if (account !== undefined && !/^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/.test(account)) {
      throw new UsageError(
        `Flag --service-account cannot be "${account}": give the name of a ServiceAccount, such as onload`,
      );
    }
    if (account !== undefined && namespace === undefined) {
      throw new UsageError("Flag --service-account needs -n, the namespace of the Onload resource");
    }
    const binding = namespace === undefined ? "" : `---\n${yamlText(bindingOf(namespace, account))}`;
    printData(render("openshift") + binding);
  },
});

/** Each ServiceAccount of a namespace has a binding of its own, so that one does not take the place of another. */
function bindingOf(namespace: string, account = "onload-operator-sa"): object {
  return {
    apiVersion: "rbac.authorization.k8s.io/v1",
    kind: "RoleBinding",
    metadata: {
      name: `${ROLE}-${account}`,
      namespace,
      labels: { [PART_OF_LABEL]: "onload" },
    },
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: ROLE },
    subjects: [{ kind: "ServiceAccount", name: account, namespace }],
  };
}
