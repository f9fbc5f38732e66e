import { ONLOAD_GROUP, ONLOAD_KIND } from "../internal/api/names.ts";
import { clusterArgs, commonArgs, defineSubcommand } from "../internal/cli/command.ts";
import { jsonText, printData, printText, standardOutput } from "../internal/cli/output.ts";
import { yamlText } from "../internal/cli/yaml.ts";
import { connect } from "../internal/kube/connect.ts";
import { drawLive } from "../internal/operator/view/live.ts";
import { Session } from "../internal/operator/view/session.ts";
import type { Serving } from "../internal/operator/view/serving.ts";
import { describeStatus, statusText, type ResourceStatus } from "../internal/operator/view/status-view.ts";
import { outputArg, resourceArgs } from "./shared/resources.ts";

export default defineSubcommand({
  summary: "Show what each Onload resource and node is doing, and why",
  description:
    "For each resource: version, nodes and the most important condition. For each node: version, state, step, since when, and why. This is computed as in the operator, from the present state of the cluster. If no operator acts, the first line says so: its Lease is not renewed, or there is none.",
  args: {
    ...resourceArgs,
    output: { ...outputArg, options: ["table", "wide", "json", "yaml", "name"] },
    watch: { type: "boolean", alias: "w", default: false, description: "Show every change, until Ctrl-C" },
    ...clusterArgs,
    ...commonArgs,
  },
  examples: [
    { run: "onloadctl status", does: "All resources and nodes" },
    { run: "onloadctl status onload -n onload-runtime --watch", does: "Follow one rollout" },
    { run: "onloadctl status -o json", does: "For scripts" },
  ],
  async run({ args, signal, log }) {
    const client = await connect({ kubeconfig: args.kubeconfig, context: args.context });
    let changed: () => void = () => undefined;
    const session = await Session.open(client, args.namespace || undefined, log, signal, () => changed());
    try {
      const look = async (): Promise<Report> => {
        const now = Date.now();
        const serving = await session.serving(now, signal);
        const resources = describeStatus(await session.observe(args.name, now, signal), serving, now);
        return { resources, serving, now };
      };
      const isData = args.output === "json" || args.output === "yaml";
      if (args.watch) {
        const draw = async (): Promise<string> => render(await look(), args.output);
        await drawLive(standardOutput, draw, (wake) => (changed = wake), signal, isData);
        return 0;
      }
      if (args.name !== undefined) session.require(args.name);
      (isData ? printData : printText)(render(await look(), args.output));
      return 0;
    } finally {
      await session.close();
      client.transport.close();
    }
  },
});

/** One look at the cluster. */
interface Report {
  resources: ResourceStatus[];
  serving: Serving;
  now: number;
}

function render({ resources, serving, now }: Report, output: string): string {
  switch (output) {
    case "json":
      return jsonText(resources);
    case "yaml":
      return yamlText(resources);
    case "name":
      return resources.map(({ name }) => `${ONLOAD_KIND.toLowerCase()}.${ONLOAD_GROUP}/${name}\n`).join("");
    default:
      return statusText(resources, serving, output === "wide", now);
  }
}
