import { commonArgs, defineSubcommand } from "../internal/cli/command.ts";
import { printData } from "../internal/cli/output.ts";
import { render } from "../internal/manifests/render.ts";

export default defineSubcommand({
  summary: "Print the admission policies alone",
  description:
    "They are part of `manifests install`. An OLM bundle cannot contain them, and a cluster that was older than Kubernetes 1.30 lacks them.",
  args: { ...commonArgs },
  examples: [
    { run: "onloadctl manifests admission | kubectl apply --server-side -f -", does: "Install or update the policies" },
  ],
  async run() {
    printData(render("admission"));
  },
});
