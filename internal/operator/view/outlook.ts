/** Reads what the operator's caches do not have: pods on nodes to come, and budgets. */
import type { DeepReadonly, Pod, PodDisruptionBudget } from "../../api/core.ts";
import { POD_DISRUPTION_BUDGETS } from "../../kube/resource.ts";
import { askEvictions, NO_ANSWERS } from "./evictions.ts";
import { nodesToEmpty, type Outlook } from "./plan-view.ts";
import type { ObservedResource, Session } from "./session.ts";

/** Reads what plans need beside the caches. */
export async function lookAhead(
  session: Session,
  observed: readonly ObservedResource[],
  signal: AbortSignal,
): Promise<Outlook> {
  const nodes = new Set(observed.flatMap(({ planned }) => (planned ? nodesToEmpty(planned) : [])));
  const holders = new Map<string, readonly DeepReadonly<Pod>[]>();
  await Promise.all([...nodes].map(async (node) => holders.set(node, await session.pods.inspect(node, signal))));
  const { client } = session;
  const pods = [...holders.values()].flat();
  if (pods.length === 0) return { holders, budgets: [], evictions: NO_ANSWERS };
  const evictions = await askEvictions(client, pods, signal);
  const budgets =
    evictions.gap === undefined
      ? []
      : (await client.list<PodDisruptionBudget>(POD_DISRUPTION_BUDGETS, { signal })).items;
  return { holders, budgets, evictions };
}
