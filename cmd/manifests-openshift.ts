import { commonArgs, defineSubcommand } from "../internal/cli/command.ts";
import { printData } from "../internal/cli/output.ts";
import { render } from "../internal/manifests/render.ts";

export default defineSubcommand({
  summary: "Print the role that lets a ServiceAccount use OpenShift's privileged SCC",
  args: { ...commonArgs },
  async run() {
    printData(render("openshift"));
  },
});
