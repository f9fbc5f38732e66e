/** Objects in memory as an API server keeps them: versions, generations, finalizers, merge patches, server-side apply. */
import { isDeepStrictEqual } from "node:util";
import type { CustomResourceDefinition, DaemonSet, DeepReadonly, KubeObject, Node, Pod } from "../../../api/core.ts";
import type { Module, ModuleImagesConfig, NodeModulesConfig } from "../../../api/kmm.ts";
import { isObject, mergePatch } from "../../../kube/testing/merge-patch.ts";
import { ApiError } from "../../../kube/errors.ts";

type Json = { [field: string]: unknown };
/** An object of any kind. */
export type Stored = KubeObject & { spec?: object; status?: object };

/** What there is, by its name in paths. */
export interface Kinds {
  nodes: Node;
  pods: Pod;
  onloads: Stored;
  modules: Module & { status?: object };
  daemonsets: DaemonSet;
  nodemodulesconfigs: NodeModulesConfig;
  moduleimagesconfigs: ModuleImagesConfig;
  customresourcedefinitions: CustomResourceDefinition;
  machineconfigs: KubeObject;
  machineconfigpools: KubeObject;
  serviceaccounts: KubeObject;
  namespaces: KubeObject;
}
export type Kind = keyof Kinds;
export const KINDS = [
  "nodes",
  "pods",
  "onloads",
  "modules",
  "daemonsets",
  "nodemodulesconfigs",
  "moduleimagesconfigs",
  "customresourcedefinitions",
  "machineconfigs",
  "machineconfigpools",
  "serviceaccounts",
  "namespaces",
] as const satisfies readonly Kind[];

/** A change of an object; `old` is missing for a new one, `current` for one that is gone. */
type Listener = (kind: Kind, key: string, old: Stored | undefined, current: Stored | undefined) => void;

/** Whether labels are what a selector asks for. */
export function matches(selector: Readonly<Record<string, string>>, labels: Readonly<Record<string, string>>): boolean {
  return Object.entries(selector).every(([key, value]) => labels[key] === value);
}

export function keyOf({ metadata }: DeepReadonly<KubeObject>): string {
  return metadata.namespace ? `${metadata.namespace}/${metadata.name}` : metadata.name;
}

export function notFound(action: string): ApiError {
  return new ApiError(action, 404, { reason: "NotFound", message: "not found" });
}

export function conflict(action: string, message = "the object has been modified"): ApiError {
  return new ApiError(action, 409, { reason: "Conflict", message });
}

export class Api {
  readonly #objects = new Map<Kind, Map<string, Stored>>(KINDS.map((kind) => [kind, new Map()]));
  readonly #podsOn = new Map<string, Map<string, Pod>>();
  /** What the operator has applied, by kind and key: an apply takes away what it leaves out. */
  readonly #applied = new Map<string, Json>();
  readonly #listeners: Listener[] = [];
  #version = 1000;
  #uid = 0;
  /** Milliseconds since the epoch. */
  now = Date.UTC(2026, 0, 1);

  subscribe(listener: Listener): void {
    this.#listeners.push(listener);
  }

  time(): string {
    return `${new Date(this.now).toISOString().slice(0, 19)}Z`;
  }

  get<K extends Kind>(kind: K, key: string): Kinds[K] | undefined {
    return this.#objects.get(kind)!.get(key) as Kinds[K] | undefined;
  }

  /** Objects of a kind; safe against changes meanwhile. */
  list<K extends Kind>(kind: K): Kinds[K][] {
    return [...this.#objects.get(kind)!.values()] as Kinds[K][];
  }

  podsOn(node: string): Pod[] {
    const pods = this.#podsOn.get(node);
    return pods ? [...pods.values()] : [];
  }

  create<K extends Kind>(kind: K, object: Omit<Kinds[K], "metadata"> & { metadata: KubeObject["metadata"] }): Kinds[K] {
    const metadata = {
      ...object.metadata,
      uid: `u${++this.#uid}`,
      generation: 1,
      creationTimestamp: this.time(),
    };
    return this.#store(kind, { ...object, metadata } as unknown as Kinds[K]);
  }

  /** Replaces an object by what `change` makes of it; the same one again means that nothing changes. */
  update<K extends Kind>(kind: K, key: string, change: (object: Kinds[K]) => Kinds[K]): Kinds[K] | undefined {
    const old = this.get(kind, key);
    if (!old) return undefined;
    const next = change(old);
    return next === old ? old : this.#replace(kind, key, old, next);
  }

  /** A JSON merge patch; the same object if nothing changes. */
  mergePatch<K extends Kind>(kind: K, key: string, patch: object): Kinds[K] {
    const old = this.get(kind, key)!;
    const next = mergePatch(old, patch) as unknown as Kinds[K];
    return isDeepStrictEqual(old, next) ? old : this.#replace(kind, key, old, next);
  }

  /** Server-side apply by the one field manager that applies. Lists are atomic. */
  apply<K extends Kind>(kind: K, body: Stored, subresource: string | undefined): Kinds[K] {
    const key = keyOf(body);
    const id = `${kind} ${key} ${subresource ?? ""}`;
    const old = this.get(kind, key) as Stored | undefined;
    const { apiVersion, kind: kindName, metadata, ...rest } = body;
    const { labels, annotations } = metadata;
    const fields: Json =
      subresource === undefined
        ? { metadata: { ...(labels ? { labels } : {}), ...(annotations ? { annotations } : {}) }, ...rest }
        : { [subresource]: (body as unknown as Json)[subresource] };
    if (!old && subresource !== undefined) throw notFound(`apply ${kind} ${key}`);
    const before = old ? this.#applied.get(id) : undefined;
    this.#applied.set(id, fields);
    if (!old) {
      const made = { apiVersion, kind: kindName, metadata: { ...metadata, ...owned(undefined) }, ...rest };
      return this.create(kind, made as unknown as Kinds[K]);
    }
    let next = mergePatch(
      (before ? without(old as unknown as Json, before, fields) : old) as Json,
      fields,
    ) as unknown as Stored;
    if (subresource === undefined)
      next = { ...next, metadata: { ...next.metadata, ...owned(next.metadata.managedFields) } };
    if (isDeepStrictEqual(old, next)) return old as Kinds[K];
    return this.#replace(kind, key, old as Kinds[K], next as Kinds[K]);
  }

  /** Whoever takes over the fields of another manager removes them with the next apply that leaves them out. */
  adoptFields(kind: Kind, key: string): void {
    const object = this.get(kind, key) as Stored;
    const id = `${kind} ${key} `;
    this.#applied.set(id, { ...this.#applied.get(id), spec: object.spec });
  }

  /** Deletes: what has finalizers, or a kubelet that has to end it, stays with a deletion timestamp. */
  delete(kind: Kind, key: string): void {
    const old = this.get(kind, key) as Stored | undefined;
    if (!old || old.metadata.deletionTimestamp !== undefined) return;
    const placed = kind === "pods" && (old as Pod).spec?.nodeName !== undefined && !isFinished(old as Pod);
    if (!placed && (old.metadata.finalizers ?? []).length === 0) return this.remove(kind, key);
    const generation = (old.metadata.generation ?? 0) + 1;
    this.#replace(
      kind,
      key,
      old as Kinds[Kind],
      {
        ...old,
        metadata: { ...old.metadata, generation, deletionTimestamp: this.time() },
      } as Kinds[Kind],
    );
  }

  /** Takes an object away at once. */
  remove(kind: Kind, key: string): void {
    const old = this.get(kind, key) as Stored | undefined;
    if (!old) return;
    this.#objects.get(kind)!.delete(key);
    for (const id of ["", "status"]) this.#applied.delete(`${kind} ${key} ${id}`);
    const node = kind === "pods" ? (old as Pod).spec?.nodeName : undefined;
    if (node !== undefined) this.#podsOn.get(node)?.delete(key);
    for (const listener of this.#listeners) listener(kind, key, old, undefined);
  }

  #replace<K extends Kind>(kind: K, key: string, old: Kinds[K], next: Kinds[K]): Kinds[K] {
    const { metadata } = next;
    if (metadata.deletionTimestamp !== undefined && (metadata.finalizers ?? []).length === 0 && kind !== "pods") {
      this.remove(kind, key);
      return next;
    }
    const before = old as Stored;
    const after = next as Stored;
    const edited = after.spec !== before.spec && !isDeepStrictEqual(after.spec, before.spec);
    const generation = metadata.generation ?? 1;
    return this.#store(kind, { ...next, metadata: { ...metadata, generation: edited ? generation + 1 : generation } });
  }

  #store<K extends Kind>(kind: K, object: Kinds[K]): Kinds[K] {
    const key = keyOf(object);
    const objects = this.#objects.get(kind)!;
    const old = objects.get(key);
    const resourceVersion = String(++this.#version);
    const stored = { ...object, metadata: { ...object.metadata, resourceVersion } };
    objects.set(key, stored as Stored);
    if (kind === "pods") {
      const node = (stored as Pod).spec?.nodeName;
      if (node !== undefined) {
        const pods = this.#podsOn.get(node) ?? new Map<string, Pod>();
        this.#podsOn.set(node, pods.set(key, stored as Pod));
      }
    }
    for (const listener of this.#listeners) listener(kind, key, old, stored as Stored);
    return stored;
  }
}

export function isFinished(pod: DeepReadonly<Pod>): boolean {
  return pod.status?.phase === "Succeeded" || pod.status?.phase === "Failed";
}

type Managed = NonNullable<KubeObject["metadata"]["managedFields"]>;

/** The record of the operator's own apply, beside the records of other managers. */
function owned(managedFields: Managed | undefined): { managedFields: Managed } {
  const others = (managedFields ?? []).filter(({ manager }) => manager !== "onloadctl");
  const mine = { manager: "onloadctl", operation: "Apply" as const, fieldsV1: { "f:spec": {} } };
  return { managedFields: [...others, mine] };
}

/** `target` less the leaves of `before` that are not in `after`. */
function without(target: Json, before: Json, after: Json): Json {
  const out = { ...target };
  for (const [field, value] of Object.entries(before)) {
    const next = after[field];
    if (next === undefined) delete out[field];
    else if (isObject(value) && isObject(next) && isObject(out[field])) out[field] = without(out[field], value, next);
  }
  return out;
}
