import { createInterface } from "node:readline/promises";
import { clusterArgs, commonArgs, defineSubcommand } from "../internal/cli/command.ts";
import { UsageError } from "../internal/cli/errors.ts";
import { printText, screenColumns, standardError } from "../internal/cli/output.ts";
import { durationFlag, namespaceFlag } from "../internal/cli/values.ts";
import { uninstall } from "../internal/uninstall/uninstall.ts";
import { isRightMissing } from "../internal/kube/rights-advice.ts";
import { connectAsPerson } from "./shared/connect.ts";

export default defineSubcommand({
  summary: "Remove Onload from all nodes, and then the operator",
  description:
    "Deletes all Onload resources and waits until every node is clean, as maxUnavailable and disruption budgets allow; then removes what `onloadctl manifests install` made. If no operator acts, this command does the operator's work itself, and holds the operator's Lease meanwhile. It may be interrupted; run it again to go on.",
  args: {
    yes: { type: "boolean", alias: "y", default: false, description: "Do not ask" },
    "dry-run": { type: "boolean", default: false, description: "Show what would be done; changes nothing" },
    crd: { type: "boolean", default: false, description: "Remove the CustomResourceDefinition of Onload too" },
    timeout: {
      type: "string",
      valueHint: "DURATION",
      default: "15m",
      description: "Give up when nothing has moved for this long; nodes then stay as they are",
    },
    "operator-namespace": {
      type: "string",
      valueHint: "NS",
      description: "Namespace of the operator (default: where its Deployment, rights or Lease are)",
    },
    ...clusterArgs,
    ...commonArgs,
  },
  examples: [
    { run: "onloadctl uninstall --dry-run", does: "Show resources, nodes, pods and objects that would go" },
    { run: "onloadctl uninstall", does: "Show the same, ask, and remove them" },
    { run: "onloadctl uninstall --yes --crd", does: "Remove everything, without asking" },
  ],
  async run({ args, signal, log }) {
    const timeoutMs = durationFlag("timeout", args.timeout);
    const operatorNamespace = namespaceFlag("operator-namespace", args["operator-namespace"]);
    if (args.yes && args["dry-run"]) {
      throw new UsageError("Flags --yes and --dry-run are mutually exclusive: give one");
    }
    if (!args.yes && !args["dry-run"] && !process.stdin.isTTY) {
      throw new UsageError(
        "Cannot ask, because standard input is not a terminal: give --yes, or --dry-run to only look",
      );
    }
    const client = await connectAsPerson(args, administratorAdvice);
    const say = (line: string): void => standardError.write(`${line}\n`);
    try {
      const outcome = await uninstall(
        {
          client,
          log,
          operatorNamespace,
          crd: args.crd,
          dryRun: args["dry-run"],
          timeoutMs,
          print: printText,
          columns: screenColumns(),
          say,
          confirm: async () => args.yes || ask(signal),
        },
        signal,
      );
      if (outcome === "declined") say("Nothing was changed");
      return outcome === "declined" ? 1 : 0;
    } finally {
      client.transport.close();
    }
  },
});

/** Asks on the terminal. */
async function ask(signal: AbortSignal): Promise<boolean> {
  // Without line editing, Ctrl-C reaches the process as a signal.
  const lines = createInterface({ input: process.stdin, terminal: false });
  standardError.write('Type "yes" to do this: ');
  try {
    return (await lines.question("", { signal })).trim().toLowerCase() === "yes";
  } finally {
    lines.close();
  }
}

/** It deletes what only an administrator of the cluster may delete: the viewer's role alone would be no help. */
function administratorAdvice(message: string): string | undefined {
  return isRightMissing(message) ? "uninstall needs the rights of an administrator of the cluster" : undefined;
}
