/** From the objects of the API server to what is seen of one node that concerns an Onload resource. Pure. */
import { sfcMachineConfigOf, type BootMachineConfig } from "../../api/boot-status.ts";
import type { DeepReadonly, Node, Pod, Taint } from "../../api/core.ts";
import { kernelOf } from "../../api/kernel-tag.ts";
import type { MachineConfigPool } from "../../api/machine-config-pool.ts";
import {
  NOT_READY_TAINTS,
  ONLOAD_RESOURCE,
  onloadModuleName,
  pluginLabel,
  sfcModuleName,
  TEMPLATE_ANNOTATION,
  UNSCHEDULABLE_TAINT,
  VERSION_LABEL,
  type OnloadKey,
} from "../../api/names.ts";
import { parseQuantity } from "../../api/quantity.ts";
import { parseTime } from "../../kube/times.ts";
import { NODE_REASON } from "../../api/reasons.ts";
import type { Holder } from "../cache/holders.ts";
import { failureText, isPluginOf, isReady, isTerminating, podFailure, podSince, progressOf } from "../cache/pods.ts";
import type { Kmm, KmmNodeInputs, ModuleReading, Version } from "../kmm/kmm.ts";
import { reminderLabel } from "../kmm/reminder.ts";
import type { NodeObservation, PluginObservation } from "./observation.ts";
import { carriesLabels, ownershipOf, type Claim, type Owner } from "./ownership.ts";
import { failureRecordAnnotation, parseFailureRecord } from "./failure-record.ts";
import type { PodRefusals } from "./refusals.ts";
import { recordAnnotations } from "./records.ts";
import { stepRecordAnnotation, parseStepRecord } from "./step-record.ts";

/** What is the same for all nodes of one Onload resource. */
export interface ResourceContext {
  key: OnloadKey;
  /** The version that nodes are brought to. */
  version: Version;
  kmm: Kmm;
  /** All Onload resources. */
  claims: readonly Claim[];
  /** OpenShift's MachineConfigs by which nodes load sfc themselves. */
  machineConfigs: readonly DeepReadonly<BootMachineConfig>[];
  /** OpenShift's MachineConfigPools; empty elsewhere. */
  pools: readonly DeepReadonly<MachineConfigPool>[];
  /** Why the API server refuses pods of the resource. */
  refusals: PodRefusals;
  /** The node that the operator runs on. */
  ownNode: string | undefined;
}

/** What a node's observation is made from, beside what is the same for all nodes. */
export interface NodeInputs extends KmmNodeInputs {
  /** The node's pods of device plugins, those of other resources included. */
  plugins: readonly DeepReadonly<Pod>[];
  /** See {@link NodeObservation.holders}. */
  holders: Holder[] | undefined;
}

/** What is seen of one node for one Onload resource. */
export function observeNode(inputs: NodeInputs, resource: ResourceContext): NodeObservation {
  const { key, kmm } = resource;
  const { node } = inputs;
  const { name, labels = {}, annotations = {} } = node.metadata;
  const { owned, blockedBy, keptBy, claimed, letGo } = ownershipOf(node, key, resource.claims);
  const ready = node.status?.conditions?.find(({ type }) => type === "Ready");
  const module = (moduleName: string): ModuleReading =>
    kmm.observeModule({ namespace: key.namespace, module: moduleName }, inputs);
  const onload = module(onloadModuleName(key.name));
  const sfc = module(sfcModuleName(key.name));
  return {
    name,
    ready: ready?.status === "True",
    readySince: parseTime(ready?.lastTransitionTime),
    cordoned: isCordoned(node),
    taints: keepingTaints(node),
    want: owned ? resource.version : undefined,
    kernel: kernelOf(node),
    operatingSystem: node.status?.nodeInfo?.operatingSystem,
    labels: { plugin: labels[pluginLabel(key)], onload: onload.labelled, sfc: sfc.labelled },
    loadLabels: { onload: onload.loadLabel, sfc: sfc.loadLabel },
    onload: onload.module,
    sfc: sfc.module,
    plugin: observePlugin(inputs, key),
    refusals: resource.refusals,
    allocatable: parseQuantity(node.status?.allocatable?.[ONLOAD_RESOURCE] ?? 0) ?? 0,
    holders: inputs.holders,
    stepRecord: parseStepRecord(annotations[stepRecordAnnotation(key)]),
    failureRecord: parseFailureRecord(annotations[failureRecordAnnotation(key)]),
    reminded: reminderLabel(key) in labels,
    blockedBy,
    keptBy,
    claimed,
    letGo,
    ownNode: name === resource.ownNode,
    sfcAtBoot: sfcMachineConfigOf(node.metadata, resource.machineConfigs, resource.pools)?.metadata.name,
  };
}

/** Whether a node can concern an Onload resource at all: it is selected, or carries something of the resource. */
export function concerns(node: DeepReadonly<Node>, owner: Owner, selected: boolean): boolean {
  const { annotations = {} } = node.metadata;
  return selected || recordAnnotations(owner).some((name) => name in annotations) || carriesLabels(node, owner);
}

/**
 * A node is cordoned until its taint has gone too: KMM 1.1 skips nodes with a taint of effect NoSchedule, whatever
 * spec.unschedulable says (v1.1.0, controllers/module_reconciler.go).
 */
function isCordoned({ spec }: DeepReadonly<Node>): boolean {
  return spec?.unschedulable === true || (spec?.taints ?? []).some(({ key }) => key === UNSCHEDULABLE_TAINT);
}

function keepingTaints({ spec }: DeepReadonly<Node>): DeepReadonly<Taint>[] {
  const told: readonly string[] = [UNSCHEDULABLE_TAINT, ...NOT_READY_TAINTS];
  return (spec?.taints ?? []).filter(({ key, effect }) => effect !== "PreferNoSchedule" && !told.includes(key));
}

function observePlugin({ plugins, failureLogs }: NodeInputs, key: OnloadKey): PluginObservation {
  const mine = plugins.filter((pod) => isPluginOf(key, pod));
  const staying = mine.find((pod) => !isTerminating(pod));
  const failure = staying && podFailure(staying);
  const reason = failure?.kind === "image" ? NODE_REASON.ImagePullFailed : NODE_REASON.PluginNotReady;
  return {
    present: mine.length > 0,
    ready: staying !== undefined && isReady(staying),
    made: staying && {
      version: staying.metadata.labels?.[VERSION_LABEL],
      template: staying.metadata.annotations?.[TEMPLATE_ANNOTATION],
    },
    since: staying && podSince(staying),
    goneBy: staying ? undefined : goneBy(mine),
    failure: failure && { reason, message: failureText(staying, failure, failureLogs) },
    progress: progressOf(mine),
    refusal: staying && isReady(staying) ? failureLogs.get(staying.metadata.uid ?? "") : undefined,
  };
}

function goneBy(pods: readonly DeepReadonly<Pod>[]): number | undefined {
  const times = pods.map(({ metadata }) => parseTime(metadata.deletionTimestamp)).filter((time) => time !== undefined);
  return times.length > 0 ? Math.max(...times) : undefined;
}
