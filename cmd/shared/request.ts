/** The subcommands that ask something of a rollout by a change of its Onload resource. */
import { ONLOAD_GROUP } from "../../internal/api/names.ts";
import { ONLOADS } from "../../internal/api/resources.ts";
import { clusterArgs, commonArgs, defineSubcommand, type Subcommand } from "../../internal/cli/command.ts";
import { printText } from "../../internal/cli/output.ts";
import { namespaceFlag } from "../../internal/cli/values.ts";
import { deployAdvice } from "../../internal/kube/rights-advice.ts";
import { missingText } from "../../internal/kube/missing.ts";
import type { RawOnload } from "../../internal/operator/cache/caches.ts";
import type { Request } from "../../internal/operator/requests.ts";
import { readEvidence } from "../../internal/operator/view/evidence.ts";
import { isUnserved, servingOf } from "../../internal/operator/view/serving.ts";
import { servingText } from "../../internal/operator/view/status-view.ts";
import { connectAsPerson } from "./connect.ts";

const requestArgs = {
  name: { type: "positional", required: true, completes: "onloads", description: "Name of the Onload resource" },
  namespace: { type: "string", alias: "n", valueHint: "NS", description: "Namespace (default: that of the context)" },
  "dry-run": {
    type: "boolean",
    default: false,
    description: "Let the API server check the change, and store nothing",
  },
  ...clusterArgs,
  ...commonArgs,
} as const;

/**
 * A subcommand that makes one change.
 *
 * @param ask gives the change, of the resource as it is now
 */
export function requestCommand(
  about: Pick<Subcommand, "summary" | "description" | "examples">,
  ask: (onload: RawOnload) => Request,
): Subcommand {
  const command = defineSubcommand({
    ...about,
    args: requestArgs,
    async run({ args, signal, log }) {
      const client = await connectAsPerson(args, deployAdvice);
      try {
        const namespace = namespaceFlag("namespace", args.namespace || undefined) ?? client.namespace;
        const ref = { namespace, name: args.name };
        const onload = await client.get<RawOnload>(ONLOADS, ref, { signal });
        if (!onload) {
          const missing = { what: "Onload", resource: ONLOADS, name: args.name, namespace };
          throw new Error(await missingText(client, missing, signal));
        }
        const { patch, what } = ask(onload);
        const dryRun = args["dry-run"];
        if (patch) await client.mergePatch(ONLOADS, ref, patch, { signal, ...(dryRun ? { dryRun } : {}) });
        printText(`onload.${ONLOAD_GROUP}/${args.name} ${what}${dryRun ? " (dry run)" : ""}\n`);
        // The resource has the change; it does nothing to the nodes as long as nobody acts on it.
        try {
          const serving = servingOf(await readEvidence(client, signal), Date.now(), [namespace]);
          if (isUnserved(serving)) log.warn(servingText(serving).trimEnd());
        } catch {
          // The change is made, whoever acts on it.
          signal.throwIfAborted();
        }
        return 0;
      } finally {
        client.transport.close();
      }
    },
  });
  return command as unknown as Subcommand;
}
