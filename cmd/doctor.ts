import { defineSubcommand } from "../internal/cli/command.ts";
import { overviewText } from "../internal/doctor/report.ts";
import { doctorArgs, runDoctor } from "./shared/doctor.ts";
import { namespaceOf, resourceArgs } from "./shared/resources.ts";

const { name: _, ...scope } = resourceArgs;

export default defineSubcommand({
  summary: "Say whether pods are accelerated, and if not, why not",
  description:
    "Without a subcommand: every pod that holds amd.com/onload, each with the worst link of its chain. A chain goes from the request to the sockets: requested, scheduled, admitted; the node's Onload, versions of kernel module and library, devices, device plugin, control plane server; library, interface, stacks, sockets and filters of the pod's processes, and the counters of its stacks if spec.devicePlugin.stackMetrics is on; EF_ settings.\n\nA link is ok, a warning, failed or unknown. The exit code is 1 if one has failed. All of it is done with your rights; a link that needs one that you lack is unknown, and names it. The device plugins are asked by way of the API server, which needs the ClusterRole onload-operator-onload-doctor-role in the namespace of the Onload resource.",
  args: { ...scope, ...doctorArgs },
  examples: [
    { run: "onloadctl doctor", does: "All pods that hold Onload" },
    { run: "onloadctl doctor pod trader-0 -n trading", does: "The whole chain of one pod" },
    { run: "onloadctl doctor node worker-1", does: "What a node has for its pods" },
    { run: "onloadctl doctor -o json", does: "For scripts" },
  ],
  subcommands: {
    pod: {
      summary: "Show the chain of one pod, from its request to its sockets",
      load: async () => (await import("./doctor-pod.ts")).default,
    },
    node: {
      summary: "Show what a node has for its pods, and how they fare",
      load: async () => (await import("./doctor-node.ts")).default,
    },
  },
  async run(context) {
    const namespace = namespaceOf(context.args);
    return await runDoctor(context, () => ({ kind: "all", namespace }), overviewText);
  },
});
