import { stringify } from "yaml";
import { ONLOAD_GROUP, ONLOAD_KIND } from "../internal/api/names.ts";
import { clusterArgs, commonArgs, defineSubcommand } from "../internal/cli/command.ts";
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
      const draw = async (): Promise<string> => {
        const now = Date.now();
        const serving = await session.serving(now, signal);
        const resources = describeStatus(await session.observe(args.name, now, signal), serving);
        return render(resources, serving, args.output, now);
      };
      if (args.watch) {
        await drawLive(process.stdout, draw, (wake) => (changed = wake), signal);
        return 0;
      }
      if (args.name !== undefined) session.require(args.name);
      process.stdout.write(await draw());
      return 0;
    } finally {
      await session.close();
      client.transport.close();
    }
  },
});

function render(resources: readonly ResourceStatus[], serving: Serving, output: string, now: number): string {
  switch (output) {
    case "json":
      return `${JSON.stringify(resources, null, 2)}\n`;
    case "yaml":
      return stringify(resources);
    case "name":
      return resources.map(({ name }) => `${ONLOAD_KIND.toLowerCase()}.${ONLOAD_GROUP}/${name}\n`).join("");
    default:
      return statusText(resources, serving, output === "wide", now);
  }
}
