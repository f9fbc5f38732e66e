import { commonArgs, defineSubcommand } from "../internal/cli/command.ts";
import { namespaceFlag } from "../internal/cli/values.ts";
import { printData } from "../internal/cli/output.ts";
import { render } from "../internal/manifests/render.ts";
import { manifestArgs } from "./shared/manifests.ts";

export default defineSubcommand({
  summary: "Print monitors, alert rules and a Grafana dashboard",
  args: { ...manifestArgs, ...commonArgs },
  async run({ args }) {
    printData(render("prometheus", { namespace: namespaceFlag("namespace", args.namespace) }));
  },
});
