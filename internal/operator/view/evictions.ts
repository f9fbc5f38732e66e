/** Asks the API server which evictions it would refuse now. It knows every rule about budgets; nothing is evicted. */
import { firstFew } from "../../cli/first-few.ts";
import { errorText } from "../../cli/errors.ts";
import type { DeepReadonly, Pod } from "../../api/core.ts";
import type { Client } from "../../kube/client.ts";
import { ApiError, isForbidden, isTooManyRequests } from "../../kube/errors.ts";
import { budgetText } from "../act/evict.ts";
import { isTerminating } from "../cache/pods.ts";

/** So many pods at most are asked about; each is one request. */
const MAX_ASKED = 500;
const AT_ONCE = 8;

/** What the API server says of evictions. */
export interface EvictionAnswers {
  /** By the pods' uid: why it would refuse; "" if it would not. Of other pods it is not known. */
  refusals: ReadonlyMap<string, string>;
  /** Why some pods were not asked about, as a sentence; undefined if all were. */
  gap: string | undefined;
}

export const NO_ANSWERS: EvictionAnswers = { refusals: new Map(), gap: undefined };

/**
 * Asks for the eviction of each pod as a dry run.
 *
 * @throws ConnectionError if the API server does not answer
 */
export async function askEvictions(
  client: Pick<Client, "evict">,
  pods: readonly DeepReadonly<Pod>[],
  signal: AbortSignal,
): Promise<EvictionAnswers> {
  const due = pods.filter((pod) => !isTerminating(pod));
  const waiting = due.slice(0, MAX_ASKED);
  const refusals = new Map<string, string>();
  const forbidden = new Set<string>();
  const askNext = async (): Promise<void> => {
    for (let pod = waiting.shift(); pod; pod = waiting.shift()) {
      const { namespace = "", name, uid = "" } = pod.metadata;
      if (forbidden.has(namespace)) continue;
      const refusal = await refusalOf(client, { namespace, name }, uid, signal);
      if (refusal === undefined) forbidden.add(namespace);
      else refusals.set(uid, refusal);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, askNext));
  return { refusals, gap: gapOf(due.length, forbidden) };
}

/** Why an eviction would be refused; "": it would not; undefined: whoever asks may not evict there. */
async function refusalOf(
  client: Pick<Client, "evict">,
  ref: { namespace: string; name: string },
  uid: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  try {
    await client.evict(ref, { uid, dryRun: true, signal });
    return "";
  } catch (error) {
    if (isTooManyRequests(error)) return budgetText(error);
    // A policy's refusal has other words than that of a missing right.
    if (isForbidden(error) && error.detail.includes("cannot create resource")) return undefined;
    if (error instanceof ApiError) return errorText(error);
    throw error;
  }
}

function gapOf(pods: number, forbidden: ReadonlySet<string>): string | undefined {
  const judged = "budgets there are judged by their status, which is less exact";
  if (forbidden.size > 0) {
    return `Evictions could not be tried, as a dry run, without the right to create pods/eviction in namespace ${firstFew([...forbidden], 1)}: ${judged}`;
  }
  if (pods <= MAX_ASKED) return undefined;
  return `Evictions were tried, as a dry run, of ${MAX_ASKED} pods only, of ${pods}: ${judged}`;
}
