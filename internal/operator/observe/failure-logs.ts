/** The last words of pods that failed, from a hook's output or the end of a log: the only places where modprobe's error is. */
import type { DeepReadonly, Pod } from "../../api/core.ts";
import type { ClusterClient } from "../cache/cluster-client.ts";
import { oneLine, podFailure } from "../cache/pods.ts";

const LINES = 5;
const MOST_PODS = 200;

export class LastWords {
  readonly #client: ClusterClient;
  /** By uid. */
  readonly words = new Map<string, string>();
  readonly #asked = new Map<string, number>();

  constructor(client: ClusterClient) {
    this.#client = client;
  }

  /** Reads the logs of failed pods that have restarted since they were read last. Gives whether any was new. */
  async listen(pods: Iterable<DeepReadonly<Pod>>, signal: AbortSignal): Promise<boolean> {
    let heard = false;
    for (const pod of pods) {
      const failure = podFailure(pod);
      const uid = pod.metadata.uid ?? "";
      if (failure?.kind !== "run" || failure.container === "") continue;
      if (failure.hookOutput !== undefined) {
        // The kubelet tells it only until it starts the container anew or waits to do so.
        this.words.set(uid, failure.hookOutput);
        continue;
      }
      const restarts = restartsOf(pod);
      if (this.#asked.get(uid) === restarts) continue;
      this.#asked.set(uid, restarts);
      const text = await this.#read(pod, failure.container, restarts > 0, signal);
      if (text === undefined || this.words.get(uid) === text) continue;
      this.words.set(uid, text);
      heard = true;
    }
    for (const map of [this.words, this.#asked]) {
      for (const oldest of map.keys()) if (map.size > MOST_PODS) map.delete(oldest);
    }
    return heard;
  }

  async #read(
    pod: DeepReadonly<Pod>,
    container: string,
    previous: boolean,
    signal: AbortSignal,
  ): Promise<string | undefined> {
    const ref = { namespace: pod.metadata.namespace ?? "", name: pod.metadata.name };
    try {
      const log = await this.#client.podLog(ref, { container, previous, tailLines: LINES, signal, timeoutMs: 5000 });
      return log ? oneLine(log) || undefined : undefined;
    } catch {
      // The kubelet may be out of reach: the status then goes without.
      signal.throwIfAborted();
      return undefined;
    }
  }
}

function restartsOf(pod: DeepReadonly<Pod>): number {
  const { containerStatuses = [], initContainerStatuses = [] } = pod.status ?? {};
  return [...containerStatuses, ...initContainerStatuses].reduce((sum, { restartCount = 0 }) => sum + restartCount, 0);
}
