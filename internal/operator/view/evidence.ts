/** Reads what tells whether an operator acts, with the rights of whoever asks. */
import type { AdmissionPolicy, Deployment, KubeObject, PolicyBinding } from "../../api/core.ts";
import { LEASE_NAME, OPERATOR_NAMESPACE, OPERATOR_SELECTOR, PRESENCE_POLICY } from "../../api/names.ts";
import type { Resource } from "../../api/resources.ts";
import type { Client } from "../../kube/client.ts";
import { ApiError, isUnauthorized } from "../../kube/errors.ts";
import type { Lease } from "../../kube/kinds.ts";
import {
  DEPLOYMENTS,
  LEASES,
  VALIDATING_ADMISSION_POLICIES,
  VALIDATING_ADMISSION_POLICY_BINDINGS,
} from "../../kube/resource.ts";
import type { Selection } from "../../kube/selection.ts";
import { mayOperate } from "../observe/operator-accounts.ts";
import { isPolicyInForce } from "../report/protection.ts";
import { counted } from "../../cli/counted.ts";
import { printable } from "../../cli/printable.ts";
import type { Found, OperatorEvidence } from "./serving.ts";

/** Of so many namespaces it is asked whether an operator may run there. */
const MAX_ASKED = 1000;

/**
 * Reads Leases and Deployments of operators in all namespaces, and if that is refused, in one; and whether they can be
 * those of operators.
 *
 * @param namespace the one
 * @throws ConnectionError if the API server does not answer; what it refuses is in the result
 */
export async function readEvidence(
  client: Pick<Client, "list" | "get" | "transport">,
  signal: AbortSignal,
  namespace: string = OPERATOR_NAMESPACE,
): Promise<OperatorEvidence> {
  const [leases, deployments] = await Promise.all([
    find<Lease>(client, LEASES, { fieldSelector: `metadata.name=${LEASE_NAME}` }, namespace, signal),
    find<Deployment>(client, DEPLOYMENTS, { labelSelector: OPERATOR_SELECTOR }, namespace, signal),
  ]);
  const all = [...leases.items, ...deployments.items].map(({ metadata }) => metadata.namespace ?? "");
  return { leases, deployments, ...(await findBarred(client, [...new Set(all)], signal)) };
}

/**
 * In which namespaces no operator may run. As for the operator itself, that matters only where no admission policy keeps
 * others from making such objects.
 */
async function findBarred(
  client: Pick<Client, "get" | "transport">,
  namespaces: readonly string[],
  signal: AbortSignal,
): Promise<Pick<OperatorEvidence, "barred" | "doubt">> {
  const barred = new Set<string>();
  let doubt =
    namespaces.length > MAX_ASKED ? `there are such objects in ${counted(namespaces.length, "namespace")}` : undefined;
  await Promise.all(
    namespaces.slice(0, MAX_ASKED).map(async (namespace) => {
      try {
        if (!(await mayOperate(client.transport, namespace, signal))) barred.add(namespace);
      } catch (error) {
        doubt = refusal(error);
      }
    }),
  );
  const isCertain = barred.size === 0 && doubt === undefined;
  return isCertain || (await isGuarded(client, signal)) ? {} : { barred, doubt };
}

/** Whether the policy is in force by which only operators, and who may install one, make such objects. */
async function isGuarded(client: Pick<Client, "get">, signal: AbortSignal): Promise<boolean> {
  const ref = { name: PRESENCE_POLICY };
  try {
    const [policy, binding] = await Promise.all([
      client.get<AdmissionPolicy>(VALIDATING_ADMISSION_POLICIES, ref, { signal }),
      client.get<PolicyBinding>(VALIDATING_ADMISSION_POLICY_BINDINGS, ref, { signal }),
    ]);
    return isPolicyInForce(policy, binding, PRESENCE_POLICY);
  } catch (error) {
    refusal(error);
    return false;
  }
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

/** @throws whatever is no refusal of the API server, and one of the login, which all that is asked gets */
function refusal(error: unknown): string {
  if (!(error instanceof ApiError) || isUnauthorized(error)) throw error;
  return printable(error.message, 1000);
}
