/** Reads what the operator's caches do not have: pods on nodes to come, budgets, and which images exist. */
import type { DeepReadonly, Pod, PodDisruptionBudget } from "../../api/core.ts";
import type { ModuleImagesConfig } from "../../api/kmm.ts";
import { isNotFound } from "../../kube/errors.ts";
import { MODULE_IMAGES_CONFIGS, POD_DISRUPTION_BUDGETS } from "../../kube/resource.ts";
import { nodesToEmpty, type Outlook } from "./plan-view.ts";
import type { Looked, Session } from "./session.ts";

/** Reads what plans need beside the caches. */
export async function lookAhead(session: Session, looked: readonly Looked[], signal: AbortSignal): Promise<Outlook> {
  const nodes = new Set(looked.flatMap(({ planned }) => (planned ? nodesToEmpty(planned) : [])));
  const holders = new Map<string, readonly DeepReadonly<Pod>[]>();
  await Promise.all([...nodes].map(async (node) => holders.set(node, await session.pods.look(node, signal))));
  const { client } = session;
  const budgets =
    [...holders.values()].flat().length > 0
      ? (await client.list<PodDisruptionBudget>(POD_DISRUPTION_BUDGETS, { signal })).items
      : [];
  const hasImages = looked.some(({ planned }) => planned?.kmm?.moduleImagesConfig);
  const images = hasImages ? await optional(client.list<ModuleImagesConfig>(MODULE_IMAGES_CONFIGS, { signal })) : [];
  return { holders, budgets, images };
}

async function optional<T>(list: Promise<{ items: T[] }>): Promise<T[]> {
  try {
    return (await list).items;
  } catch (error) {
    if (isNotFound(error)) return [];
    throw error;
  }
}
