/** Finds KMM's operator. */
import type { Deployment } from "../api/core.ts";
import type { Client } from "../kube/client.ts";
import { DEPLOYMENTS } from "../kube/resource.ts";
import { read, type Read } from "./read.ts";

/** The Deployment of KMM's operator in its own manifests: those of 1.1, and those of 2.x. */
export const KMM_DEPLOYMENTS: readonly string[] = ["kmm-operator-controller-manager", "kmm-operator-controller"];

/** Reads the Deployments of KMM's operator in all namespaces. @throws ConnectionError if the API server does not answer */
export function kmmDeployments(client: Pick<Client, "list">, signal: AbortSignal): Promise<Read<Deployment[]>> {
  return read(async () => {
    const named = (name: string) =>
      client.list<Deployment>(DEPLOYMENTS, { fieldSelector: `metadata.name=${name}`, signal });
    return (await Promise.all(KMM_DEPLOYMENTS.map(named))).flatMap(({ items }) => items);
  });
}
