import { commonArgs, defineSubcommand } from "../internal/cli/command.ts";
import { printData } from "../internal/cli/output.ts";
import { render } from "../internal/manifests/render.ts";

export default defineSubcommand({
  summary: "Print the CustomResourceDefinition of Onload alone",
  args: { ...commonArgs },
  examples: [
    {
      run: "onloadctl manifests crd | kubectl apply --server-side --force-conflicts -f -",
      does: "Bring the CRD up to date, if the condition CrdOutdated asks for it",
    },
  ],
  async run() {
    printData(render("crd"));
  },
});
