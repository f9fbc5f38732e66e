import { clusterArgs, commonArgs, defineSubcommand } from "../internal/cli/command.ts";
import { UsageError } from "../internal/cli/errors.ts";
import { printData, printJson, printText, screenColumns } from "../internal/cli/output.ts";
import { yamlText } from "../internal/cli/yaml.ts";
import { objectKey } from "../internal/kube/object.ts";
import { accountState, consequences } from "../internal/operator/view/consequences.ts";
import type { FieldChange } from "../internal/operator/view/difference.ts";
import { readManifests } from "../internal/operator/view/manifests.ts";
import { lookAhead } from "../internal/operator/view/outlook.ts";
import { describePlan, planText, type ResourcePlan } from "../internal/operator/view/plan-view.ts";
import { NOT_TRIED, tryPodsOf } from "../internal/operator/view/pod-trial.ts";
import { Session } from "../internal/operator/view/session.ts";
import { servingText } from "../internal/operator/view/status-view.ts";
import { readDocuments } from "./shared/documents.ts";
import { namespaceOf, outputArg, resourceArgs } from "./shared/resources.ts";
import { connectAsPerson } from "./shared/connect.ts";

export default defineSubcommand({
  summary: "Show what the operator would do next; changes nothing",
  description:
    "Shows the nodes in the order of their upgrade, the pods that would be evicted, the PodDisruptionBudgets that would refuse an eviction, and module images that KMM (2.4 and later) does not find for a kernel. With --filename it plans as if the file were applied; the API server checks every field of its Onload resources, says whether it would take their pods, and stores nothing. With --delete it plans as if the resource were deleted. With either of them, the exit code is 3 if nodes that serve would be taken out of service.",
  args: {
    ...resourceArgs,
    filename: {
      type: "string",
      alias: "f",
      valueHint: "FILE",
      description: "Plan for the Onload resources in this file; - reads standard input",
    },
    diff: {
      type: "boolean",
      default: false,
      description: "With --filename: also show each field that applying the file would change",
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
    { run: "onloadctl plan -f onload.yaml --diff", does: "The same, with the fields that change" },
    { run: "onloadctl plan onload -n onload-runtime --delete", does: "What deleting this resource would do" },
    { run: "onloadctl plan onload -n onload-runtime -o yaml", does: "One resource, for scripts" },
  ],
  async run({ args, signal, log }) {
    if (args.filename !== undefined && args.name !== undefined) {
      throw new UsageError("Flag --filename and argument NAME are mutually exclusive: the file has the name");
    }
    if (args.filename !== undefined && args.delete) {
      throw new UsageError("Flags --filename and --delete are mutually exclusive: a file cannot be deleted");
    }
    if (args.filename === undefined && args.diff) {
      throw new UsageError("Flag --diff needs --filename: it compares the file with the cluster");
    }
    const file = args.filename === undefined ? undefined : await readDocuments(args.filename);
    const client = await connectAsPerson(args);
    const asked = namespaceOf(args);
    const manifests = file && readManifests(file, `plan for ${args.filename!}`, asked ?? client.namespace, asked);
    const namespaces = new Set(manifests?.onloads.map(({ metadata }) => metadata.namespace));
    const session = await Session.open(client, namespaces.size === 1 ? [...namespaces][0] : asked, log, signal);
    try {
      const changes = new Map<string, FieldChange[]>();
      for (const each of manifests?.onloads ?? []) {
        changes.set(objectKey(each), await session.suppose(each, signal));
      }
      if (args.name !== undefined) await session.require(args.name, signal);
      if (args.delete) session.supposeDeleted(Date.now(), args.name);
      const observed = (await session.observe(args.name, Date.now(), signal)).filter(
        ({ raw }) => !manifests || changes.has(objectKey(raw)),
      );
      const outlook = await lookAhead(session, observed, signal);
      const serving = await session.serving(Date.now(), signal);
      const isSupposed = manifests !== undefined || args.delete;
      const plans = await Promise.all(
        observed.map(async (each): Promise<ResourcePlan> => {
          const plan = describePlan(each, outlook, !isSupposed);
          if (!isSupposed) return plan;
          const account = await accountState(client, each, manifests?.others ?? [], signal);
          const trial = manifests ? await tryPodsOf(client, each, account !== "there", signal) : NOT_TRIED;
          const warnings = consequences(each, plan, account === "missing", trial.refusals);
          const notes = [...plan.notes, ...(trial.gap === undefined ? [] : [trial.gap])];
          if (manifests && plan.nodes.length > 0)
            notes.push("No registry was asked whether it has the images: `onloadctl check -f FILE --images` does that");
          return {
            ...plan,
            warnings,
            notes,
            ...(args.diff ? { changes: changes.get(objectKey(each.raw)) ?? [] } : {}),
          };
        }),
      );
      if (args.output === "json") printJson(plans);
      else if (args.output === "yaml") printData(yamlText(plans));
      else printText(servingText(serving, screenColumns()) + planText(plans, session.none, screenColumns()));
      const takesOut = plans.some(({ nodes }) => nodes.some(({ leavesService }) => leavesService));
      return isSupposed && takesOut ? EXIT_TAKES_OUT : 0;
    } finally {
      await session.close();
      client.transport.close();
    }
  },
});

/** Exit code if what is planned for would take nodes out of service that serve. */
export const EXIT_TAKES_OUT = 3;
