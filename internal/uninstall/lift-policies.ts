/** Takes away what keeps everybody but the operator from the operator's objects, before this command does its work. */
import { OPERATOR_NAME } from "../api/names.ts";
import type { Client } from "../kube/client.ts";
import { VALIDATING_ADMISSION_POLICY_BINDINGS } from "../kube/resource.ts";

/** Policies that refuse others what the operator does to Modules, DaemonSets and the pods that hold drivers. */
const REFUSING = ["objects", "drivers", "driver-evictions"].map((name) => `${OPERATOR_NAME}-${name}`);

/**
 * Deletes the bindings of those policies. They would go with the rest in the end; until then nobody but this command may
 * be at work. On a cluster without such policies it does nothing.
 *
 * @returns the names of those that were there
 * @throws ApiError, ConnectionError
 */
export async function liftPolicies(client: Pick<Client, "delete">, signal: AbortSignal): Promise<string[]> {
  const lifted: string[] = [];
  for (const name of REFUSING) {
    if (await client.delete(VALIDATING_ADMISSION_POLICY_BINDINGS, { name }, { signal })) lifted.push(name);
  }
  return lifted;
}
