/** Finds KMM's operator, and says why it has no pod. */
import type { DeepReadonly, Deployment } from "../../api/core.ts";
import type { Client } from "../../kube/client.ts";
import { DEPLOYMENTS } from "../../kube/resource.ts";
import { remedyForOperator } from "../observe/refusal-remedy.ts";
import { replicaFailure } from "./replica-failure.ts";

/** The Deployment of KMM's operator in its own manifests: those of 1.1, and those of 2.x. */
export const KMM_DEPLOYMENTS: readonly string[] = ["kmm-operator-controller-manager", "kmm-operator-controller"];

/** Lists the Deployments of KMM's operator in all namespaces. @throws ApiError and ConnectionError as the client does */
export async function kmmDeployments(client: Pick<Client, "list">, signal: AbortSignal): Promise<Deployment[]> {
  const named = (name: string) =>
    client.list<Deployment>(DEPLOYMENTS, { fieldSelector: `metadata.name=${name}`, signal });
  return (await Promise.all(KMM_DEPLOYMENTS.map(named))).flatMap(({ items }) => items);
}

/**
 * Why the pods of KMM's operator are refused, and what to do: a sentence without its end.
 *
 * @returns undefined if one of its Deployments has a pod, or none says why it has none
 */
export function kmmRefusal(deployments: readonly DeepReadonly<Deployment>[]): string | undefined {
  if (deployments.some(({ status }) => (status?.replicas ?? 0) > 0)) return undefined;
  for (const deployment of deployments) {
    const refusal = replicaFailure(deployment);
    if (refusal === undefined) continue;
    const { namespace = "", name } = deployment.metadata;
    const remedy = remedyForOperator(refusal, { namespace, name });
    return `The pods of KMM's Deployment "${namespace}/${name}" are refused: ${refusal}; ${remedy}`;
  }
  return undefined;
}
