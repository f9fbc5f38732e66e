import { defineSubcommand } from "../internal/cli/command.ts";
import { chainText } from "../internal/doctor/report.ts";
import { doctorArgs, runDoctor } from "./shared/doctor.ts";

export default defineSubcommand({
  summary: "Show what a node has for its pods, and how they fare",
  description:
    "The node's Onload and its state, versions, devices, device plugin, control plane server and NICs, and which of its pods are accelerated. The exit code is 1 if a link has failed.",
  args: {
    node: { type: "positional", required: true, completes: "nodes", description: "Name of the node" },
    ...doctorArgs,
  },
  examples: [{ run: "onloadctl doctor node worker-1", does: "Can pods use Onload there?" }],
  async run(context) {
    const { node } = context.args;
    return await runDoctor(
      context,
      () => ({ kind: "node", name: node }),
      (all, columns) => all.map((each) => chainText(each, columns)).join(""),
    );
  },
});
