/** From the objects of the API server to the facts of each node that concerns an Onload resource. Pure. */
import { sfcMachineConfigOf, type BootMachineConfig } from "../../api/boot-status.ts";
import type { DeepReadonly, Node, Pod } from "../../api/core.ts";
import type { KmmCapabilities, Module, NodeModulesConfig } from "../../api/kmm.ts";
import {
  devicePluginName,
  ONLOAD_RESOURCE,
  PLUGIN_NAME_LABEL,
  VERSION_LABEL,
  type OnloadKey,
} from "../../api/names.ts";
import { NODE_REASON } from "../../api/reasons.ts";
import type { Holder, NodeFacts, PluginFacts, Version } from "../rollout/facts.ts";
import { stepRecordAnnotation, parseStepRecord } from "./step-record.ts";
import { missingImages, type ModuleImages } from "../kmm/images.ts";
import { mappingFor } from "../kmm/module-config.ts";
import { carriesLabels, ownershipOf, type Claim } from "./ownership.ts";
import { isReady, isTerminating, podFailure, podSince } from "../cache/pods.ts";
import { modulesOn } from "../kmm/modules-on-node.ts";

/** Annotation on the plugin's pods: a digest of the template that they were made from. */
export const TEMPLATE_ANNOTATION = "onload.amd.com/template";

/** What is the same for all nodes of one Onload resource. */
export interface ResourceView {
  key: OnloadKey;
  /** The version that nodes are brought to. */
  version: Version;
  /** The Modules as they are, or are about to be, in the cluster. */
  modules: { onload: DeepReadonly<Module> | undefined; sfc: DeepReadonly<Module> | undefined };
  /** What KMM knows of the Modules' images; undefined where it does not say. */
  images: { onload: ModuleImages; sfc: ModuleImages } | undefined;
  /** Digest of the DaemonSet's template; undefined where the DaemonSet is not known. */
  template: string | undefined;
  /** undefined: KMM is not installed. */
  kmm: KmmCapabilities | undefined;
  /** All Onload resources. */
  claims: readonly Claim[];
  /** OpenShift's MachineConfigs by which nodes load sfc themselves. */
  machineConfigs: readonly DeepReadonly<BootMachineConfig>[];
  /** The node that the operator runs on. */
  ownNode: string | undefined;
}

/** The objects that the facts of one node are made from, beside what is the same for all nodes. */
export interface NodeInputs {
  node: DeepReadonly<Node>;
  /** Pods on the node of the plugin and of KMM; others do no harm. */
  plugins: readonly DeepReadonly<Pod>[];
  kmmPods: readonly DeepReadonly<Pod>[];
  nmc: DeepReadonly<NodeModulesConfig> | undefined;
}

/** What is known of one node. */
export interface NodeView extends NodeInputs {
  holders: Holder[] | undefined;
  /** See KmmView. */
  lastWords: ReadonlyMap<string, string>;
}

/** The facts of one node for one Onload resource. */
export function nodeFacts(view: NodeView, resource: ResourceView): NodeFacts {
  const { key, modules } = resource;
  const { node } = view;
  const { name, labels = {}, annotations = {} } = node.metadata;
  const kernel = node.status?.nodeInfo?.kernelVersion ?? "";
  const { owned, blockedBy, keptBy, claimed } = ownershipOf(node, key, resource.claims);
  const sfcMapped = mappingFor(modules.sfc, kernel) !== undefined;
  const sfcAtBoot = sfcMachineConfigOf(labels, resource.machineConfigs)?.metadata.name;
  const sfcManaged = sfcMapped && sfcAtBoot === undefined;
  const ready = node.status?.conditions?.find(({ type }) => type === "Ready");
  return {
    name,
    ready: ready?.status === "True",
    readySince: time(ready?.lastTransitionTime),
    cordoned: node.spec?.unschedulable === true,
    want: owned ? resource.version : undefined,
    kernel,
    mapped: mappingFor(modules.onload, kernel) !== undefined,
    missingImages: missingImages(
      [
        { module: modules.onload, images: resource.images?.onload },
        { module: sfcManaged ? modules.sfc : undefined, images: resource.images?.sfc },
      ],
      kernel,
    ),
    // Never replaced under the node's own traffic: there, onload is loaded on top of the sfc that the boot brought.
    sfcManaged,
    sfcConflict: sfcMapped ? sfcAtBoot : undefined,
    ...modulesOn(view, resource),
    plugin: pluginFacts(view.plugins, resource),
    allocatable: Number(node.status?.allocatable?.[ONLOAD_RESOURCE] ?? 0) || 0,
    holders: view.holders,
    stepRecord: parseStepRecord(annotations[stepRecordAnnotation(key)]),
    blockedBy,
    keptBy,
    claimed,
    ownNode: name === resource.ownNode,
  };
}

/** Whether a node can concern an Onload resource at all: selected by it, or carrying something of it. */
export function concerns(node: DeepReadonly<Node>, key: OnloadKey, selected: boolean): boolean {
  return selected || carriesLabels(node, key) || stepRecordAnnotation(key) in (node.metadata.annotations ?? {});
}

function pluginFacts(pods: readonly DeepReadonly<Pod>[], { key, template, version }: ResourceView): PluginFacts {
  const mine = pods.filter(
    ({ metadata }) =>
      metadata.namespace === key.namespace && metadata.labels?.[PLUGIN_NAME_LABEL] === devicePluginName(key.name),
  );
  const staying = mine.find((pod) => !isTerminating(pod));
  const failure = staying && podFailure(staying);
  const reason = failure?.kind === "image" ? NODE_REASON.ImagePullFailed : NODE_REASON.PluginNotReady;
  return {
    present: mine.length > 0,
    ready: staying !== undefined && isReady(staying),
    // While a pod is on its way out, the one that follows will be of the present template.
    current: staying === undefined || isCurrent(staying, version, template),
    since: staying && podSince(staying),
    failure: failure && { reason, message: failure.message },
  };
}

function isCurrent({ metadata }: DeepReadonly<Pod>, version: Version, template: string | undefined): boolean {
  const same = template === undefined || metadata.annotations?.[TEMPLATE_ANNOTATION] === template;
  return same && metadata.labels?.[VERSION_LABEL] === version;
}

function time(text: string | undefined): number | undefined {
  const value = Date.parse(text ?? "");
  return Number.isNaN(value) ? undefined : value;
}
