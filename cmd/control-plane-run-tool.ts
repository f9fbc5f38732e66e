import { commonArgs, defineSubcommand } from "../internal/cli/command.ts";

/** The caller says something every ten seconds. */
const SILENCE_MS = 60_000;
const GRACE_MS = 3000;

export default defineSubcommand({
  summary: "Run one of Onload's tools until it or standard input ends",
  description:
    "What `onloadctl stack` and `onloadctl tcpdump` run in the container onload-worker. The tool has none of this program's environment. It is ended when standard input ends, is silent for a minute, or has a q.",
  args: {
    ...commonArgs,
    command: { type: "positional", repeatable: true, valueHint: "COMMAND", description: "The tool and its arguments" },
  },
  examples: [{ run: "onloadctl control-plane run-tool -- onload_stackdump stacks", does: "In that container" }],
  service: true,
  async run({ args, signal }) {
    const { runTool } = await import("../internal/controlplane/run-tool.ts");
    const code = await runTool(
      { command: args.command, silenceMs: SILENCE_MS, graceMs: GRACE_MS },
      process.stdin,
      signal,
    );
    // Reading it would keep this process.
    process.stdin.destroy();
    return code;
  },
});
