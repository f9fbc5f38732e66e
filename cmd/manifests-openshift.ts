import { commonArgs, defineSubcommand } from "../internal/cli/command.ts";
import { printData } from "../internal/cli/output.ts";
import { render } from "../internal/manifests/render.ts";

export default defineSubcommand({
  summary: "Print the role that lets a ServiceAccount use OpenShift's privileged SCC",
  args: { ...commonArgs },
  examples: [
    { run: "onloadctl manifests openshift | kubectl apply -f -", does: "Make the ClusterRole" },
    {
      run: "kubectl create rolebinding onload-privileged -n onload-runtime --clusterrole=onload-operator-privileged-scc --serviceaccount=onload-runtime:my-account",
      does: "Bind it to a ServiceAccount of your own",
    },
  ],
  async run() {
    printData(render("openshift"));
  },
});
