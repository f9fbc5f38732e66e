/** Lets this command do the operator's work, which an admission policy keeps for the operator alone. */
import type { KubeObject } from "../api/core.ts";
import { OPERATOR_NAME } from "../api/names.ts";
import type { Client } from "../kube/client.ts";
import { SELF_SUBJECT_REVIEWS, VALIDATING_ADMISSION_POLICIES } from "../kube/resource.ts";

/** The policy that refuses others what the operator does to Modules and DaemonSets. */
const POLICY = { name: `${OPERATOR_NAME}-objects` };
/** Its variable that tells the operator from others. */
const VARIABLE = "isOperator";

interface Policy extends KubeObject {
  spec: { variables?: { name: string; expression: string }[] };
}

interface Review extends KubeObject {
  status?: { userInfo?: { username?: string } };
}

/**
 * Adds the user of this command to those whom the policy takes for the operator. It stays in force for everybody else, so
 * that a namespace that is being deleted meanwhile does not take the drivers. On a cluster without it nothing is done.
 *
 * @returns the user, if the policy did not know it before
 * @throws ApiError, ConnectionError
 */
export async function admitStandIn(
  client: Pick<Client, "get" | "create" | "mergePatch">,
  signal: AbortSignal,
): Promise<string | undefined> {
  const policy = await client.get<Policy>(VALIDATING_ADMISSION_POLICIES, POLICY, { signal });
  const variables = policy?.spec.variables ?? [];
  const variable = variables.find(({ name }) => name === VARIABLE);
  if (!policy || !variable) return undefined;
  const { group, version, kind } = SELF_SUBJECT_REVIEWS;
  const question = { apiVersion: `${group}/${version}`, kind, metadata: {} } as Review;
  const user = (await client.create<Review>(SELF_SUBJECT_REVIEWS, question, { signal })).status?.userInfo?.username;
  if (user === undefined) return undefined;
  const clause = `request.userInfo.username == ${JSON.stringify(user)}`;
  if (variable.expression.includes(clause)) return undefined;
  const wider = { ...variable, expression: `(${variable.expression}) || ${clause}` };
  const spec = { variables: variables.map((each) => (each === variable ? wider : each)) };
  const { resourceVersion } = policy.metadata;
  await client.mergePatch(VALIDATING_ADMISSION_POLICIES, POLICY, { spec }, { resourceVersion, signal });
  return user;
}
