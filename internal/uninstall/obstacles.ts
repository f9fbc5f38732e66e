/** Why pods that hold amd.com/onload are not evicted: the operator reports it only once its time limit has passed. */
import type { PodDisruptionBudget } from "../api/core.ts";
import { isForbidden } from "../kube/errors.ts";
import { POD_DISRUPTION_BUDGETS } from "../kube/resource.ts";
import { NO_ANSWERS } from "../operator/view/evictions.ts";
import type { Force } from "../operator/cache/holders.ts";
import { rowOf } from "../operator/rollout/states.ts";
import { evictionObstacles, type Obstacle } from "../operator/view/obstacles.ts";
import type { ObservedResource, Session } from "../operator/view/session.ts";

/** Budgets are read this often. */
const READ_MS = 5000;

/** Why the pods of a node are not evicted, and how far force reaches there. */
export interface NodeObstacles {
  obstacles: readonly Obstacle[];
  force: Force;
}

/** By node. */
export type ObstaclesByNode = ReadonlyMap<string, NodeObstacles>;

export class Obstacles {
  readonly #session: Session;
  #budgets: { at: number; items: readonly PodDisruptionBudget[] } | undefined;

  constructor(session: Session) {
    this.#session = session;
  }

  /**
   * Looks at the nodes whose pods are being evicted.
   *
   * @throws ApiError, ConnectionError
   */
  async of(observed: readonly ObservedResource[], signal: AbortSignal): Promise<ObstaclesByNode> {
    const found = new Map<string, NodeObstacles>();
    for (const { planned } of observed) {
      if (!planned) continue;
      for (const { state, facts } of planned.plan.nodes) {
        if (!rowOf(state).drains) continue;
        const known = this.#session.pods.holders(facts.name);
        const pods = known ?? (await this.#session.pods.inspect(facts.name, signal));
        const budgets = pods.length > 0 ? await this.#read(signal) : [];
        const { force } = planned;
        const obstacles = evictionObstacles(pods, { budgets, evictions: NO_ANSWERS }, force);
        found.set(facts.name, { obstacles, force });
      }
    }
    return found;
  }

  async #read(signal: AbortSignal): Promise<readonly PodDisruptionBudget[]> {
    const at = performance.now();
    if (!this.#budgets || at - this.#budgets.at >= READ_MS) {
      try {
        const { items } = await this.#session.client.list<PodDisruptionBudget>(POD_DISRUPTION_BUDGETS, { signal });
        this.#budgets = { at, items };
      } catch (error) {
        if (!isForbidden(error)) throw error;
        this.#budgets = { at, items: [] };
      }
    }
    return this.#budgets.items;
  }
}
