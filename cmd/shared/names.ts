import { ONLOADS } from "../../internal/api/resources.ts";
import type { Source } from "../../internal/cli/command.ts";
import type { Client } from "../../internal/kube/client.ts";
import { contextNames } from "../../internal/kube/config.ts";
import { NAMESPACES, NODES, PODS } from "../../internal/kube/resource.ts";
import { connectAsPerson } from "./connect.ts";

/** Most names of a kind that are asked for. */
const LIMIT = 500;

/**
 * Names for the completion of command lines.
 *
 * @param given the flags kubeconfig, context and namespace, as far as they stand on the line
 * @throws Error where the cluster does not answer, or refuses
 */
export async function namesOf(
  source: Source,
  given: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const { kubeconfig, context, namespace } = given;
  if (source === "contexts") return contextNames({ kubeconfig });
  const client = await connectAsPerson({ kubeconfig, context });
  try {
    return await listed(client, source, namespace, signal);
  } finally {
    client.transport.close();
  }
}

/** Commands take a resource of any namespace unless one is given, and a pod of the context's. */
function whereOf(source: Source, given: string | undefined, own: string): { namespace?: string } {
  if (source === "pods") return { namespace: given || own };
  return source === "onloads" && given ? { namespace: given } : {};
}

async function listed(
  client: Client,
  source: Exclude<Source, "contexts">,
  namespace: string | undefined,
  signal: AbortSignal,
): Promise<string[]> {
  const resource = { namespaces: NAMESPACES, nodes: NODES, onloads: ONLOADS, pods: PODS }[source];
  const where = whereOf(source, namespace, client.namespace);
  const names: string[] = [];
  for await (const { items } of client.pages(resource, { ...where, pageSize: LIMIT, signal })) {
    for (const { metadata } of items) names.push(metadata.name ?? "");
    break;
  }
  return [...new Set(names)];
}
