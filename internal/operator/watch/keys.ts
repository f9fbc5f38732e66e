/** Which Onload resources a change concerns: the keys to reconcile. */
import { isDeepStrictEqual } from "node:util";
import type { DaemonSet, Node, Pod, DeepReadonly, KubeObject } from "../../api/core.ts";
import type { Module, ModuleImagesConfig } from "../../api/kmm.ts";
import {
  devicePluginName,
  KMM_IMAGE_OWNER_LABEL,
  KMM_MODULE_NAME_LABEL,
  onloadModuleName,
  PLUGIN_NAME_LABEL,
  sfcModuleName,
} from "../../api/names.ts";
import { joinKey, namespacedName } from "../../kube/object.ts";
import type { Change } from "../../kube/store.ts";
import { concerns } from "../observe/node.ts";
import { hasLabels } from "../../api/label-selector.ts";
import type { Claim } from "../observe/ownership.ts";

/** Resources that select a node, or have left something on it, before or after a change. */
export function keysOfNode(change: Change<Node>, claims: readonly Claim[]): string[] {
  if (sameButVersion(change)) return [];
  const versions = [change.old, change.current].filter((node) => node !== undefined);
  return claims
    .filter((claim) =>
      versions.some((node) => concerns(node, claim, hasLabels(claim.selector, node.metadata.labels ?? {}))),
    )
    .map(namespacedName);
}

/** Heartbeats and counters change nothing that is kept of an object but its version. */
function sameButVersion<T extends KubeObject>({ old, current }: Change<T>): boolean {
  if (!old || !current) return false;
  const plain = ({ metadata, ...rest }: DeepReadonly<KubeObject>): object => ({
    ...rest,
    metadata: { ...metadata, resourceVersion: "" },
  });
  return isDeepStrictEqual(plain(old), plain(current));
}

/** Before the scheduler has placed it, a pod says nothing of any node. */
function isUnplaced({ old, current }: Change<Pod>): boolean {
  return old?.spec?.nodeName === undefined && current?.spec?.nodeName === undefined;
}

/** The resource whose device plugin a pod is. */
export function keysOfPlugin(change: Change<Pod>): string[] {
  if (isUnplaced(change) || sameButVersion<KubeObject>(change)) return [];
  const { namespace, labels } = (change.current ?? change.old)!.metadata;
  return ownerByName(namespace, labels?.[PLUGIN_NAME_LABEL], [devicePluginName("")]);
}

/** The resource whose module a pod of KMM loads or unloads. */
export function keysOfKmmPod(change: Change<Pod>): string[] {
  return isUnplaced(change) ? [] : keysOfModulePod(change, KMM_MODULE_NAME_LABEL);
}

/** The resource whose module's image a pod of KMM looks for. */
export function keysOfPullPod(change: Change<Pod>): string[] {
  return keysOfModulePod(change, KMM_IMAGE_OWNER_LABEL);
}

function keysOfModulePod(change: Change<Pod>, label: string): string[] {
  if (sameButVersion<KubeObject>(change)) return [];
  const { namespace, labels } = (change.current ?? change.old)!.metadata;
  return ownerByName(namespace, labels?.[label], [onloadModuleName(""), sfcModuleName("")]);
}

/** The resource that a Module, its images' list or a DaemonSet was made for, by its name. */
export function keysOfObject(change: Change<Module> | Change<ModuleImagesConfig> | Change<DaemonSet>): string[] {
  if (sameButVersion<KubeObject>(change)) return [];
  const { namespace, name } = (change.current ?? change.old)!.metadata;
  return ownerByName(namespace, name, [onloadModuleName(""), sfcModuleName(""), devicePluginName("")]);
}

function ownerByName(namespace: string | undefined, name: string | undefined, suffixes: string[]): string[] {
  const suffix = suffixes.find((each) => name?.endsWith(each));
  return name && suffix ? [joinKey(namespace, name.slice(0, -suffix.length))] : [];
}
