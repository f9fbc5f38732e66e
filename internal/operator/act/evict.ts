/** Asking pods that hold amd.com/onload to leave a node: by the Eviction API, and by force only where asked for. */
import { errorText } from "../../cli/errors.ts";
import type { DeepReadonly } from "../../api/core.ts";
import type { Onload } from "../../api/onload.ts";
import type { ClusterClient } from "../cache/cluster-client.ts";
import { isTooManyRequests, type ApiError } from "../../kube/errors.ts";
import { PODS } from "../../kube/resource.ts";
import type { Holder } from "../assess/facts.ts";
import type { NodePlan } from "../rollout/plan.ts";

/** After a refusal, a pod is asked again no sooner than this, as by `kubectl drain`. */
export const EVICTION_RETRY_MS = 5000;
/** Refusals are forgotten beyond this many. */
const MOST_REFUSALS = 4096;

/** What came of an eviction. */
export type EvictionResult = "evicted" | "refused" | "deleted" | "failed";

/** Told of every eviction. */
export type EvictionObserver = (
  onload: DeepReadonly<Onload>,
  node: string,
  pod: Holder,
  result: EvictionResult,
  message: string,
) => void;

/** Why pods were not evicted and when they may be asked again. Lost with the process, which then asks again. */
export class EvictionLog {
  readonly refusals = new Map<string, string>();
  readonly #askedAt = new Map<string, number>();
  readonly observe: EvictionObserver;

  constructor(observe: EvictionObserver) {
    this.observe = observe;
  }

  mayAsk(uid: string, now: number): boolean {
    return now - (this.#askedAt.get(uid) ?? -Infinity) >= EVICTION_RETRY_MS;
  }

  asked(uid: string, now: number, refusal: string | undefined): void {
    for (const map of [this.refusals, this.#askedAt]) {
      map.delete(uid);
      for (const oldest of map.keys()) if (map.size >= MOST_REFUSALS) map.delete(oldest);
    }
    this.#askedAt.set(uid, now);
    if (refusal !== undefined) this.refusals.set(uid, refusal);
  }
}

interface Evictor {
  client: ClusterClient;
  evictions: EvictionLog;
  now: () => number;
}

/** Asks every pod of a node that holds amd.com/onload to leave, at the same time. */
export async function evictHolders(
  evictor: Evictor,
  onload: DeepReadonly<Onload>,
  { facts, forceAt }: NodePlan,
  signal: AbortSignal,
): Promise<void> {
  const now = evictor.now();
  const force = forceAt !== undefined && now >= forceAt;
  const due = (facts.holders ?? []).filter(
    (pod) => pod.evictable && !pod.terminating && evictor.evictions.mayAsk(pod.uid, now),
  );
  await Promise.all(due.map((pod) => evictOne(evictor, onload, facts.name, pod, force, signal)));
}

async function evictOne(
  { client, evictions, now }: Evictor,
  onload: DeepReadonly<Onload>,
  node: string,
  pod: Holder,
  force: boolean,
  signal: AbortSignal,
): Promise<void> {
  const ref = { namespace: pod.namespace, name: pod.name };
  const options = { uid: pod.uid, gracePeriodSeconds: onload.spec.upgrade.drain.gracePeriodSeconds, signal };
  try {
    if (force) await client.delete(PODS, ref, options);
    else await client.evict(ref, options);
    evictions.asked(pod.uid, now(), undefined);
    evictions.observe(onload, node, pod, force ? "deleted" : "evicted", "");
  } catch (error) {
    if (signal.aborted) throw error;
    const refused = isTooManyRequests(error);
    const text = refused ? budgetText(error) : errorText(error);
    evictions.asked(pod.uid, now(), text);
    evictions.observe(onload, node, pod, refused ? "refused" : "failed", text);
  }
}

/** What the API server says of the budget that holds the pod, with its name. */
function budgetText(error: ApiError): string {
  const cause = error.causes.find(({ reason }) => reason === "DisruptionBudget");
  return (cause?.message ?? error.detail).replace(/\.$/, "");
}
