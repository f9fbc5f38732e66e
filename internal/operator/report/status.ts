/** Writing status: only what changed, and what only counts or describes no more often than people can read. */
import { isDeepStrictEqual } from "node:util";
import type { DeepReadonly } from "../../api/core.ts";
import type { OnloadStatus } from "../../api/onload.ts";
import { CONDITION } from "../../api/reasons.ts";
import type { ClusterClient } from "../cache/cluster-client.ts";
import { isNotFound } from "../../kube/errors.ts";
import { ONLOADS } from "../../api/resources.ts";
import { refOf } from "../../kube/resource.ts";
import type { ReconcilerCaches, RawOnload } from "../cache/caches.ts";

/** Counts and messages are written at most this often; conditions that change are written at once. */
const INTERVAL_MS = 1000;

export class Reporter {
  readonly #client: ClusterClient;
  readonly #caches: Pick<ReconcilerCaches, "onloads">;
  readonly #now: () => number;
  readonly #writtenAt = new Map<string, number>();

  constructor(client: ClusterClient, caches: Pick<ReconcilerCaches, "onloads">, now: () => number) {
    this.#client = client;
    this.#caches = caches;
    this.#now = now;
  }

  /**
   * Writes the status if it differs from the cached one.
   *
   * @returns milliseconds after which to try again, where the change can wait
   */
  async write(
    key: string,
    onload: DeepReadonly<RawOnload>,
    status: OnloadStatus,
    signal: AbortSignal,
  ): Promise<number | undefined> {
    const old = onload.status as DeepReadonly<OnloadStatus> | undefined;
    if (isDeepStrictEqual(old, JSON.parse(JSON.stringify(status)))) return undefined;
    const wait = (this.#writtenAt.get(key) ?? -Infinity) + INTERVAL_MS - this.#now();
    if (wait > 0 && !isUrgent(old, status)) return wait;
    const body = { metadata: refOf(onload), status };
    try {
      const answer = await this.#client.apply<RawOnload>(ONLOADS, body as never, { subresource: "status", signal });
      this.#writtenAt.set(key, this.#now());
      this.#caches.onloads.observe(answer);
      return undefined;
    } catch (error) {
      if (!isNotFound(error)) throw error;
      // It is gone, and the cache does not know yet: there is nobody left to tell.
      return INTERVAL_MS;
    }
  }

  forget(key: string): void {
    this.#writtenAt.delete(key);
  }
}

/** What decides or what people wait for: conditions, the rollback, and the version to go back to. */
function isUrgent(old: DeepReadonly<OnloadStatus> | undefined, status: OnloadStatus): boolean {
  if (!old) return true;
  const verdicts = (conditions: DeepReadonly<OnloadStatus>["conditions"]): string[] =>
    (conditions ?? []).map(({ type, status: value, reason }) => `${type} ${value} ${reason}`);
  return (
    old.observedGeneration !== status.observedGeneration ||
    !isDeepStrictEqual(verdicts(old.conditions), verdicts(status.conditions)) ||
    !isDeepStrictEqual(old.rollback, status.rollback) ||
    !isDeepStrictEqual(old.lastReady, status.lastReady)
  );
}

/** Since when the resource has not been Ready, in milliseconds since the epoch; undefined while it is. */
export function notReadySince(status: DeepReadonly<OnloadStatus> | undefined): number | undefined {
  const ready = status?.conditions?.find(({ type }) => type === CONDITION.Ready);
  return ready?.status === "False" ? Date.parse(ready.lastTransitionTime) : undefined;
}
