import { commonArgs, defineSubcommand } from "../internal/cli/command.ts";
import { completionScript, SHELLS, type Shell } from "../internal/cli/completion/scripts.ts";
import { UsageError } from "../internal/cli/errors.ts";
import { printData } from "../internal/cli/output.ts";

export default defineSubcommand({
  summary: "Print the script that completes command lines in a shell",
  description:
    "Commands, flags and their values are completed, and names of Onload resources, nodes, pods, namespaces and contexts, for which the cluster of the command line is asked.\n\nFor `kubectl onload`, which kubectl 1.26 and later complete, link this program into the PATH once more under the name kubectl_complete-onload.",
  args: {
    shell: {
      type: "positional",
      required: true,
      completes: SHELLS,
      description: `One of ${SHELLS.join(", ")}`,
    },
    ...commonArgs,
  },
  examples: [
    { run: "source <(onloadctl completion bash)", does: "For this bash; put it into ~/.bashrc for every one" },
    { run: "source <(onloadctl completion zsh)", does: "The same for zsh, after compinit" },
    {
      run: "mkdir -p ~/.config/fish/completions && onloadctl completion fish > ~/.config/fish/completions/onloadctl.fish",
      does: "For every fish",
    },
    {
      run: "onloadctl completion powershell | Out-String | Invoke-Expression",
      does: "For this PowerShell; put it into $PROFILE for every one",
    },
  ],
  async run({ args }) {
    const shell = SHELLS.find((each) => each === args.shell);
    if (!shell) throw new UsageError(`No completion for "${args.shell}": use one of ${SHELLS.join(", ")}`);
    printData(completionScript(shell satisfies Shell));
  },
});
