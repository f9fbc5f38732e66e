import { commonArgs, defineSubcommand } from "../internal/cli/command.ts";
import { namespaceFlag } from "../internal/cli/values.ts";
import { printData } from "../internal/cli/output.ts";
import { render } from "../internal/manifests/render.ts";
import { manifestArgs } from "./shared/manifests.ts";

export default defineSubcommand({
  summary: "Print monitors, alert rules and a Grafana dashboard",
  description: "Monitors and rules are kinds of the Prometheus operator, which has to be there before.",
  args: {
    ...manifestArgs,
    "secure-metrics": {
      type: "boolean",
      description: "For an operator that was installed with --secure-metrics: scrape it by TLS, with Prometheus' token",
    },
    ...commonArgs,
  },
  examples: [
    {
      run: "onloadctl manifests prometheus | kubectl apply --server-side -f -",
      does: "Add monitors, alerts and a dashboard",
    },
    {
      run: "onloadctl manifests prometheus --secure-metrics | kubectl apply --server-side -f -",
      does: "The same for an operator that serves its metrics by TLS",
    },
  ],
  async run({ args }) {
    const namespace = namespaceFlag("namespace", args.namespace);
    printData(render("prometheus", { namespace, secureMetrics: args["secure-metrics"] ?? false }));
  },
});
