import { commonArgs, defineSubcommand } from "../internal/cli/command.ts";
import { absolutePathFlag } from "../internal/cli/values.ts";

export default defineSubcommand({
  summary: "Become a program of the node, as the kernel starts it",
  description: "Enters the node's root folder and runs a program there with an empty environment.",
  args: {
    ...commonArgs,
    root: { type: "positional", valueHint: "ROOT", description: "Where the node's root folder is found" },
    command: {
      type: "positional",
      repeatable: true,
      valueHint: "COMMAND",
      description: "The program's path on the node, and its arguments",
    },
  },
  examples: [
    {
      run: "onloadctl control-plane run-on-node -- /proc/1/root /usr/bin/crictl version",
      does: "Whether the kernel can start crictl",
    },
  ],
  service: true,
  async run({ args }) {
    const { becomeNodeProgram } = await import("../internal/controlplane/enter-node.ts");
    const [program = "", ...rest] = args.command;
    await becomeNodeProgram(absolutePathFlag("root", args.root ?? ""), [absolutePathFlag("command", program), ...rest]);
  },
});
