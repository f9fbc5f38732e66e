/**
 * Pods that hold amd.com/onload, looked for on single nodes and only while those are emptied: so the operator's memory
 * does not grow with the pods of the cluster. A node with such pods is watched until it is done.
 */
import type { Logger } from "../../cli/log.ts";
import type { Container, DeepReadonly, OwnerReference, Pod } from "../../api/core.ts";
import { FORCE_ANNOTATION, ONLOAD_RESOURCE, PLUGIN_NAME_LABEL } from "../../api/names.ts";
import type { Client } from "../../kube/client.ts";
import type { Store } from "../../kube/store.ts";
import type { ClusterClient } from "./cluster-client.ts";
import { Informer } from "../../kube/informer.ts";
import { PODS } from "../../kube/resource.ts";
import { asksForOnload, holdsOnload, MIRROR_ANNOTATION } from "./holders.ts";
import { isFinished } from "./pods.ts";
import { identity, only, pick } from "./trim.ts";

/**
 * Nodes that only wait for their turn are watched up to this number: each watch is a connection to the API server, and a
 * whole fleet may wait. What is known of the others is what was listed, until they are looked at again in their turn.
 */
export const MAX_WATCHES_OF_WAITING = 50;

interface Inspection {
  /** Pods that hold amd.com/onload, as they were listed. */
  listed: DeepReadonly<Pod>[];
  /** `namespace/DaemonSet` of the device plugins that were still there. */
  plugins: Set<string>;
  watch: PodWatch | undefined;
}

/** The pods of one node, kept up to date until the watch is stopped. */
export interface PodWatch {
  /** Whether the store has been filled. */
  readonly hasSynced: boolean;
  readonly store: Pick<Store<Pod>, "list">;
  stop(): void;
  /** Settles once the watch has stopped. */
  readonly ended: Promise<void>;
}

/** Begins to watch the pods of a node; calls back when a pod that holds amd.com/onload comes or goes. */
export type WatchPods = (node: string, onChange: () => void) => PodWatch;

/** Whether a pod is in the way of unloading a module. */
function isHolder(pod: DeepReadonly<Pod>): boolean {
  return holdsOnload(pod) && !isFinished(pod);
}

/** Labels that are kept of a pod: no pod of an honest person has so many. */
const MAX_LABELS = 500;

/**
 * Keeps what the decision on an eviction needs of pods that hold amd.com/onload, and next to nothing of other pods: anybody
 * may put pods onto a node by its name, as many and as large as the API server takes. It can be applied again.
 */
export function trimHolder(pod: Pod): Pod {
  const { labels = {} } = pod.metadata;
  const typed = { apiVersion: "v1", kind: "Pod" } as const;
  if (!isHolder(pod)) {
    return { ...typed, metadata: { ...identity(pod.metadata), ...only("labels", pluginLabelOf(labels)) } };
  }
  const { annotations = {}, ownerReferences } = pod.metadata;
  const { containers = [], initContainers = [], nodeName } = pod.spec ?? {};
  const owner = ownerReferences?.find(({ controller }) => controller);
  const holding = [...containers, ...initContainers].find(asksForOnload);
  return {
    ...typed,
    metadata: {
      ...identity(pod.metadata),
      // Disruption budgets go by them.
      labels: Object.fromEntries(Object.entries(labels).slice(0, MAX_LABELS)),
      annotations: Object.fromEntries(
        Object.entries(pick(annotations, READ_ANNOTATIONS)).map(([key, value]) => [key, value.slice(0, MAX_TEXT)]),
      ),
      ...(owner ? { ownerReferences: [trimOwner(owner)] } : {}),
    },
    spec: { ...only("nodeName", nodeName), ...(holding ? { containers: [onloadOf(holding)] } : {}) },
    // Without what its containers are at, it counts as one that has not ended, which it is.
    status: only("phase", pod.status?.phase),
  };
}

/** More of a text that anybody may write is not kept: names have 253 characters at most. */
const MAX_TEXT = 253;

function trimOwner({ apiVersion, kind, name, uid, controller }: OwnerReference): OwnerReference {
  const [shortVersion, shortKind, shortName, shortUid] = [apiVersion, kind, name, uid].map((text) =>
    text.slice(0, MAX_TEXT),
  );
  return {
    apiVersion: shortVersion!,
    kind: shortKind!,
    name: shortName!,
    uid: shortUid!,
    ...only("controller", controller),
  };
}

const READ_ANNOTATIONS = [FORCE_ANNOTATION, MIRROR_ANNOTATION];

/** A container, with what it asks for of amd.com/onload alone. */
function onloadOf({ name, resources }: Container): Container {
  const limits = pick(resources?.limits, [ONLOAD_RESOURCE]);
  const requests = pick(resources?.requests, [ONLOAD_RESOURCE]);
  return { name, resources: { limits, requests } };
}

function pluginLabelOf(labels: Readonly<Record<string, string>>): Record<string, string> | undefined {
  return PLUGIN_NAME_LABEL in labels ? pick(labels, [PLUGIN_NAME_LABEL]) : undefined;
}

/** Watches the pods of single nodes on the API server. */
export function podWatcher(client: Client, log: Logger): WatchPods {
  return (node, onChange) => {
    const stop = new AbortController();
    const informer = new Informer<Pod>({
      client,
      resource: PODS,
      fieldSelector: onNode(node),
      transform: trimHolder,
      log,
    });
    informer.subscribe(({ old, current }) => {
      if ((old && isHolder(old)) || (current && isHolder(current))) onChange();
    });
    const ended = informer.run(stop.signal);
    return {
      get hasSynced() {
        return informer.hasSynced;
      },
      store: informer.store,
      stop: () => stop.abort(),
      ended,
    };
  };
}

function onNode(node: string): string {
  return `spec.nodeName=${node}`;
}

/** The pods that hold amd.com/onload, of the nodes that were asked about. */
export class NodePods {
  readonly #client: Pick<ClusterClient, "list">;
  readonly #watch: WatchPods;
  readonly #onChange: (node: string) => void;
  readonly #inspections = new Map<string, Inspection>();

  /** @param onChange called when a pod that holds amd.com/onload comes or goes on a watched node */
  constructor(client: Pick<ClusterClient, "list">, watch: WatchPods, onChange: (node: string) => void) {
    this.#client = client;
    this.#watch = watch;
    this.#onChange = onChange;
  }

  /**
   * The pods on a node that hold amd.com/onload; undefined if they were never listed.
   *
   * @param withoutPlugin `namespace/DaemonSet` of a device plugin whose pod must have been gone when they were listed
   */
  holders(node: string, withoutPlugin?: string): DeepReadonly<Pod>[] | undefined {
    const inspection = this.#inspections.get(node);
    if (!inspection || (withoutPlugin !== undefined && inspection.plugins.has(withoutPlugin))) return undefined;
    const live = inspection.watch;
    return live?.hasSynced ? [...live.store.list()].filter(isHolder) : inspection.listed;
  }

  /** The nodes that were asked about. */
  inspected(): Iterable<string> {
    return this.#inspections.keys();
  }

  /**
   * Lists a node's pods afresh. If some hold amd.com/onload, they are followed from then on.
   *
   * @param waits whether the node only waits for its turn, so that it is not followed if many are already
   * @returns those pods
   */
  async inspect(node: string, signal: AbortSignal, waits = false): Promise<DeepReadonly<Pod>[]> {
    const options = { fieldSelector: onNode(node), transform: trimHolder, signal };
    const { items } = await this.#client.list<Pod>(PODS, options);
    const plugins = items.flatMap(({ metadata: { namespace, labels } }) => {
      const name = labels?.[PLUGIN_NAME_LABEL];
      return name === undefined ? [] : [`${namespace}/${name}`];
    });
    const listed = items.filter(isHolder);
    const known = this.#inspections.get(node)?.watch;
    const follow = listed.length > 0 && (!waits || this.#watches < MAX_WATCHES_OF_WAITING);
    const watch = known ?? (follow ? this.#watch(node, () => this.#onChange(node)) : undefined);
    this.#inspections.set(node, { listed, plugins: new Set(plugins), watch });
    return listed;
  }

  get #watches(): number {
    return [...this.#inspections.values()].filter(({ watch }) => watch !== undefined).length;
  }

  /** Whether what is known comes from a watch, which may be a moment behind. */
  isWatched(node: string): boolean {
    return this.#inspections.get(node)?.watch !== undefined;
  }

  /** Forgets a node: whoever needs its pods lists them again. */
  forget(node: string): void {
    this.#inspections.get(node)?.watch?.stop();
    this.#inspections.delete(node);
  }

  forgetAll(): void {
    for (const node of this.#inspections.keys()) this.forget(node);
  }

  /** Ends all watches. */
  async close(): Promise<void> {
    const ended = [...this.#inspections.values()].flatMap(({ watch }) => (watch ? [watch.ended] : []));
    this.forgetAll();
    await Promise.all(ended);
  }
}
