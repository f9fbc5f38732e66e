/** Asks pods that hold amd.com/onload to leave a node: by the Eviction API, and by force only if the resource says so. */
import { errorText } from "../../cli/errors.ts";
import type { DeepReadonly } from "../../api/core.ts";
import type { Onload } from "../../api/onload.ts";
import type { ClusterClient } from "../cache/cluster-client.ts";
import { isConflict, isTooManyRequests, LeadershipLostError, type ApiError } from "../../kube/errors.ts";
import { PODS } from "../../kube/resource.ts";
import type { Holder } from "../assess/facts.ts";
import { forceRemedy } from "../cache/holders.ts";
import type { NodePlan } from "../rollout/node-plan.ts";

/**
 * The pods of a node are asked together, and again no sooner than this, as by `kubectl drain`. Who makes pods by the node's
 * name makes the next one at once, and would otherwise be answered as fast.
 */
export const EVICTION_RETRY_MS = 5000;
/** Refusals of more pods are forgotten, the oldest first. */
const MAX_PODS = 4096;

/**
 * What came of an eviction. "gone": no pod of that uid was there any more, so that nobody was evicted. "refused": by a
 * disruption budget.
 */
export type EvictionResult = "evicted" | "deleted" | "gone" | "refused" | "failed";

/** Called after every eviction. */
export type EvictionObserver = (node: string, pod: Holder, result: EvictionResult, message: string) => void;

/** Why pods were not evicted, and when those of each node were asked last. It is lost with the process, which then asks again. */
export class EvictionLog {
  readonly #refusals = new Map<string, string>();
  /** By node. */
  readonly #roundAt = new Map<string, number>();

  /** By the pods' uid. */
  get refusals(): ReadonlyMap<string, string> {
    return this.#refusals;
  }

  /**
   * Whether it is time to ask the pods of a node.
   *
   * @param now milliseconds of a clock that does not go back
   */
  beginsRound(node: string, now: number): boolean {
    for (const [other, at] of this.#roundAt) if (now - at >= EVICTION_RETRY_MS) this.#roundAt.delete(other);
    if (this.#roundAt.has(node)) return false;
    this.#roundAt.set(node, now);
    return true;
  }

  /** @param refusal undefined if the pod goes */
  answered(uid: string, refusal: string | undefined): void {
    this.#refusals.delete(uid);
    if (refusal === undefined) return;
    for (const oldest of this.#refusals.keys()) if (this.#refusals.size >= MAX_PODS) this.#refusals.delete(oldest);
    this.#refusals.set(uid, refusal);
  }
}

export interface Evictor {
  client: Pick<ClusterClient, "evict" | "delete">;
  evictions: EvictionLog;
  onEviction: EvictionObserver;
  /** When the plan was made, in milliseconds since the epoch. */
  now: number;
  /** Milliseconds of a clock that does not go back. */
  monotonic: () => number;
}

/**
 * Asks every pod of a node that holds amd.com/onload to leave, side by side. Whatever becomes of one is observed.
 *
 * @throws the signal's reason when it aborts
 */
export async function evictHolders(
  evictor: Evictor,
  onload: DeepReadonly<Onload>,
  { facts, forceAt }: NodePlan,
  signal: AbortSignal,
): Promise<void> {
  const now = evictor.monotonic();
  const isLate = forceAt !== undefined && evictor.now >= forceAt;
  const due = (facts.holders ?? []).filter((pod) => pod.evictable && !pod.terminating);
  if (due.length === 0 || !evictor.evictions.beginsRound(facts.name, now)) return;
  await Promise.allSettled(due.map((pod) => evictOne(evictor, onload, facts.name, pod, isLate, signal)));
  signal.throwIfAborted();
}

async function evictOne(
  { client, evictions, onEviction }: Evictor,
  onload: DeepReadonly<Onload>,
  node: string,
  pod: Holder,
  isLate: boolean,
  signal: AbortSignal,
): Promise<void> {
  const force = isLate && pod.forceable;
  const ref = { namespace: pod.namespace, name: pod.name };
  // With 0 the API server would forget the pod at once, while its processes still run.
  const { gracePeriodSeconds: grace } = onload.spec.upgrade.drain;
  const gracePeriodSeconds = grace === undefined ? undefined : Math.max(1, grace);
  const options = { uid: pod.uid, gracePeriodSeconds, signal };
  try {
    const result = force
      ? (await client.delete(PODS, ref, options))
        ? "deleted"
        : "gone"
      : await client.evict(ref, options);
    evictions.answered(pod.uid, undefined);
    onEviction(node, pod, result, "");
  } catch (error) {
    // Somebody else acts by now. That the pod was not asked is no failure.
    if (signal.aborted || error instanceof LeadershipLostError) return;
    // Another pod has the name by now.
    const gone = force && isConflict(error);
    const refused = isTooManyRequests(error);
    const text = refused ? budgetText(error) : errorText(error);
    const unforced = isLate && !force ? `; ${forceRemedy({ asked: true })}` : "";
    evictions.answered(pod.uid, gone ? undefined : text);
    onEviction(node, pod, gone ? "gone" : refused ? "refused" : "failed", gone ? "" : `${text}${unforced}`);
  }
}

/** What the API server says of the budget that holds the pod, with its name. */
export function budgetText(error: ApiError): string {
  const cause = error.causes.find(({ reason }) => reason === "DisruptionBudget");
  return (cause?.message ?? error.detail).replace(/\.$/, "");
}
