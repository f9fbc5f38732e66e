/** The subcommands that ask something of a rollout by a change of its Onload resource. */
import { ONLOAD_GROUP } from "../../internal/api/names.ts";
import { ONLOADS } from "../../internal/api/resources.ts";
import { clusterArgs, commonArgs, defineSubcommand, type Subcommand } from "../../internal/cli/command.ts";
import { printText } from "../../internal/cli/output.ts";
import { namespaceFlag } from "../../internal/cli/values.ts";
import type { Client } from "../../internal/kube/client.ts";
import { connect } from "../../internal/kube/connect.ts";
import type { RawOnload } from "../../internal/operator/cache/caches.ts";
import type { Request } from "../../internal/operator/requests.ts";

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
    async run({ args, signal }) {
      const client = await connect({ kubeconfig: args.kubeconfig, context: args.context });
      try {
        const namespace = namespaceFlag("namespace", args.namespace || undefined) ?? client.namespace;
        const ref = { namespace, name: args.name };
        const onload = await client.get<RawOnload>(ONLOADS, ref, { signal });
        if (!onload) throw new Error(await notFound(client, namespace, args.name, signal));
        const { patch, what } = ask(onload);
        const dryRun = args["dry-run"];
        if (patch) await client.mergePatch(ONLOADS, ref, patch, { signal, ...(dryRun ? { dryRun } : {}) });
        printText(`onload.${ONLOAD_GROUP}/${args.name} ${what}${dryRun ? " (dry run)" : ""}\n`);
        return 0;
      } finally {
        client.transport.close();
      }
    },
  });
  return command as unknown as Subcommand;
}

/** People forget the namespace. */
async function notFound(client: Client, namespace: string, name: string, signal: AbortSignal): Promise<string> {
  const found = `Cannot find Onload "${name}" in namespace "${namespace}"`;
  try {
    const { items } = await client.list<RawOnload>(ONLOADS, { signal });
    const elsewhere = items.filter(({ metadata }) => metadata.name === name).map(({ metadata }) => metadata.namespace);
    if (elsewhere.length > 0) return `${found}: it is in ${elsewhere.join(", ")}; give --namespace`;
    return `${found}: no namespace has one of that name`;
  } catch {
    signal.throwIfAborted();
    return `${found}: give its --namespace`;
  }
}
