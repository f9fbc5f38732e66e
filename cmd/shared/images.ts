/** What the commands about all images of a cluster share. */
import { neededImages, type NeededImages } from "../../internal/check/images.ts";
import { clusterArgs, commonArgs, type Args, type Context } from "../../internal/cli/command.ts";
import { readManifests } from "../../internal/operator/view/manifests.ts";
import { readDocuments } from "./documents.ts";
import { engineArgs } from "./engine.ts";
import { namespaceOf, resourceArgs } from "./resources.ts";
import { connectWithoutAdvice } from "./connect.ts";

const { name: _, ...scope } = resourceArgs;
const { authfile, "insecure-registry": insecure } = engineArgs;

/** Flags that say which images, and how to reach their registries. */
export const imagesArgs = {
  ...scope,
  filename: {
    type: "string",
    alias: "f",
    valueHint: "FILE",
    description: "The Onload resources in this file instead of those of the cluster; - reads standard input",
  },
  image: {
    type: "string",
    repeatable: true,
    valueHint: "IMAGE",
    description: "A further image, such as that of an operator which is not installed yet",
  },
  authfile: { ...authfile, description: "Registry logins to use instead of those of skopeo" },
  "insecure-registry": insecure,
  ...clusterArgs,
  ...commonArgs,
} as const satisfies Args;

/** Finds the images, and says what could not be read. */
export async function findImages({
  args,
  signal,
  log,
}: Pick<Context<typeof imagesArgs>, "args" | "signal" | "log">): Promise<NeededImages> {
  const namespace = namespaceOf(args);
  const client = await connectWithoutAdvice(args);
  try {
    const file = args.filename === undefined ? undefined : await readDocuments(args.filename);
    const supposed =
      file && readManifests(file, `list images of ${args.filename!}`, namespace ?? client.namespace, undefined);
    const found = await neededImages(client, supposed?.onloads, namespace, args.image, signal);
    for (const problem of found.problems) log.warn(`Images may be missing: ${problem}`);
    return found;
  } finally {
    client.transport.close();
  }
}
