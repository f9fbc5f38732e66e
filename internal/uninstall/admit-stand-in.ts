/** Lets this command do the operator's work, which an admission policy keeps for the operator alone. */
import type { KubeObject } from "../api/core.ts";
import { OPERATOR_NAME } from "../api/names.ts";
import { ONLOADS } from "../api/resources.ts";
import type { Client } from "../kube/client.ts";
import { sleep } from "../kube/clock.ts";
import { isForbidden } from "../kube/errors.ts";
import { SELF_SUBJECT_REVIEWS, VALIDATING_ADMISSION_POLICIES, type ObjectRef } from "../kube/resource.ts";

/** The API server heeds a policy that has changed a moment later: how long that may take, and how often to try. */
const HEED_MS = 15_000;
const TRY_MS = 250;

/**
 * The policies that refuse others what the operator does to Modules and DaemonSets, nodes, and Onload resources. The last is heeded last,
 * and a trial of it shows that all are.
 */
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
 * @param onload a resource that is there
 * @returns the user, if a policy did not know it before
 * @throws ApiError, ConnectionError
 */
export async function admitStandIn(
  client: PolicyClient,
  onload: ObjectRef,
  signal: AbortSignal,
): Promise<string | undefined> {
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
  if (!isNew) return undefined;
  await untilHeeded(client, onload, signal);
  return user;
}

/** Tries what only the operator may, until it may be done or something else is wrong, which the work itself will tell. */
async function untilHeeded(client: PolicyClient, onload: ObjectRef, signal: AbortSignal): Promise<void> {
  const end = performance.now() + HEED_MS;
  while (performance.now() < end) {
    try {
      await client.mergePatch(ONLOADS, onload, { status: {} }, { subresource: "status", dryRun: true, signal });
      return;
    } catch (error) {
      signal.throwIfAborted();
      if (!isForbidden(error)) return;
    }
    await sleep(TRY_MS, signal);
  }
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
