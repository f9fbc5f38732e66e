/** The operator's caches in memory, behind the {@link Api} for as long as a history wants. */
import type { DaemonSet, KubeObject, Node, Pod } from "../../../api/core.ts";
import { NODE_INDEXES, OPENED_INDEX } from "../../cache/indexes.ts";
import type { ReconcilerCaches } from "../../cache/caches.ts";
import {
  trimCrd,
  trimDaemonSet,
  trimModule,
  trimNamespace,
  trimNode,
  trimNodeModulesConfig,
  trimPod,
  trimPool,
  trimPodWithImages,
  trimToLabels,
  withoutManagedFields,
} from "../../cache/trim.ts";
import { Store } from "../../../kube/store.ts";
import { type Api, keyOf, type Kind, type Stored } from "./api.ts";
import { KMM_IMAGE_OWNER, KMM_MODULE_NAME, PLUGIN_NAME } from "./names.ts";

export type CacheName = keyof ReconcilerCaches;

interface CacheOptions {
  kind: Kind;
  holds?: (object: Stored) => boolean;
  trim: (object: never) => KubeObject;
  indexes?: Record<string, (object: never) => readonly string[]>;
}

const onNode = { node: (pod: Pod) => (pod.spec?.nodeName ? [pod.spec.nodeName] : []) };
const labelled =
  (label: string) =>
  ({ metadata }: Stored): boolean =>
    metadata.labels?.[label] !== undefined;
const bare = (object: KubeObject): KubeObject => ({ ...object, metadata: withoutManagedFields(object.metadata) });

const CACHES: Record<CacheName, CacheOptions> = {
  onloads: { kind: "onloads", trim: bare },
  nodes: { kind: "nodes", trim: (node: Node) => trimNode(node), indexes: NODE_INDEXES },
  plugins: { kind: "pods", holds: labelled(PLUGIN_NAME), trim: trimPod as never, indexes: onNode },
  kmmPods: { kind: "pods", holds: labelled(KMM_MODULE_NAME), trim: trimPodWithImages as never, indexes: onNode },
  pullPods: {
    kind: "pods",
    holds: labelled(KMM_IMAGE_OWNER),
    trim: trimPodWithImages as never,
    indexes: { module: ({ metadata }: Pod) => [`${metadata.namespace}/${metadata.labels?.[KMM_IMAGE_OWNER]}`] },
  },
  daemonSets: {
    kind: "daemonsets",
    holds: ({ metadata }) => metadata.labels?.["app.kubernetes.io/component"] === "device-plugin",
    trim: (daemonSet: DaemonSet) => trimDaemonSet(daemonSet),
  },
  modules: { kind: "modules", trim: trimModule as never },
  nodeModulesConfigs: { kind: "nodemodulesconfigs", trim: trimNodeModulesConfig as never, indexes: OPENED_INDEX },
  moduleImagesConfigs: { kind: "moduleimagesconfigs", trim: bare },
  machineConfigs: { kind: "machineconfigs", trim: trimToLabels },
  machineConfigPools: { kind: "machineconfigpools", trim: trimPool as never },
  namespaces: { kind: "namespaces", trim: trimNamespace },
  crds: { kind: "customresourcedefinitions", trim: trimCrd as never },
  // No namespace ends in the model, and it has no admission.
  policyBindings: { kind: "serviceaccounts", holds: () => false, trim: bare },
  policies: { kind: "serviceaccounts", holds: () => false, trim: bare },
};
export const CACHE_NAMES = Object.keys(CACHES) as CacheName[];

/** One cache. */
class Cache {
  readonly store: Store<KubeObject>;
  /** The same objects untouched by the operator's own code, which is judged by what it could have seen. */
  readonly whole = new Map<string, KubeObject>();
  readonly #options: CacheOptions;
  readonly #api: Api;
  readonly #behind = new Set<string>();
  #observed = false;

  constructor(api: Api, options: CacheOptions) {
    this.#api = api;
    this.#options = options;
    this.store = new Store<KubeObject>(options.indexes as never);
    for (const object of api.list(options.kind)) this.note(options.kind, keyOf(object));
    this.sync();
  }

  note(kind: Kind, key: string): void {
    if (kind === this.#options.kind) this.#behind.add(key);
  }

  /** Catches up; gives whether anything has changed since the last time, by what writes answered too. */
  sync(): boolean {
    let changed = this.#observed;
    this.#observed = false;
    const { kind, holds } = this.#options;
    for (const key of this.#behind) {
      const object = this.#api.get(kind, key) as Stored | undefined;
      const cached = this.store.get(key);
      if (object && (!holds || holds(object))) {
        if (cached?.metadata.resourceVersion === object.metadata.resourceVersion) continue;
        this.#set(object);
        changed = true;
      } else if (cached) {
        this.store.delete(key);
        this.whole.delete(key);
        changed = true;
      }
    }
    this.#behind.clear();
    return changed;
  }

  /** What a write answered: never older than what is there. */
  observe(object: KubeObject): void {
    const cached = this.store.get(keyOf(object));
    if (!cached || cached.metadata.uid !== object.metadata.uid) return;
    if (Number(object.metadata.resourceVersion) <= Number(cached.metadata.resourceVersion)) return;
    this.#set(object);
    this.#observed = true;
  }

  #set(object: KubeObject): void {
    this.store.set(this.#options.trim(object as never));
    this.whole.set(keyOf(object), object);
  }
}

export class ModelCaches {
  readonly #caches: Record<CacheName, Cache>;

  constructor(api: Api) {
    const entries = CACHE_NAMES.map((name) => [name, new Cache(api, CACHES[name])] as const);
    this.#caches = Object.fromEntries(entries) as Record<CacheName, Cache>;
  }

  get forOperator(): ReconcilerCaches {
    return this.#caches as unknown as ReconcilerCaches;
  }

  /** What the operator could have seen in a cache, without what its own code makes of it. */
  seen<T extends KubeObject>(name: CacheName): T[] {
    return [...this.#caches[name].whole.values()] as T[];
  }

  note(kind: Kind, key: string): void {
    for (const name of CACHE_NAMES) this.#caches[name].note(kind, key);
  }

  sync(names: readonly CacheName[]): boolean {
    let changed = false;
    for (const name of names) changed = this.#caches[name].sync() || changed;
    return changed;
  }
}
