import { commonArgs, defineSubcommand } from "../internal/cli/command.ts";
import { printData } from "../internal/cli/output.ts";
import { render } from "../internal/manifests/render.ts";

export default defineSubcommand({
  summary: "Print the admission policies alone",
  description:
    "With these policies the API server refuses what would take nodes with Onload out of service, or take their drivers away, by people and programs that may not do that. `manifests install` prints them too. Apply them by themselves where they are missing: with an OLM bundle, which cannot contain them, and after an upgrade from a Kubernetes before 1.30.",
  args: { ...commonArgs },
  examples: [
    {
      run: "onloadctl manifests admission | kubectl apply --server-side --force-conflicts -f -",
      does: "Install or update the policies",
    },
  ],
  async run() {
    printData(render("admission"));
  },
});
