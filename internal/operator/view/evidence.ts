/** Reads what tells whether an operator acts, with the rights of whoever asks. */
import type { Deployment, KubeObject } from "../../api/core.ts";
import { LEASE_NAME, OPERATOR_NAMESPACE, OPERATOR_SELECTOR } from "../../api/names.ts";
import type { Resource } from "../../api/resources.ts";
import type { Client } from "../../kube/client.ts";
import { ApiError } from "../../kube/errors.ts";
import type { Lease } from "../../kube/kinds.ts";
import { DEPLOYMENTS, LEASES } from "../../kube/resource.ts";
import type { Selection } from "../../kube/selection.ts";
import { printable } from "../../cli/printable.ts";
import type { Found, OperatorEvidence } from "./serving.ts";

/**
 * Reads Leases and Deployments of operators in all namespaces, and if that is refused, in one.
 *
 * @param namespace the one
 * @throws ConnectionError if the API server does not answer; what it refuses is in the result
 */
export async function readEvidence(
  client: Pick<Client, "list">,
  signal: AbortSignal,
  namespace: string = OPERATOR_NAMESPACE,
): Promise<OperatorEvidence> {
  const [leases, deployments] = await Promise.all([
    find<Lease>(client, LEASES, { fieldSelector: `metadata.name=${LEASE_NAME}` }, namespace, signal),
    find<Deployment>(client, DEPLOYMENTS, { labelSelector: OPERATOR_SELECTOR }, namespace, signal),
  ]);
  return { leases, deployments };
}

async function find<T extends KubeObject>(
  client: Pick<Client, "list">,
  resource: Resource,
  selection: Selection,
  namespace: string,
  signal: AbortSignal,
): Promise<Found<T>> {
  try {
    const { items } = await client.list<T>(resource, { ...selection, signal });
    return { items, problem: undefined };
  } catch (error) {
    const problem = refusal(error);
    try {
      const { items } = await client.list<T>(resource, { ...selection, namespace, signal });
      return { items, problem };
    } catch (again) {
      refusal(again);
      return { items: [], problem };
    }
  }
}

/** @throws whatever is no refusal of the API server */
function refusal(error: unknown): string {
  if (!(error instanceof ApiError)) throw error;
  return printable(error.message, 1000);
}
