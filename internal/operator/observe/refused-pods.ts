/** Reads why pods that are awaited are not made, while they are awaited, and only then. */
import { devicePluginName, type OnloadKey } from "../../api/names.ts";
import { joinKey } from "../../kube/object.ts";
import type { Event } from "../../kube/kinds.ts";
import { EVENTS } from "../../kube/resource.ts";
import type { Stores } from "../cache/caches.ts";
import type { ClusterClient } from "../cache/cluster-client.ts";
import { FAILED_CREATE, refusalsSince, saidOfPods, type PodRefusals, type SaidOfPods } from "./refusals.ts";

/** A pod that is not there after this time is looked for among the refused ones: as a rule it is made at once. */
export const GRACE_MS = 3000;
/** Events are read again after a quarter of the time that the pod is awaited, within these bounds. */
const MIN_INTERVAL_MS = 5000;
const MAX_INTERVAL_MS = 60_000;
/** So many events of a namespace are looked at, whatever somebody writes there. */
const MAX_EVENTS = 1000;
const READ_TIMEOUT_MS = 5000;

/** What came of reading events. */
export interface Looked {
  /** What is known is new: a plan made before does not have it. */
  changed: boolean;
  /** Milliseconds after which to look again; undefined if no pod is awaited. */
  againMs: number | undefined;
}

/** Why the pods of one resource are refused. */
export class RefusedPods {
  #said: SaidOfPods = new Map();
  #refusals: PodRefusals = {};
  #readAt = -Infinity;

  get refusals(): PodRefusals {
    return this.#refusals;
  }

  /**
   * Reads events if a pod is awaited. What cannot be read is left out.
   *
   * @param awaitedSince since when a pod that is not there is awaited, in milliseconds since the epoch; undefined: none is
   * @param now milliseconds since the epoch
   * @param monotonic milliseconds of a clock that does not go back
   * @throws the signal's reason when it aborts
   */
  async look(
    client: Pick<ClusterClient, "list">,
    { daemonSets }: Pick<Stores, "daemonSets">,
    key: OnloadKey,
    awaitedSince: number | undefined,
    now: number,
    monotonic: number,
    signal: AbortSignal,
  ): Promise<Looked> {
    if (awaitedSince === undefined) return { changed: this.#set({}), againMs: undefined };
    const waited = now - awaitedSince;
    if (waited < GRACE_MS) return { changed: this.#set({}), againMs: GRACE_MS - waited };
    const interval = Math.min(Math.max(waited / 4, MIN_INTERVAL_MS), MAX_INTERVAL_MS);
    const rest = this.#readAt + interval - monotonic;
    const presentRefusals = (): PodRefusals => refusalsSince(this.#said, key, awaitedSince, now);
    if (rest > 0) return { changed: this.#set(presentRefusals()), againMs: rest };
    this.#readAt = monotonic;
    try {
      const { items } = await client.list<Event>(EVENTS, {
        namespace: key.namespace,
        fieldSelector: `reason=${FAILED_CREATE}`,
        atMost: MAX_EVENTS,
        transform: trimEvent,
        timeoutMs: READ_TIMEOUT_MS,
        signal,
      });
      const uid = daemonSets.store.get(joinKey(key.namespace, devicePluginName(key.name)))?.metadata.uid;
      this.#said = saidOfPods(items, key, uid);
      return { changed: this.#set(presentRefusals()), againMs: interval };
    } catch {
      signal.throwIfAborted();
      // The right may be missing, or the API server out of reach: the status goes without it.
      return { changed: this.#set(presentRefusals()), againMs: interval };
    }
  }

  #set(refusals: PodRefusals): boolean {
    const changed = JSON.stringify(refusals) !== JSON.stringify(this.#refusals);
    this.#refusals = refusals;
    return changed;
  }
}

/** What is read of an event, and no more of its text than is quoted. */
function trimEvent(event: Event): Event {
  const { reason, message, involvedObject, series, lastTimestamp, eventTime, firstTimestamp } = event;
  return {
    apiVersion: "v1",
    kind: EVENTS.kind,
    metadata: { name: event.metadata.name },
    ...(reason === undefined ? {} : { reason }),
    ...(message === undefined ? {} : { message: message.slice(0, 4000) }),
    ...(involvedObject === undefined ? {} : { involvedObject }),
    ...(series ? { series } : {}),
    ...(lastTimestamp ? { lastTimestamp } : {}),
    ...(eventTime ? { eventTime } : {}),
    ...(firstTimestamp ? { firstTimestamp } : {}),
  };
}
