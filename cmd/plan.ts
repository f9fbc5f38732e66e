import { text } from "node:stream/consumers";
import { clusterArgs, commonArgs, defineSubcommand } from "../internal/cli/command.ts";
import { errorText, UsageError } from "../internal/cli/errors.ts";
import { printData, printJson, printText } from "../internal/cli/output.ts";
import { readSmallFile } from "../internal/cli/small-file.ts";
import { parseYaml, yamlText } from "../internal/cli/yaml.ts";
import { connect } from "../internal/kube/connect.ts";
import type { RawOnload } from "../internal/operator/cache/caches.ts";
import { lookAhead } from "../internal/operator/view/outlook.ts";
import { describePlan, planText } from "../internal/operator/view/plan-view.ts";
import { Session } from "../internal/operator/view/session.ts";
import { servingText } from "../internal/operator/view/status-view.ts";
import { namespaceOf, outputArg, resourceArgs } from "./shared/resources.ts";

export default defineSubcommand({
  summary: "Show what the operator would do next; changes nothing",
  description:
    "Shows the nodes in the order of their upgrade, the pods that would be evicted, the budgets that would refuse an eviction, and module images that KMM (2.4 and later) does not find for a kernel. With --filename it plans as if the file were applied; the API server checks the resource, but does not store it. With --delete it plans as if the resource were deleted.",
  args: {
    ...resourceArgs,
    filename: {
      type: "string",
      alias: "f",
      valueHint: "FILE",
      description: "Plan for the Onload resource in this file; - reads standard input",
    },
    delete: {
      type: "boolean",
      default: false,
      description: "Plan as if the resource, or every one that is shown, were deleted",
    },
    output: { ...outputArg, options: ["table", "json", "yaml"] },
    ...clusterArgs,
    ...commonArgs,
  },
  examples: [
    { run: "onloadctl plan", does: "What happens next, for all resources" },
    { run: "onloadctl plan -f onload.yaml", does: "What applying this file would do, before it is applied" },
    { run: "onloadctl plan onload -n onload-runtime --delete", does: "What deleting this resource would do" },
    { run: "onloadctl plan onload -n onload-runtime -o yaml", does: "One resource, for scripts" },
  ],
  async run({ args, signal, log }) {
    if (args.filename !== undefined && args.name !== undefined) {
      throw new UsageError("Flag --filename and argument NAME exclude each other: the file has the name");
    }
    if (args.filename !== undefined && args.delete) {
      throw new UsageError("Flags --filename and --delete exclude each other: a file cannot be deleted");
    }
    const file = args.filename === undefined ? undefined : await readDocuments(args.filename);
    const client = await connect({ kubeconfig: args.kubeconfig, context: args.context });
    const manifest = file && onlyOnload(file, args.filename!, namespaceOf(args) ?? client.namespace);
    const namespace = manifest ? undefined : namespaceOf(args);
    const session = await Session.open(client, namespace, log, signal);
    try {
      if (manifest) await session.suppose(manifest, signal);
      const name = manifest?.metadata.name ?? args.name;
      if (name !== undefined) session.require(name);
      if (args.delete) session.supposeDeleted(Date.now(), name);
      const observed = (await session.observe(name, Date.now(), signal)).filter(
        ({ raw }) => !manifest || raw.metadata.namespace === manifest.metadata.namespace,
      );
      const outlook = await lookAhead(session, observed, signal);
      const serving = await session.serving(Date.now(), signal);
      const isSupposed = manifest !== undefined || args.delete;
      const plans = observed.map((each) => describePlan(each, outlook, isSupposed ? undefined : serving));
      if (args.output === "json") printJson(plans);
      else if (args.output === "yaml") printData(yamlText(plans));
      else printText(servingText(serving) + planText(plans));
      return 0;
    } finally {
      await session.close();
      client.transport.close();
    }
  },
});

/** More than etcd takes for one object. */
const MAX_FILE = 4 * 1024 * 1024;

async function readDocuments(file: string): Promise<unknown[]> {
  try {
    const content = await (file === "-" ? text(process.stdin) : readSmallFile(file, { maxBytes: MAX_FILE }));
    return parseYaml(content.toString());
  } catch (error) {
    throw new UsageError(`Cannot read ${file}: ${errorText(error)}`, { cause: error });
  }
}

/** The one Onload resource among the documents of a file. */
function onlyOnload(documents: readonly unknown[], file: string, namespace: string): RawOnload {
  const found = documents.filter((document) => (document as RawOnload | null)?.kind === "Onload") as RawOnload[];
  const [onload] = found;
  if (found.length !== 1 || !onload) {
    throw new UsageError(`Cannot plan for ${file}: it has ${found.length} Onload resources; give a file with one`);
  }
  if (!onload.metadata?.name) throw new UsageError(`Cannot plan for ${file}: metadata.name is missing`);
  const { status: _, ...rest } = onload;
  return { ...rest, metadata: { ...rest.metadata, namespace: rest.metadata.namespace ?? namespace } };
}
