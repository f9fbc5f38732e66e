import { clusterArgs, commonArgs, defineSubcommand } from "../internal/cli/command.ts";
import { UsageError } from "../internal/cli/errors.ts";
import { standardError, standardOutput } from "../internal/cli/output.ts";
import { namespaceFlag } from "../internal/cli/values.ts";
import { captureTo, fileOutput, standardOutputBytes } from "../internal/stack/capture.ts";
import { stacksOf } from "../internal/stack/stacks.ts";
import { podArgs, stackArgs, stackIdsOf } from "./shared/pods.ts";
import { connectAsPerson } from "./shared/connect.ts";

export default defineSubcommand({
  summary: "Capture the accelerated traffic of a pod, which tcpdump does not see",
  description:
    "Runs Onload's onload_tcpdump.bin in the container onload-worker of the device plugin on the pod's node, for the pod's stacks only, and writes what it captures as pcap, to a file or to a pipe. Ctrl-C ends the capture, there too; it ends by itself after 1 GiB.\n\nIt needs the same rights as onloadctl stack.",
  args: {
    ...podArgs,
    ...stackArgs,
    write: { type: "string", alias: "w", valueHint: "FILE", description: "File to write (default: standard output)" },
    ...clusterArgs,
    ...commonArgs,
  },
  examples: [
    { run: "onloadctl tcpdump trader-0 -n trading -w trader.pcap", does: "Until Ctrl-C" },
    { run: "onloadctl tcpdump trader-0 -n trading | tcpdump -r - -n", does: "Look at it as it comes" },
  ],
  async run({ args, signal }) {
    const toFile = args.write !== undefined && args.write !== "-";
    if (!toFile && standardOutput.isTTY) {
      throw new UsageError("Cannot write pcap to a terminal: give -w FILE, or a pipe such as | tcpdump -r - -n");
    }
    const given = stackIdsOf(args);
    const flag = namespaceFlag("namespace", args.namespace || undefined);
    const client = await connectAsPerson(args);
    try {
      const pod = { namespace: flag ?? client.namespace, name: args.pod };
      const { plugin, ids } = await stacksOf(client, pod, given, signal);
      const say = (text: string): void => standardError.write(`${text}\n`);
      say(`Captures stacks ${ids.join(", ")} of pod ${pod.namespace}/${pod.name}; Ctrl-C ends it`);
      const output = toFile ? await fileOutput(args.write!) : standardOutputBytes;
      return await captureTo(output, { client, plugin, ids, say }, signal);
    } finally {
      client.transport.close();
    }
  },
});
