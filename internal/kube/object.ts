import type { DeepReadonly, KubeObject } from "../api/core.ts";

/** An object's cache and queue key: `namespace/name`, or `name` if it is cluster-scoped. */
export function objectKey(object: DeepReadonly<KubeObject>): string {
  return joinKey(object.metadata.namespace, object.metadata.name);
}

/** `namespace/name`, or `name` without a namespace. */
export function joinKey(namespace: string | undefined, name: string): string {
  return namespace ? `${namespace}/${name}` : name;
}

/** `namespace/name` of a namespaced object. */
export function namespacedName({ namespace, name }: { namespace: string; name: string }): string {
  return joinKey(namespace, name);
}

/** The parts of a key that {@link objectKey} made. */
export function splitKey(key: string): { namespace?: string; name: string } {
  const slash = key.indexOf("/");
  return slash < 0 ? { name: key } : { namespace: key.slice(0, slash), name: key.slice(slash + 1) };
}

/** Whether a resource version is a later one. Those of one resource are decimal numbers that only grow (KEP-5504). */
export function isNewerVersion(a: string, b: string): boolean {
  return a.length === b.length ? a > b : a.length > b.length;
}
