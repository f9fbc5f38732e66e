import { commonArgs, defineSubcommand } from "../internal/cli/command.ts";
import { printData } from "../internal/cli/output.ts";
import { render } from "../internal/manifests/render.ts";

export default defineSubcommand({
  summary: "Print the CustomResourceDefinition of Onload alone",
  args: { ...commonArgs },
  async run() {
    printData(render("crd"));
  },
});
