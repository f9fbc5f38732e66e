import { clusterArgs, commonArgs, defineSubcommand } from "../internal/cli/command.ts";
import { UsageError } from "../internal/cli/errors.ts";
import { nearest } from "../internal/cli/nearest.ts";
import { standardError, standardOutput } from "../internal/cli/output.ts";
import { durationFlag, namespaceFlag } from "../internal/cli/values.ts";
import { showStacks } from "../internal/stack/show.ts";
import { stacksOf } from "../internal/stack/stacks.ts";
import { VIEWS } from "../internal/stack/views.ts";
import { podArgs, stackArgs, stackIdsOf } from "./shared/pods.ts";
import { connectAsPerson } from "./shared/connect.ts";

export default defineSubcommand({
  summary: "Show the Onload stacks of a pod, by onload_stackdump on its node",
  description: `Runs onload_stackdump in the container onload-worker of the device plugin on the pod's node, for the pod's stacks only. Views that change a stack are not offered. Ctrl-C ends the program there too.\n\nViews: ${VIEWS.join(", ")}.\n\nIt needs the ClusterRoles onload-operator-onload-doctor-role and onload-operator-onload-stack-role in the namespace of the Onload resource. Whoever has the second is root on these nodes.`,
  args: {
    ...podArgs,
    ...stackArgs,
    view: {
      type: "positional",
      required: false,
      default: "stacks",
      completes: VIEWS,
      description: "What to show",
    },
    timeout: { type: "string", valueHint: "DURATION", default: "1m", description: "Give up after this time" },
    ...clusterArgs,
    ...commonArgs,
  },
  examples: [
    { run: "onloadctl stack trader-0 -n trading", does: "Stacks, and the processes that have them" },
    { run: "onloadctl stack trader-0 lots -n trading", does: "All that there is to know" },
    { run: "onloadctl stack trader-0 netstat -n trading", does: "Sockets" },
    { run: "onloadctl stack trader-0 filters -n trading", does: "Hardware filters" },
  ],
  async run({ args, signal }) {
    const { view } = args;
    if (!VIEWS.includes(view)) {
      const near = nearest(view, [...VIEWS]);
      throw new UsageError(
        `Unknown view "${view}": ${near ? `did you mean ${near}?` : `give one of ${VIEWS.join(", ")}`}`,
      );
    }
    const given = stackIdsOf(args);
    const timeoutMs = durationFlag("timeout", args.timeout);
    const flag = namespaceFlag("namespace", args.namespace || undefined);
    const client = await connectAsPerson(args);
    const limit = AbortSignal.timeout(timeoutMs);
    const within = AbortSignal.any([signal, limit]);
    try {
      const pod = { namespace: flag ?? client.namespace, name: args.pod };
      const stacks = await stacksOf(client, pod, given, within);
      const show = (line: string): void => standardOutput.write(`${line}\n`);
      const say = (line: string): void => standardError.write(`${line}\n`);
      const code = await showStacks({ client, stacks, view, show, say }, within);
      signal.throwIfAborted();
      if (limit.aborted) throw new Error(`Cannot show all of it within ${timeoutMs / 1000} s: give more by --timeout`);
      return code === 0 ? 0 : 1;
    } finally {
      client.transport.close();
    }
  },
});
