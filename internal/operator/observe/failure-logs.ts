/**
 * What pods that failed have told elsewhere than in their status: the ends of their logs, or what their hooks printed
 * (modprobe's error is nowhere else), and the events that name a Secret that is missing.
 */
import type { DeepReadonly, Pod } from "../../api/core.ts";
import { KMM_MODULE_NAME_LABEL, onloadModuleName, sfcModuleName, type OnloadKey } from "../../api/names.ts";
import { isPluginOf, oneLine, podFailure } from "../cache/pods.ts";
import { mayLackSecret, missingSecrets, SECRET_MISSING, secretsKey } from "../cache/pull-login.ts";
import type { Stores } from "../cache/caches.ts";
import type { ClusterClient } from "../cache/cluster-client.ts";
import { lastSeen } from "../../kube/event.ts";
import type { Event } from "../../kube/kinds.ts";
import { joinKey } from "../../kube/object.ts";
import { EVENTS, refOf } from "../../kube/resource.ts";
import { DEVICE_PLUGIN_CONTAINER } from "../../api/plugin-pod.ts";
import type { NodeObservation } from "./observation.ts";
import { refusalIn, type SilentPlugins } from "./plugin-logs.ts";

const LINES = 5;
/** So many events of a pod are looked at. */
const MAX_EVENTS = 20;
/** While a Secret is missing the kubelet says so in an event, every five minutes at least (client-go, EventSourceObjectSpamFilter). */
const MAX_EVENT_AGE_MS = 10 * 60_000;
/** A device plugin says once why it offers nothing, and other things later. */
const PLUGIN_LINES = 100;
/** Logs of more pods are forgotten, those that were wanted least recently first. */
const MAX_PODS = 200;
/** Most nodes whose pods' logs are read for one plan: no status lists more. */
const MAX_NODES = 10;
const READ_TIMEOUT_MS = 5000;
/** A log that could not be read, because the kubelet is out of reach, is asked for again after this time. */
export const READ_AGAIN_MS = 30_000;

/** What came of reading logs. */
export interface Collected {
  /** Some text is new: a plan made before does not have it. */
  changed: boolean;
  /** Some log could not be read. */
  failed: boolean;
  /** When logs are to be looked at again, in milliseconds; undefined: with an event. */
  againMs?: number | undefined;
}

/**
 * KMM's pods of a resource's Modules on the first of those nodes on which a module has failed, and those pods, the device
 * plugin's too, to which a registry refuses an image.
 */
export function failedPods(
  nodes: readonly (Pick<NodeObservation, "name" | "onload" | "sfc"> & {
    plugin: Pick<NodeObservation["plugin"], "failure">;
  })[],
  key: OnloadKey,
  { kmmPods, plugins, pullPods }: Pick<Stores, "kmmPods" | "plugins" | "pullPods">,
): DeepReadonly<Pod>[] {
  const modules = [onloadModuleName(key.name), sfcModuleName(key.name)];
  const loaders = nodes
    .filter(({ onload, sfc }) => onload.failure ?? sfc.failure)
    .slice(0, MAX_NODES)
    .flatMap((node) => kmmPods.store.byIndex("node", node.name))
    .filter(
      ({ metadata }) =>
        metadata.namespace === key.namespace && modules.includes(metadata.labels?.[KMM_MODULE_NAME_LABEL] ?? ""),
    );
  const refused = [
    ...nodes
      .filter(({ plugin }) => plugin.failure)
      .flatMap((node) => plugins.store.byIndex("node", node.name))
      .filter((pod) => isPluginOf(key, pod)),
    ...modules.flatMap((module) => pullPods.store.byIndex("module", joinKey(key.namespace, module))),
  ];
  return [...loaders, ...refused.filter(mayLackSecret).slice(0, MAX_NODES)];
}

/** When a pod's log was read. */
interface Read {
  /** Restarts of the pod's containers at that time; undefined if no read has succeeded. */
  restarts: number | undefined;
  /** After a failed read: not again before this time. */
  notBefore: number;
}

/** The ends of the logs of failed pods, each read once per failure. */
export class FailureLogs {
  readonly #logs = new Map<string, string>();
  readonly #reads = new Map<string, Read>();
  #revision = 0;

  /** The texts, each on one line, by the pods' uid. */
  get logs(): ReadonlyMap<string, string> {
    return this.#logs;
  }

  /** Grows with every change of a text: what was made from the texts holds as long as it is the same. */
  get revision(): number {
    return this.#revision;
  }

  /**
   * Reads the logs of those pods that have failed since they were read last, and of plugins that offer nothing, side by
   * side.
   *
   * @param now milliseconds since the epoch, as events have it
   * @param monotonic milliseconds of a clock that is never set
   * @throws the signal's reason when it aborts
   */
  async collect(
    client: Pick<ClusterClient, "podLog" | "list">,
    pods: readonly DeepReadonly<Pod>[],
    now: number,
    monotonic: number,
    signal: AbortSignal,
    silent: SilentPlugins = { pods: [], againMs: undefined },
  ): Promise<Collected> {
    const before = this.#revision;
    const reads = await Promise.allSettled([
      ...pods.map((pod) => this.#collectOne(client, pod, now, monotonic, signal)),
      ...silent.pods.map((pod) => this.#collectRefusal(client, pod, monotonic, signal)),
    ]);
    signal.throwIfAborted();
    for (const oldest of this.#reads.keys()) {
      if (this.#reads.size <= MAX_PODS) break;
      this.#reads.delete(oldest);
      this.#setOrForget(oldest, undefined);
    }
    return {
      changed: this.#revision !== before,
      failed: reads.some(({ status }) => status === "rejected"),
      againMs: silent.againMs ?? (silent.pods.length > 0 ? READ_AGAIN_MS : undefined),
    };
  }

  /** What a plugin has to say may change while it offers nothing. */
  async #collectRefusal(
    client: Pick<ClusterClient, "podLog">,
    pod: DeepReadonly<Pod>,
    monotonic: number,
    signal: AbortSignal,
  ): Promise<void> {
    const uid = pod.metadata.uid ?? "";
    const read = this.#readOf(uid);
    if (monotonic < read.notBefore) return;
    read.notBefore = monotonic + READ_AGAIN_MS;
    const options = { container: DEVICE_PLUGIN_CONTAINER, tailLines: PLUGIN_LINES, signal, timeoutMs: READ_TIMEOUT_MS };
    const refusal = refusalIn((await client.podLog(refOf(pod), options)) ?? "");
    this.#setOrForget(uid, refusal);
  }

  /** The kubelet pulls on without a Secret that it cannot read, and says so in an event. */
  async #collectSecrets(
    client: Pick<ClusterClient, "list">,
    pod: DeepReadonly<Pod>,
    now: number,
    monotonic: number,
    signal: AbortSignal,
  ): Promise<void> {
    const { namespace, uid = "" } = pod.metadata;
    const key = secretsKey(uid);
    const read = this.#readOf(key);
    if (monotonic < read.notBefore) return;
    read.notBefore = monotonic + READ_AGAIN_MS;
    const { items } = await client.list<Event>(EVENTS, {
      namespace,
      fieldSelector: `reason=${SECRET_MISSING},involvedObject.uid=${uid}`,
      atMost: MAX_EVENTS,
      timeoutMs: READ_TIMEOUT_MS,
      signal,
    });
    const seen = items.map((event) => ({ event, at: lastSeen(event) ?? -Infinity })).sort((a, b) => b.at - a.at);
    const present = seen.filter(({ at }) => now - at <= MAX_EVENT_AGE_MS);
    this.#setOrForget(key, missingSecrets(present[0]?.event.message));
  }

  async #collectOne(
    client: Pick<ClusterClient, "podLog" | "list">,
    pod: DeepReadonly<Pod>,
    now: number,
    monotonic: number,
    signal: AbortSignal,
  ): Promise<void> {
    const failure = podFailure(pod);
    if (failure?.kind === "image" && mayLackSecret(pod))
      return this.#collectSecrets(client, pod, now, monotonic, signal);
    if (failure?.kind !== "run" || failure.container === "") return;
    const uid = pod.metadata.uid ?? "";
    const read = this.#readOf(uid);
    if (failure.hookOutput !== undefined) {
      // The kubelet tells it only until it starts the container anew or waits to do so.
      this.#set(uid, failure.hookOutput);
      return;
    }
    const restarts = restartsOf(pod);
    if (read.restarts === restarts || monotonic < read.notBefore) return;
    const { container } = failure;
    const options = { container, previous: restarts > 0, tailLines: LINES, signal, timeoutMs: READ_TIMEOUT_MS };
    try {
      const text = oneLine((await client.podLog(refOf(pod), options)) ?? "");
      read.restarts = restarts;
      if (text !== "") this.#set(uid, text);
    } catch (error) {
      // The status goes without it for now.
      read.notBefore = monotonic + READ_AGAIN_MS;
      throw error;
    }
  }

  /** When a text was read last; it becomes the newest of all reads. */
  #readOf(key: string): Read {
    const read = this.#reads.get(key) ?? { restarts: undefined, notBefore: -Infinity };
    this.#reads.delete(key);
    this.#reads.set(key, read);
    return read;
  }

  #setOrForget(key: string, text: string | undefined): void {
    if (text !== undefined) this.#set(key, text);
    else if (this.#logs.delete(key)) this.#revision++;
  }

  #set(uid: string, text: string): void {
    if (this.#logs.get(uid) === text) return;
    this.#logs.set(uid, text);
    this.#revision++;
  }
}

function restartsOf(pod: DeepReadonly<Pod>): number {
  const { containerStatuses = [], initContainerStatuses = [] } = pod.status ?? {};
  return [...containerStatuses, ...initContainerStatuses].reduce((sum, { restartCount = 0 }) => sum + restartCount, 0);
}
