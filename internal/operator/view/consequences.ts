/** What a person should know before a change is applied: each consequence in a sentence. */
import { counted } from "../../cli/counted.ts";
import { firstFew } from "../../cli/first-few.ts";
import type { DeepReadonly, KubeObject } from "../../api/core.ts";
import type { Client } from "../../kube/client.ts";
import { ApiError } from "../../kube/errors.ts";
import { SERVICE_ACCOUNTS } from "../../kube/resource.ts";
import { isWhole } from "../rollout/state-of.ts";
import type { ResourcePlan } from "./plan-view.ts";
import type { ObservedResource } from "./session.ts";

/** Most names in one sentence. */
const MAX_NAMES = 5;

/**
 * What a change does that its author may not expect.
 *
 * @param accountMissing see {@link accountState}
 * @param refusals see {@link tryPods}
 */
export function consequences(
  { raw, onload, planned }: ObservedResource,
  plan: Pick<ResourcePlan, "nodes">,
  accountMissing: boolean,
  refusals: readonly string[] = [],
): string[] {
  const found: string[] = [];
  const nodes = planned?.plan.nodes.map(({ facts }) => facts) ?? [];
  const isDeleted = raw.metadata.deletionTimestamp !== undefined;
  if (onload && !isDeleted) {
    const isSelected = nodes.some(({ want, keptBy }) => want !== undefined || keptBy !== undefined);
    if (!isSelected) found.push("spec.selector matches no node: nothing is installed until a node has its labels");
    const kept = nodes.filter(({ keptBy }) => keptBy !== undefined);
    for (const other of [...new Set(kept.map(({ keptBy }) => keptBy))].slice(0, MAX_NAMES)) {
      const its = kept.filter(({ keptBy }) => keptBy === other).map(({ name }) => name);
      found.push(`Onload ${other} keeps ${names(its)}, because it has ${its.length === 1 ? "it" : "them"} or is older`);
    }
    const left = nodes.filter((facts) => facts.want === undefined && facts.keptBy === undefined && isWhole(facts));
    if (left.length > 0) {
      found.push(`spec.selector lets go of ${names(left.map(({ name }) => name))}: the drivers there are unloaded`);
    }
    if (accountMissing) {
      found.push(
        `ServiceAccount "${onload.spec.serviceAccountName}" does not exist in namespace "${raw.metadata.namespace}": no pod can start until it is there and is allowed to run privileged pods`,
      );
    }
    found.push(...refusals);
  }
  const out = plan.nodes.filter(({ leavesService }) => leavesService);
  if (out.length > 0) {
    const pods = out.reduce((sum, { evict }) => sum + evict.length, 0);
    const evicted = pods === 0 ? "" : `, and ${counted(pods, "pod is", "pods are")} evicted`;
    found.push(`${counted(out.length, "node that serves is", "nodes that serve are")} taken out of service${evicted}`);
  }
  return found;
}

/** missing: it does not exist. made: the same file makes it. Who may not read it is told nothing: there. */
export type AccountState = "there" | "missing" | "made";

/**
 * Whether a resource's ServiceAccount exists.
 *
 * @throws ConnectionError when no answer comes
 */
export async function accountState(
  client: Pick<Client, "get">,
  { onload }: ObservedResource,
  others: readonly DeepReadonly<KubeObject>[],
  signal: AbortSignal,
): Promise<AccountState> {
  const name = onload?.spec.serviceAccountName;
  if (!onload || !name || onload.metadata.deletionTimestamp) return "there";
  const namespace = onload.metadata.namespace ?? "";
  const isMade = others.some(
    ({ kind, metadata }) =>
      kind === SERVICE_ACCOUNTS.kind && metadata.name === name && metadata.namespace === namespace,
  );
  if (isMade) return "made";
  try {
    return (await client.get(SERVICE_ACCOUNTS, { namespace, name }, { signal })) === undefined ? "missing" : "there";
  } catch (error) {
    if (error instanceof ApiError) return "there";
    throw error;
  }
}

function names(all: readonly string[]): string {
  const shown = firstFew(all, MAX_NAMES);
  return all.length === 1 ? `node ${shown}` : `${all.length} nodes (${shown})`;
}
