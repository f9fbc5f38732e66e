import { clusterArgs, commonArgs, defineSubcommand } from "../internal/cli/command.ts";
import { outputArg, resourceArgs } from "./shared/resources.ts";
import status from "./status.ts";

export default defineSubcommand({
  summary: "Wait until Onload resources are Ready, or only a person can help",
  description:
    "The same as `onloadctl status --wait`: it shows what has been reached. Exit code: 0 if everything is Ready, 3 if something is still on its way, 4 if something is wrong, 5 if no operator acts, 6 if nothing goes on until a person does something, and 1 if the cluster could not be read.",
  args: {
    ...resourceArgs,
    timeout: { type: "string", default: "15m", valueHint: "TIMEOUT", description: "Wait at most for this time" },
    output: { ...outputArg, options: ["table", "wide", "json", "yaml", "name"] },
    ...clusterArgs,
    ...commonArgs,
  },
  examples: [
    { run: "onloadctl wait onload -n onload-runtime --timeout=30m", does: "The end of a rollout, in a script" },
  ],
  run({ args: { timeout, ...args }, signal, log }) {
    const shown = { node: [], failed: false, watch: false, "exit-code": false };
    return status.run!({ args: { ...args, ...shown, wait: timeout }, signal, log });
  },
});
