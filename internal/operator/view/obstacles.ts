/** What would keep pods on a node that is to be emptied, in words. Pure. */
import { firstFew } from "../../cli/first-few.ts";
import type { DeepReadonly, Pod, PodDisruptionBudget } from "../../api/core.ts";
import { forceRemedy, holderOf, type Force } from "../cache/holders.ts";
import { blockingBudgets } from "./budgets.ts";
import type { EvictionAnswers } from "./evictions.ts";

/** So many pods with the same reason are named. */
const MAX_PODS = 5;

/** What is known of what may refuse evictions. */
export interface Refusers {
  /** Of pods about which the API server could not be asked. */
  budgets: readonly DeepReadonly<PodDisruptionBudget>[];
  /** What the API server says of evictions. */
  evictions: EvictionAnswers;
}

/** Why a pod would not be evicted. */
export interface Obstacle {
  /** `namespace/name` of the pod. */
  pod: string;
  why: string;
  /** Only force, or a person, takes the pod away. */
  needsForce: boolean;
}

/** Why pods would not be evicted. */
export function evictionObstacles(
  pods: readonly DeepReadonly<Pod>[],
  { budgets, evictions }: Refusers,
  force: Force,
): Obstacle[] {
  return pods.flatMap((pod): Obstacle[] => {
    const holder = holderOf(pod, force);
    const id = `${pod.metadata.namespace}/${pod.metadata.name}`;
    if (holder?.refusal !== undefined) return [{ pod: id, why: holder.refusal, needsForce: true }];
    const answer = evictions.refusals.get(pod.metadata.uid ?? "");
    const reasons = answer === undefined ? blockingBudgets(pod, budgets) : answer === "" ? [] : [answer];
    return reasons.map((why) => ({ pod: id, why, needsForce: false }));
  });
}

/**
 * The same in words: each reason once, and what to do once for all pods.
 *
 * @param said what is said of the node already, which is not said again
 */
export function obstacleTexts(obstacles: readonly Obstacle[], force: Force, said: string): string[] {
  const untold = obstacles.filter(({ why }) => !said.includes(why));
  const texts = [...Map.groupBy(untold, ({ why }) => why)].map(([why, pods]) => {
    const what = pods.length === 1 ? "pod" : "pods";
    return `${what} ${firstFew(pods, MAX_PODS, ({ pod }) => pod)}: ${why}`;
  });
  const forced = obstacles.filter(({ needsForce }) => needsForce).length;
  const remedy = forceRemedy(force);
  if (forced === 0 || said.includes(remedy)) return texts;
  return [...texts, `delete ${forced === 1 ? "it" : "such pods"}, or ${remedy}`];
}
