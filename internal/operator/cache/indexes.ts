/** By what objects are found that are asked for of all nodes: to look at each whenever one changes costs more than a plan. */
import type { DeepReadonly, KubeObject, Node } from "../../api/core.ts";
import { kernelOf } from "../../api/kernel-tag.ts";
import { ALLOW_DELETION_ANNOTATION } from "../../api/names.ts";
import { Store, type IndexFunction } from "../../kube/store.ts";

/** Whether a person has opened the way for what the admission policies refuse. */
export function isOpened({ metadata }: DeepReadonly<KubeObject>): boolean {
  return metadata.annotations?.[ALLOW_DELETION_ANNOTATION] === "true";
}

/** Finds under "true" the objects for which {@link isOpened}. */
export const OPENED_INDEX: Record<"opened", IndexFunction<KubeObject>> = {
  opened: (object) => (isOpened(object) ? ["true"] : []),
};

/** Finds nodes by the version of their kernel, too. */
export const NODE_INDEXES: Record<"opened" | "kernel", IndexFunction<Node>> = {
  ...OPENED_INDEX,
  kernel: (node) => [kernelOf(node)],
};

/** Nodes as the cache of nodes has them. */
export function nodeStore(nodes: Iterable<DeepReadonly<Node>>): Store<Node, keyof typeof NODE_INDEXES> {
  const store = new Store(NODE_INDEXES);
  for (const node of nodes) store.set(node);
  return store;
}
