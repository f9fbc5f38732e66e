/** Follows what happens on a real node, in the order in which the API server tells it. */
import type { Node, Pod } from "../../api/core.ts";
import {
  KMM_ROLE_LABEL,
  kmm1ModuleLoaderLabel,
  onloadModuleName,
  PLUGIN_NAME_LABEL,
  VERSION_LABEL,
  type OnloadKey,
} from "../../api/names.ts";
import { silentLogger } from "../../cli/log.ts";
import type { Client } from "../../kube/client.ts";
import { Informer } from "../../kube/informer.ts";
import { NODES, PODS } from "../../kube/resource.ts";
import { isFinished, isReady, isTerminating } from "../cache/pods.ts";

export class NodeStory implements AsyncDisposable {
  /** What became of pods, such as `loader 9.2.0 ended`: made, ready, leaving, ended; the last two only of pods that were ready. */
  readonly pods: string[] = [];
  /** Every combination of taints, cordon, and foreign labels and annotations that the node has had, as JSON. */
  readonly foreign = new Set<string>();
  /** Pods that were ready once, by uid. */
  readonly #served = new Set<string>();
  readonly #stop = new AbortController();
  readonly #running: Promise<unknown>[] = [];

  /** Begins to follow the resource's pods and the node; what is there already is not told. */
  static async follow(client: Client, key: OnloadKey, nodeName: string): Promise<NodeStory> {
    const story = new NodeStory();
    const pods = new Informer<Pod>({ client, resource: PODS, namespaces: [key.namespace], log: silentLogger });
    pods.subscribe(({ old, current }) => {
      const pod = (current ?? old) as Pod;
      if (isReady(pod)) story.#served.add(pod.metadata.uid ?? "");
      const part = partOf(key, pod);
      if (!pods.hasSynced || part === undefined) return;
      const served = story.#served.has(pod.metadata.uid ?? "");
      for (const what of fates(old as Pod, current as Pod, served)) story.pods.push(`${part} ${what}`);
    });
    const fieldSelector = `metadata.name=${nodeName}`;
    const nodes = new Informer<Node>({ client, resource: NODES, fieldSelector, log: silentLogger });
    nodes.subscribe(({ current }) => {
      if (current) story.foreign.add(JSON.stringify(foreignParts(current as Node)));
    });
    for (const informer of [pods, nodes]) {
      story.#running.push(informer.run(story.#stop.signal));
      await informer.synced(story.#stop.signal);
    }
    return story;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#running);
  }
}

/** `loader VERSION`, `plugin VERSION` or `trader`; undefined for other pods. */
function partOf({ namespace, name }: OnloadKey, { metadata: { labels = {} } }: Pod): string | undefined {
  if (labels[KMM_ROLE_LABEL] === "module-loader") {
    return `loader ${labels[kmm1ModuleLoaderLabel(namespace, onloadModuleName(name))]}`;
  }
  if (labels[PLUGIN_NAME_LABEL] !== undefined) return `plugin ${labels[VERSION_LABEL]}`;
  return labels["app"] === "trader" ? "trader" : undefined;
}

function fates(old: Pod | undefined, current: Pod | undefined, served: boolean): string[] {
  const told: string[] = [];
  if (!old) told.push("made");
  if (current && isReady(current) && !(old && isReady(old))) told.push("ready");
  if (!served) return told;
  if (current && isTerminating(current) && !(old && isTerminating(old))) told.push("leaving");
  // A pod whose containers have all ended stays for a moment, until the kubelet has cleared up.
  if ((!current || isFinished(current)) && !(old && isFinished(old))) told.push("ended");
  return told;
}

/** What of a node belongs neither to us nor to KMM. */
function foreignParts({ metadata, spec }: Node): object {
  const others = (map: Readonly<Record<string, string>> = {}): object =>
    Object.fromEntries(Object.entries(map).filter(([key]) => !/onload\.amd\.com|kmm\.node\.kubernetes\.io/.test(key)));
  const { taints = [], unschedulable = false } = (spec ?? {}) as { taints?: unknown[]; unschedulable?: boolean };
  return { labels: others(metadata.labels), annotations: others(metadata.annotations), taints, unschedulable };
}
