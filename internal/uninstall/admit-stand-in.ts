/** Lets this command do the operator's work, which an admission policy keeps for the operator alone. */
import type { KubeObject } from "../api/core.ts";
import { OPERATOR_NAME } from "../api/names.ts";
import type { Client } from "../kube/client.ts";
import { SELF_SUBJECT_REVIEWS, VALIDATING_ADMISSION_POLICIES } from "../kube/resource.ts";

/** The policies that refuse others what the operator does to Modules and DaemonSets, nodes, and Onload resources. */
const POLICIES = ["objects", "node-labels", "deploy"].map((name) => `${OPERATOR_NAME}-${name}`);
/** Their variable that tells the operator from others. */
const VARIABLE = "isOperator";

interface Policy extends KubeObject {
  spec: { variables?: { name: string; expression: string }[] };
}

type PolicyClient = Pick<Client, "get" | "create" | "mergePatch">;

interface Review extends KubeObject {
  status?: { userInfo?: { username?: string } };
}

/**
 * Adds the user of this command to those whom the policies take for the operator. They stay in force for everybody else,
 * so that a namespace that is being deleted meanwhile does not take the drivers. On a cluster without them nothing is done.
 *
 * @returns the user, if a policy did not know it before
 * @throws ApiError, ConnectionError
 */
export async function admitStandIn(client: PolicyClient, signal: AbortSignal): Promise<string | undefined> {
  const policies: Policy[] = [];
  for (const name of POLICIES) {
    const policy = await client.get<Policy>(VALIDATING_ADMISSION_POLICIES, { name }, { signal });
    if (policy) policies.push(policy);
  }
  if (policies.length === 0) return undefined;
  const { group, version, kind } = SELF_SUBJECT_REVIEWS;
  const question = { apiVersion: `${group}/${version}`, kind, metadata: {} } as Review;
  const user = (await client.create<Review>(SELF_SUBJECT_REVIEWS, question, { signal })).status?.userInfo?.username;
  if (user === undefined) return undefined;
  let isNew = false;
  for (const policy of policies) isNew = (await widen(client, policy, user, signal)) || isNew;
  return isNew ? user : undefined;
}

/** Lets a policy take a user for the operator; gives whether it did not before. */
async function widen(client: PolicyClient, policy: Policy, user: string, signal: AbortSignal): Promise<boolean> {
  const variables = policy.spec.variables ?? [];
  const variable = variables.find(({ name }) => name === VARIABLE);
  const clause = `request.userInfo.username == ${JSON.stringify(user)}`;
  if (!variable || variable.expression.includes(clause)) return false;
  const wider = { ...variable, expression: `(${variable.expression}) || ${clause}` };
  const spec = { variables: variables.map((each) => (each === variable ? wider : each)) };
  const { name, resourceVersion } = policy.metadata;
  await client.mergePatch(VALIDATING_ADMISSION_POLICIES, { name }, { spec }, { resourceVersion, signal });
  return true;
}
