/**
 * How many pods are accelerated, for `onloadctl status`.
 *
 * status asks the device plugins itself, with the rights of whoever runs it. The operator could count for it, and would
 * then have to reach every node's port all the time, for people who look now and then; plugins have no credentials by
 * which they could write it anywhere. So it costs something only while somebody looks, within the bounds below.
 */
import { isForbidden } from "../kube/errors.ts";
import type { Client } from "../kube/client.ts";
import type { Accelerated } from "../operator/view/status-view.ts";
import type { Asked } from "./facts.ts";
import { askPlugin, findPluginPods, type PluginPod } from "./plugin-pods.ts";

export const LIMITS = {
  /** Longest time for all of it, in milliseconds: status does not wait for more. */
  timeoutMs: 2000,
  /** Nodes that are asked at the same time. */
  parallel: 16,
  /** In a larger cluster it is not known: that is what metrics are for. */
  nodes: 200,
  /** What was found is shown so long, in milliseconds: nodes look no more often. */
  ageMs: 30_000,
};

/** Counts, and remembers them while a command draws again and again. */
export class AccelerationCounts {
  readonly #client: Pick<Client, "transport" | "list">;
  #known: { at: number; counts: ReadonlyMap<string, Accelerated> } | undefined;

  constructor(client: Pick<Client, "transport" | "list">) {
    this.#client = client;
  }

  /**
   * The counts by DaemonSet of device plugins, NAMESPACE/NAME. Of those that are missing nothing is known: they may not be
   * asked, or none has answered in time.
   *
   * @throws the signal's reason when it aborts, and nothing else
   */
  async read(signal: AbortSignal): Promise<ReadonlyMap<string, Accelerated>> {
    const at = performance.now();
    if (this.#known && at - this.#known.at < LIMITS.ageMs) return this.#known.counts;
    let counts: ReadonlyMap<string, Accelerated> = new Map();
    try {
      counts = await this.#count(at + LIMITS.timeoutMs, signal);
    } catch {
      signal.throwIfAborted();
      // Pods may not be listed, or the API server is out of reach, which status itself tells.
    }
    this.#known = { at, counts };
    return counts;
  }

  async #count(deadline: number, signal: AbortSignal): Promise<ReadonlyMap<string, Accelerated>> {
    const plugins = [...(await findPluginPods(this.#client, undefined, signal, LIMITS.timeoutMs)).values()];
    if (plugins.length > LIMITS.nodes) return new Map();
    const answers = await this.#askAll(plugins, deadline, signal);
    const byDaemonSet = Map.groupBy(plugins, ({ namespace, daemonSet }) => `${namespace}/${daemonSet}`);
    const counts = [...byDaemonSet].flatMap(([key, of]) => {
      const found = countOf(of.map((plugin) => answers.get(plugin)));
      return found === undefined ? [] : [[key, found] as const];
    });
    return new Map(counts);
  }

  /** Those that are not in the result were not asked. */
  async #askAll(
    plugins: readonly PluginPod[],
    deadline: number,
    signal: AbortSignal,
  ): Promise<ReadonlyMap<PluginPod, Asked>> {
    const answers = new Map<PluginPod, Asked>();
    const forbidden = new Set<string>();
    const queue = [...plugins];
    const worker = async (): Promise<void> => {
      for (let plugin = queue.shift(); plugin !== undefined; plugin = queue.shift()) {
        const left = deadline - performance.now();
        if (left <= 0) return;
        // Who may not ask one of a namespace may not ask the others.
        if (forbidden.has(plugin.namespace)) continue;
        const asked = await askPlugin(this.#client, plugin, { timeoutMs: left, fresh: false }, signal);
        if (asked !== "none" && "problem" in asked && isForbidden(asked.cause)) forbidden.add(plugin.namespace);
        answers.set(plugin, asked);
      }
    };
    await Promise.all(Array.from({ length: LIMITS.parallel }, worker));
    return answers;
  }
}

/** undefined if no node has told anything. */
function countOf(answers: readonly (Asked | undefined)[]): Accelerated | undefined {
  const known = answers.flatMap((asked) =>
    asked !== undefined && asked !== "none" && "value" in asked && asked.value.lookedAt !== undefined
      ? [asked.value]
      : [],
  );
  if (known.length === 0) return undefined;
  const pods = new Map<string, boolean>();
  for (const { containers } of known) {
    for (const { namespace, pod, accelerated } of containers) {
      const key = `${namespace}/${pod}`;
      pods.set(key, pods.get(key) === true || accelerated === true);
    }
  }
  return {
    pods: [...pods.values()].filter((accelerated) => accelerated).length,
    of: pods.size,
    unknownNodes: answers.length - known.length,
  };
}
