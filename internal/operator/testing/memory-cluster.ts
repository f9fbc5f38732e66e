/**
 * An API server in memory with the operator's caches beside it, for unit tests of what acts: every call is recorded, can
 * be held up and can fail, and the caches can be left behind.
 */
import type { KubeObject, Pod } from "../../api/core.ts";
import type { Resource } from "../../api/resources.ts";
import { KMM_IMAGE_OWNER_LABEL, KMM_MODULE_NAME_LABEL, PLUGIN_NAME_LABEL } from "../../api/names.ts";
import { ApiError } from "../../kube/errors.ts";
import { joinKey, objectKey } from "../../kube/object.ts";
import { refOf, type ObjectRef } from "../../kube/resource.ts";
import { mergePatch } from "../../kube/testing/merge-patch.ts";
import { Store, type Change } from "../../kube/store.ts";
import type { ReconcilerCaches } from "../cache/caches.ts";
import { NODE_INDEXES, OPENED_INDEX } from "../cache/indexes.ts";
import type { Fence } from "../../kube/client.ts";
import type { ClusterClient, FencedClient } from "../cache/cluster-client.ts";
import { checkedClient } from "./checked-client.ts";

/** One call to the API server. */
export interface Call {
  verb: keyof ClusterClient;
  /** Plural of the resource, and "status" behind a slash if that was written. */
  what: string;
  name: string;
  body?: unknown;
  options: Record<string, unknown>;
}

type Stores = { [K in keyof ReconcilerCaches]: Store<KubeObject> };

export class MemoryCluster implements FencedClient {
  readonly caches: ReconcilerCaches;
  readonly calls: Call[] = [];
  /** Called before each call: may throw what the call is to fail with, or take its time. */
  before: (call: Call) => Promise<void> | void = () => undefined;
  /** Told of every change that a cache sees. */
  onChange: (cache: keyof ReconcilerCaches, change: Change<KubeObject>) => void = () => undefined;
  /** While true, the caches learn nothing but what the operator tells them. */
  behind = false;
  /** What an admission webhook makes of what the operator patches. */
  mutate: (object: KubeObject) => KubeObject = (object) => object;
  /** Why evictions are refused. */
  budget: string | undefined;
  /** By the pods' names. */
  readonly logs = new Map<string, string>();
  readonly #stores: Stores;
  /** By plural and key. */
  readonly #objects = new Map<string, { resource: Resource; object: KubeObject }>();
  #version = 0;

  constructor() {
    const onNode = (pod: Pod): string[] => (pod.spec?.nodeName ? [pod.spec.nodeName] : []);
    const pods = (): Store<KubeObject> => new Store<KubeObject>({ node: onNode } as never);
    const plain = (): Store<KubeObject> => new Store<KubeObject>();
    const module = ({ metadata }: Pod): string[] => [
      joinKey(metadata.namespace ?? "", metadata.labels?.[KMM_IMAGE_OWNER_LABEL] ?? ""),
    ];
    this.#stores = {
      onloads: plain(),
      nodes: new Store<KubeObject>(NODE_INDEXES as never),
      plugins: pods(),
      kmmPods: pods(),
      pullPods: new Store<KubeObject>({ module } as never),
      daemonSets: plain(),
      modules: plain(),
      nodeModulesConfigs: new Store<KubeObject>(OPENED_INDEX),
      moduleImagesConfigs: plain(),
      machineConfigs: plain(),
      machineConfigPools: plain(),
      crds: plain(),
      namespaces: plain(),
      policyBindings: plain(),
      policies: plain(),
    };
    const cache = ([name, store]: [string, Store<KubeObject>]): [string, object] => {
      const observe = (object: KubeObject): void => {
        const cached = store.get(objectKey(object));
        if (cached?.metadata.uid !== object.metadata.uid) return;
        if (Number(cached?.metadata.resourceVersion) >= Number(object.metadata.resourceVersion)) return;
        this.onChange(name as keyof Stores, store.set(structuredClone(object)));
      };
      return [name, { store, observe }];
    };
    this.caches = Object.fromEntries(Object.entries(this.#stores).map(cache)) as unknown as ReconcilerCaches;
  }

  /** Somebody else creates or changes an object. */
  put<T extends KubeObject>(resource: Resource, object: T): T {
    const id = idOf(resource, refOf(object));
    const old = this.#objects.get(id)?.object;
    const { uid = old?.metadata.uid ?? `${object.metadata.name}-${++this.#version}` } = object.metadata;
    const stored = structuredClone(object);
    stored.metadata = { ...stored.metadata, uid, resourceVersion: String(++this.#version) };
    this.#objects.set(id, { resource, object: stored });
    this.#tell(resource, stored);
    return structuredClone(stored);
  }

  /** Somebody else changes part of an object. */
  edit<T extends KubeObject>(resource: Resource, ref: ObjectRef, change: (object: T) => void): T {
    const object = structuredClone(this.object<T>(resource, ref)!);
    change(object);
    return this.put(resource, object);
  }

  /** An object is gone. */
  remove(resource: Resource, ref: ObjectRef): void {
    const id = idOf(resource, ref);
    const old = this.#objects.get(id)?.object;
    if (!old) return;
    this.#objects.delete(id);
    this.#version++;
    this.#tellGone(resource, old);
  }

  /** An object as the API server has it. */
  // oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- the caller says what it asks for, as with Client
  object<T extends KubeObject>(resource: Resource, ref: ObjectRef): T | undefined {
    return this.#objects.get(idOf(resource, ref))?.object as T | undefined;
  }

  /** Grows with every change. */
  get version(): number {
    return this.#version;
  }

  /** The pods on a node, or all. */
  podsOn(node?: string): Pod[] {
    return [...this.#objects.values()]
      .filter(({ resource }) => resource.plural === "pods")
      .map(({ object }) => object as unknown as Pod)
      .filter(({ spec }) => node === undefined || spec?.nodeName === node);
  }

  /** Brings the caches up to date. */
  catchUp(): void {
    this.behind = false;
    for (const [name, store] of Object.entries(this.#stores)) {
      for (const object of store.list()) {
        const id = [...this.#objects].find(([, each]) => each.object.metadata.uid === object.metadata.uid);
        if (!id) this.#emit(name as keyof Stores, store.delete(objectKey(object)));
      }
    }
    for (const { resource, object } of this.#objects.values()) this.#tell(resource, object);
  }

  /** Calls since the last time this was asked, as "verb what name". */
  take(): string[] {
    return this.calls.splice(0).map(({ verb, what, name }) => `${verb} ${what}${name ? ` ${name}` : ""}`);
  }

  fencedBy(fence: Fence): ClusterClient {
    return checkedClient(this, fence);
  }

  async get<T extends KubeObject>(resource: Resource, ref: ObjectRef, options = {}): Promise<T | undefined> {
    await this.#called({ verb: "get", what: resource.plural, name: ref.name, options });
    return structuredClone(this.object<T>(resource, ref));
  }

  // oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- the caller says what it asks for, as with Client
  async list<T extends KubeObject>(
    resource: Resource,
    options: { fieldSelector?: string; labelSelector?: string; namespace?: string | undefined } = {},
  ): Promise<{ items: T[]; resourceVersion: string }> {
    const { fieldSelector, labelSelector } = options;
    await this.#called({ verb: "list", what: resource.plural, name: fieldSelector ?? labelSelector ?? "", options });
    const [field, value] = fieldSelector?.split("=") ?? [];
    const labels = labelSelector?.split(",").map((each) => each.split("=")) ?? [];
    const has = (object: KubeObject): boolean =>
      field === "spec.nodeName"
        ? (object as Pod).spec?.nodeName === value
        : (object as unknown as Record<string, unknown>)[field ?? ""] === value;
    const all = [...this.#objects.values()].filter((each) => each.resource.plural === resource.plural);
    const items = all
      .map(({ object }) => object as T)
      .filter((object) => field === undefined || has(object))
      .filter(({ metadata }) => labels.every(([label = "", wanted]) => metadata.labels?.[label] === wanted))
      .filter(({ metadata }) => options.namespace === undefined || metadata.namespace === options.namespace);
    return { items: structuredClone(items), resourceVersion: String(this.#version) };
  }

  async mergePatch<T extends KubeObject>(
    resource: Resource,
    ref: ObjectRef,
    patch: object,
    options: { resourceVersion?: string | undefined } = {},
  ): Promise<T> {
    await this.#called({ verb: "mergePatch", what: resource.plural, name: ref.name, body: patch, options });
    const old = this.#existing<T>(resource, ref, "patch");
    const { resourceVersion } = options;
    if (resourceVersion !== undefined && resourceVersion !== old.metadata.resourceVersion) {
      throw refusal(`patch ${resource.plural} ${ref.name}`, 409, "Conflict");
    }
    const made = this.mutate(mergePatch(old, patch) as unknown as T) as T;
    if (made.metadata.deletionTimestamp && (made.metadata.finalizers ?? []).length === 0) {
      this.remove(resource, ref);
      return made;
    }
    return this.put(resource, made);
  }

  async apply<T extends KubeObject>(
    resource: Resource,
    desired: object,
    options: { subresource?: string } = {},
  ): Promise<T> {
    const body = JSON.parse(JSON.stringify(desired)) as T & { spec?: unknown; status?: unknown };
    const ref = refOf(body);
    const { subresource } = options;
    const what = resource.plural + (subresource ? `/${subresource}` : "");
    await this.#called({ verb: "apply", what, name: ref.name, body, options });
    const old = subresource ? this.#existing<T>(resource, ref, "apply") : this.object<T>(resource, ref);
    const { resourceVersion } = body.metadata;
    if (resourceVersion !== undefined && resourceVersion !== old?.metadata.resourceVersion) {
      throw refusal(`apply ${what} ${ref.name}`, 409, "Conflict");
    }
    if (subresource === "status") return this.put(resource, { ...old, status: body.status } as unknown as T);
    const changed = JSON.stringify(body.spec) !== JSON.stringify((old as typeof body | undefined)?.spec);
    const generation = (old?.metadata.generation ?? 0) + (changed ? 1 : 0);
    const labels = { ...old?.metadata.labels, ...body.metadata.labels };
    return this.put(resource, {
      ...old,
      ...body,
      metadata: { ...old?.metadata, ...body.metadata, labels, generation },
    });
  }

  async delete(resource: Resource, ref: ObjectRef, options: { uid?: string | undefined } = {}): Promise<boolean> {
    await this.#called({ verb: "delete", what: resource.plural, name: ref.name, options });
    const old = this.object(resource, ref);
    if (!old) return false;
    if (options.uid !== undefined && options.uid !== old.metadata.uid) {
      throw refusal(`delete ${resource.plural} ${ref.name}`, 409, "Conflict");
    }
    if ((old.metadata.finalizers ?? []).length === 0) this.remove(resource, ref);
    else this.edit(resource, ref, ({ metadata }) => (metadata.deletionTimestamp ??= "2026-01-01T00:00:00Z"));
    return true;
  }

  async evict(ref: ObjectRef, options: { uid?: string | undefined } = {}): Promise<"evicted" | "gone"> {
    await this.#called({ verb: "evict", what: "pods", name: ref.name, options });
    const pods = { plural: "pods" } as Resource;
    const old = this.object(pods, ref);
    if (!old || (options.uid !== undefined && options.uid !== old.metadata.uid)) return "gone";
    if (this.budget !== undefined) {
      const causes = [{ reason: "DisruptionBudget", message: this.budget }];
      throw new ApiError(`evict pod ${ref.name}`, 429, { reason: "TooManyRequests", details: { causes } });
    }
    this.remove(this.#objects.get(idOf(pods, ref))!.resource, ref);
    return "evicted";
  }

  async podLog(ref: ObjectRef, options = {}): Promise<string | undefined> {
    await this.#called({ verb: "podLog", what: "pods", name: ref.name, options });
    return this.logs.get(ref.name);
  }

  async #called(call: Call): Promise<void> {
    this.calls.push(call);
    await this.before(call);
    (call.options["signal"] as AbortSignal | undefined)?.throwIfAborted();
  }

  // oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- the caller says what it asks for, as with Client
  #existing<T extends KubeObject>(resource: Resource, ref: ObjectRef, verb: string): T {
    const object = this.object<T>(resource, ref);
    if (!object) throw refusal(`${verb} ${resource.plural} ${ref.name}`, 404, "NotFound");
    return object;
  }

  #tell(resource: Resource, object: KubeObject): void {
    if (this.behind) return;
    for (const name of cachesOf(resource, object)) {
      const store = this.#stores[name];
      if (store.get(objectKey(object))?.metadata.resourceVersion === object.metadata.resourceVersion) continue;
      this.#emit(name, store.set(structuredClone(object)));
    }
  }

  #tellGone(resource: Resource, object: KubeObject): void {
    if (this.behind) return;
    for (const name of cachesOf(resource, object)) this.#emit(name, this.#stores[name].delete(objectKey(object)));
  }

  #emit(name: keyof Stores, change: Change<KubeObject> | undefined): void {
    if (change) this.onChange(name, change);
  }
}

/** An error as the API server answers it. */
export function refusal(action: string, status: number, reason: string): ApiError {
  return new ApiError(action, status, { reason });
}

function idOf({ plural }: Pick<Resource, "plural">, { namespace, name }: ObjectRef): string {
  return `${plural}/${namespace ?? ""}/${name}`;
}

/** The caches that follow an object. */
function cachesOf({ plural }: Resource, { metadata: { labels = {} } }: KubeObject): (keyof Stores)[] {
  switch (plural) {
    case "pods":
      return [
        ...(PLUGIN_NAME_LABEL in labels ? ["plugins" as const] : []),
        ...(KMM_MODULE_NAME_LABEL in labels ? ["kmmPods" as const] : []),
        ...(KMM_IMAGE_OWNER_LABEL in labels ? ["pullPods" as const] : []),
      ];
    case "daemonsets":
      return ["daemonSets"];
    case "nodemodulesconfigs":
      return ["nodeModulesConfigs"];
    case "moduleimagesconfigs":
      return ["moduleImagesConfigs"];
    case "machineconfigs":
      return ["machineConfigs"];
    case "machineconfigpools":
      return ["machineConfigPools"];
    case "customresourcedefinitions":
      return ["crds"];
    case "namespaces":
      return ["namespaces"];
    case "validatingadmissionpolicybindings":
      return ["policyBindings"];
    case "validatingadmissionpolicies":
      return ["policies"];
    case "onloads":
    case "nodes":
    case "modules":
      return [plural];
    default:
      return [];
  }
}
