/** Onload resources, KMM's CRDs and pods of applications. */
import type { CustomResourceDefinition, DeepReadonly, KubeObject, Node, Pod } from "../../../api/core.ts";
import { type Api, isFinished, keyOf, matches, type Stored } from "./api.ts";
import { offers } from "./kubelet.ts";
import { type Key, ownLabels, pluginLabel, RESOURCE } from "./names.ts";
import { amountOf, isNodeReady, isTainted, type Machine, type World } from "./world.ts";

/** spec of an Onload resource, as far as histories edit it. */
export interface Spec {
  selector: Record<string, string>;
  serviceAccountName: string;
  onload: {
    version: string;
    userImage: string;
    kernelMappings: { regexp: string; kernelModuleImage: string; sfc?: object }[];
  };
  devicePlugin: { maxPodsPerNode: number };
  upgrade: {
    maxUnavailable: number | string;
    paused: boolean;
    onFailure: "Halt" | "Rollback";
    stepTimeoutSeconds: number;
    drain: { timeoutSeconds: number; force: boolean; gracePeriodSeconds?: number };
  };
}

export interface Status {
  observedGeneration?: number;
  version?: string;
  selector?: Record<string, string>;
  conditions?: { type: string; status: string; reason: string; message: string }[];
  nodes?: { desired: number; updated: number; ready: number; upgrading: number; failed: number };
  problems?: { node: string; step: string; reason: string; message: string }[];
  lastReady?: { version: string };
  rollback?: { fromVersion: string; toVersion: string; since: string; retry?: string };
}

export interface OnloadObject extends KubeObject {
  spec: Spec;
  status?: Status;
}

const DRAIN_SECONDS = 300;
const STEP_SECONDS = 900;

/** The image of a version; a later revision is another image of the same version. */
export function moduleImage(version: string, revision: number): string {
  return `registry/onload-module:${version}.${revision}-\${KERNEL_FULL_VERSION}`;
}

/** Every kernel of the model. */
export const EVERY_KERNEL = "^[56]\\.";

export function createOnload(api: Api, key: Key, selector: Record<string, string>, sfc: boolean): void {
  const mapping = { regexp: EVERY_KERNEL, kernelModuleImage: moduleImage("v1", 1), ...(sfc ? { sfc: {} } : {}) };
  const spec: Spec = {
    selector,
    serviceAccountName: "onload-sa",
    onload: { version: "v1", userImage: "registry/onload-user:v1", kernelMappings: [mapping] },
    devicePlugin: { maxPodsPerNode: 100 },
    upgrade: {
      maxUnavailable: 1,
      paused: false,
      onFailure: "Halt",
      stepTimeoutSeconds: STEP_SECONDS,
      drain: { timeoutSeconds: DRAIN_SECONDS, force: false },
    },
  };
  api.create("onloads", {
    apiVersion: "onload.amd.com/v1alpha1",
    kind: "Onload",
    metadata: { ...key, labels: { "example.com/team": "trading" } },
    spec,
  });
}

export function onloadsOf(api: Api): OnloadObject[] {
  return api.list("onloads") as unknown as OnloadObject[];
}

export function onloadAt(api: Api, key: string): OnloadObject | undefined {
  return api.get("onloads", key) as unknown as OnloadObject | undefined;
}

export function editSpec(api: Api, key: string, edit: (spec: Spec) => void): void {
  api.update("onloads", key, (old) => {
    const spec = structuredClone(old.spec) as unknown as Spec;
    edit(spec);
    return { ...old, spec } as Stored;
  });
}

export function keyFrom({ metadata }: DeepReadonly<KubeObject>): Key {
  return { namespace: metadata.namespace ?? "", name: metadata.name };
}

/** Names a change of the selector, as a person has seen it. */
export function changeOf({ metadata: { uid, generation }, spec }: DeepReadonly<OnloadObject>): string {
  return JSON.stringify([uid, generation, spec.selector]);
}

/** The selector by which a resource has its nodes: that of the status, until the operator has taken over the spec's. */
export function selectorOf({ spec, status }: DeepReadonly<OnloadObject>): Readonly<Record<string, string>> {
  return status?.selector ?? spec.selector;
}

/**
 * Whether a resource keeps a node: of those that claim it and are not being deleted, the one that has something there, or
 * else the oldest.
 */
export function keeps(
  { metadata: { uid } }: DeepReadonly<OnloadObject>,
  onloads: readonly DeepReadonly<OnloadObject>[],
  node: DeepReadonly<Node>,
): boolean {
  const { labels = {}, annotations = {} } = node.metadata;
  const isThere = (onload: DeepReadonly<OnloadObject>): boolean => {
    const key = keyFrom(onload);
    const own = ownLabels(key).filter((label) => !label.startsWith("beta."));
    return own.some((label) => label in labels) || `${pluginLabel(key)}.step` in annotations;
  };
  const rank = (onload: DeepReadonly<OnloadObject>): string =>
    `${isThere(onload) ? 0 : 1} ${onload.metadata.creationTimestamp} ${keyOf(onload as unknown as KubeObject)}`;
  const [first] = onloads
    .filter((onload) => matches(selectorOf(onload), labels) && onload.metadata.deletionTimestamp === undefined)
    .sort((a, b) => (rank(a) < rank(b) ? -1 : 1));
  return first?.metadata.uid === uid;
}

/** CRDs of a version of KMM, as far as anybody reads them. */
export function kmmCrds(kmm: 1 | 2): CustomResourceDefinition[] {
  const field = {};
  const container =
    kmm === 2 ? { inTreeModuleToRemove: field, inTreeModulesToRemove: field } : { inTreeModuleToRemove: field };
  const spec = {
    ...(kmm === 2 ? { tolerations: field } : {}),
    moduleLoader: { properties: { container: { properties: container } } },
  };
  const crd = (kind: string, plural: string, properties: object): CustomResourceDefinition => ({
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `${plural}.kmm.sigs.x-k8s.io` },
    spec: {
      group: "kmm.sigs.x-k8s.io",
      scope: "Namespaced",
      names: { kind, plural },
      versions: [
        {
          name: "v1beta1",
          served: true,
          storage: true,
          schema: { openAPIV3Schema: { properties: properties as never } },
        },
      ],
    },
  });
  const module = crd("Module", "modules", { spec: { properties: spec } });
  if (kmm === 1) return [module];
  return [
    module,
    crd("NodeModulesConfig", "nodemodulesconfigs", {}),
    crd("ModuleImagesConfig", "moduleimagesconfigs", {}),
  ];
}

/** How a pod of an application asks for amd.com/onload, or does not any more. */
export const WORKLOADS = [
  "plain",
  "init",
  "sidecar",
  "quantity",
  "bare",
  "daemon",
  "static",
  "finished",
  "other",
] as const;
export type Workload = (typeof WORKLOADS)[number];

/** A pod is placed where the API shows the resource, and admitted where the plugin has it. */
export function schedule(world: World, machine: Machine, what: Workload, serial: number): void {
  const node = world.api.get("nodes", machine.name);
  if (!node || !isNodeReady(node) || node.spec?.unschedulable || isTainted(node) || amountOf(node) === "0") return;
  if (
    !offers(world, machine) ||
    world.api.podsOn(machine.name).filter(({ metadata }) => metadata.namespace === "apps").length >= 3
  )
    return;
  world.api.create("pods", workload(machine.name, what, serial));
}

function workload(node: string, what: Workload, serial: number): Pod {
  const limits = { [RESOURCE]: what === "quantity" ? "1k" : "1" };
  const asks = { name: "app", resources: { limits, requests: limits } };
  const rests = { name: "app", resources: { requests: { cpu: "1", [RESOURCE]: "0" } } };
  const spec = {
    init: { containers: [rests], initContainers: [asks] },
    sidecar: { containers: [rests], initContainers: [{ ...asks, restartPolicy: "Always" }] },
    other: { containers: [rests] },
  }[what as string] ?? { containers: [asks] };
  const owner = {
    apiVersion: "apps/v1",
    kind: what === "daemon" ? "DaemonSet" : "ReplicaSet",
    name: "app",
    uid: "app",
    controller: true,
  };
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      namespace: "apps",
      name: `app-${serial}`,
      ...(what === "bare" || what === "static" ? {} : { ownerReferences: [owner] }),
      annotations: what === "static" ? { "kubernetes.io/config.mirror": "x" } : {},
    },
    spec: { nodeName: node, ...spec },
    status: { phase: what === "finished" ? "Succeeded" : "Running" },
  };
}

/** Whether somebody has to end a pod because nobody may evict it. */
function isProtected(pod: DeepReadonly<Pod>): boolean {
  const owner = pod.metadata.ownerReferences?.find(({ controller }) => controller);
  return isStatic(pod) || !owner || owner.kind === "DaemonSet";
}

export function isStatic({ metadata }: DeepReadonly<Pod>): boolean {
  return metadata.annotations?.["kubernetes.io/config.mirror"] !== undefined;
}

/** People end the pods that nobody else may. */
export function endProtected(world: World): void {
  for (const pod of world.api.list("pods")) {
    if (pod.metadata.namespace === "apps" && !isFinished(pod) && isProtected(pod)) world.api.remove("pods", keyOf(pod));
  }
}

/** Whether a node gives pods amd.com/onload of a resource now. */
export function serves(world: World, name: string, key: Key): boolean {
  const node = world.api.get("nodes", name);
  const machine = world.machines.get(name);
  if (!node || !machine || !isNodeReady(node)) return false;
  return (
    pluginLabel(key) in (node.metadata.labels ?? {}) && amountOf(node) !== "0" && machine.loaded.onload !== undefined
  );
}
