/** Reads the Deployments of KMM's operator. */
import type { Deployment } from "../api/core.ts";
import type { Client } from "../kube/client.ts";
import { kmmDeployments as list } from "../operator/view/kmm-operator.ts";
import { read, type Read } from "./read.ts";

/** Reads the Deployments of KMM's operator in all namespaces. @throws ConnectionError if the API server does not answer */
export function kmmDeployments(client: Pick<Client, "list">, signal: AbortSignal): Promise<Read<Deployment[]>> {
  return read(() => list(client, signal));
}
