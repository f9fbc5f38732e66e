/** Which Onload resources a change concerns: the keys to reconcile. */
import { isDeepStrictEqual } from "node:util";
import type { DaemonSet, DeepReadonly, Node, Pod } from "../api/core.ts";
import type { Module } from "../api/kmm.ts";
import {
  devicePluginName,
  KMM_MODULE_NAME_LABEL,
  onloadModuleName,
  PLUGIN_NAME_LABEL,
  sfcModuleName,
} from "../api/names.ts";
import { joinKey } from "../kube/object.ts";
import type { Change } from "../kube/store.ts";
import { concerns } from "./observe/node-facts.ts";
import { nameOf, selects, type Claim } from "./observe/ownership.ts";

/** Resources that select a node, or have left something on it, before or after a change. */
export function keysOfNode({ old, current }: Change<Node>, claims: readonly Claim[]): string[] {
  if (old && current && sameButVersion(old, current)) return [];
  const versions = [old, current].filter((node) => node !== undefined);
  return claims
    .filter((claim) =>
      versions.some((node) => concerns(node, claim, selects(claim.selector, node.metadata.labels ?? {}))),
    )
    .map(nameOf);
}

/** A node's heartbeat changes nothing that is kept of it but its version. */
function sameButVersion(old: DeepReadonly<Node>, current: DeepReadonly<Node>): boolean {
  const plain = ({ metadata, ...rest }: DeepReadonly<Node>): object => ({
    ...rest,
    metadata: { ...metadata, resourceVersion: "" },
  });
  return isDeepStrictEqual(plain(old), plain(current));
}

/** The resource whose device plugin a pod is. */
export function keysOfPlugin({ old, current }: Change<Pod>): string[] {
  const { namespace, labels } = (current ?? old)!.metadata;
  return ownerByName(namespace, labels?.[PLUGIN_NAME_LABEL], [devicePluginName("")]);
}

/** The resource whose module a pod of KMM loads or unloads. */
export function keysOfKmmPod({ old, current }: Change<Pod>): string[] {
  const { namespace, labels } = (current ?? old)!.metadata;
  return ownerByName(namespace, labels?.[KMM_MODULE_NAME_LABEL], [onloadModuleName(""), sfcModuleName("")]);
}

/** The resource that a Module or DaemonSet was made for, by its name. */
export function keysOfObject({ old, current }: Change<Module> | Change<DaemonSet>): string[] {
  const { namespace, name } = (current ?? old)!.metadata;
  return ownerByName(namespace, name, [onloadModuleName(""), sfcModuleName(""), devicePluginName("")]);
}

function ownerByName(namespace: string | undefined, name: string | undefined, suffixes: string[]): string[] {
  const suffix = suffixes.find((each) => name?.endsWith(each));
  return name && suffix ? [joinKey(namespace, name.slice(0, -suffix.length))] : [];
}
