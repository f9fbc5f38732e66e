import { check } from "../internal/check/check.ts";
import { findingsText, isFine, type Finding } from "../internal/check/findings.ts";
import { checkImages } from "../internal/images/check-images.ts";
import { clusterArgs, commonArgs, defineSubcommand } from "../internal/cli/command.ts";
import { printData, printJson, printText, screenColumns } from "../internal/cli/output.ts";
import { yamlText } from "../internal/cli/yaml.ts";
import { readManifests } from "../internal/operator/view/manifests.ts";
import { registryAccess } from "../internal/images/options.ts";
import { readDocuments } from "./shared/documents.ts";
import { engineArgs, runDeps } from "./shared/engine.ts";
import { namespaceOf, outputArg, resourceArgs } from "./shared/resources.ts";
import { connectWithoutAdvice } from "./shared/connect.ts";

const { name: _, ...scope } = resourceArgs;
const { sbom: __, timeout: ___, ...registryArgs } = engineArgs;

export default defineSubcommand({
  summary: "Check whether the cluster has what Onload needs; changes nothing",
  description:
    "Before an install and at any time: versions of the API server and of KMM, CRDs, admission policies, whether an operator and KMM's operator act, your rights and the operator's. For each Onload resource: its ServiceAccount (on OpenShift, its SCC), its pull secrets, its namespace, its nodes and their architectures, kernels without a mapping, and module images.\n\nExit code 1 if something has failed. What could not be found out is shown as unknown and does not count as a failure.",
  args: {
    ...scope,
    filename: {
      type: "string",
      alias: "f",
      valueHint: "FILE",
      description:
        "Check the Onload resources in this file as if they were applied, by a dry run of the API server; - reads standard input",
    },
    images: {
      type: "boolean",
      default: false,
      description: "Ask the registries for every image, by the container engine of this machine, which fetches them",
    },
    output: { ...outputArg, options: ["table", "json", "yaml"] },
    ...registryArgs,
    ...clusterArgs,
    ...commonArgs,
  },
  examples: [
    { run: "onloadctl check", does: "The cluster, and every Onload resource" },
    { run: "onloadctl check -f onload.yaml", does: "Before a resource is applied" },
    { run: "onloadctl check -f onload.yaml --images", does: "And whether the registries have its images" },
  ],
  async run({ args, signal }) {
    const namespace = namespaceOf(args);
    const client = await connectWithoutAdvice(args);
    try {
      const file = args.filename === undefined ? undefined : await readDocuments(args.filename);
      const supposed = file && readManifests(file, `check ${args.filename!}`, namespace ?? client.namespace, undefined);
      const { findings, images } = await check(client, supposed?.onloads, namespace, Date.now(), signal);
      const asked = args.images
        ? await checkImages(images, { engine: args.engine, access: registryAccess({ ...args }) }, runDeps(signal))
        : [];
      const all: Finding[] = [...findings, ...asked];
      if (args.output === "json") printJson(all);
      else if (args.output === "yaml") printData(yamlText(all));
      else printText(findingsText(all, screenColumns()));
      return isFine(all) ? 0 : 1;
    } finally {
      client.transport.close();
    }
  },
});
