/** What is seen of one node for one Onload resource. Nothing in it depends on the objects that the resource asks for. */
import type { DeepReadonly, Taint } from "../../api/core.ts";
import type { Holder } from "../cache/holders.ts";
import type { Failure, LoadLabelObservation, ModuleObservation, Version } from "../kmm/kmm.ts";
import type { FailureRecord } from "./failure-record.ts";
import type { PodRefusals } from "./refusals.ts";
import type { StepRecord } from "./step-record.ts";

/** One node, seen from one Onload resource. */
export interface NodeObservation {
  name: string;
  /** The node's condition Ready. */
  ready: boolean;
  /** When that condition changed last, in milliseconds since the epoch. */
  readySince: number | undefined;
  /** spec.unschedulable. A person set it, because the operator never cordons. */
  cordoned: boolean;
  /** Taints of effect NoSchedule and NoExecute, but for those of a cordon and of a node that is not Ready. */
  taints: readonly DeepReadonly<Taint>[];
  /** The version that the node is to run; undefined: none. */
  want: Version | undefined;
  /** The node's kernel version, as `uname -r` prints it. */
  kernel: string;
  /** As the kubelet says it: "linux"; undefined if it does not. */
  operatingSystem: string | undefined;
  /** Our three labels. A module whose load label is off counts as not labelled. */
  labels: { plugin: Version | undefined; onload: Version | undefined; sfc: Version | undefined };
  loadLabels: { onload: LoadLabelObservation; sfc: LoadLabelObservation };
  onload: ModuleObservation;
  sfc: ModuleObservation;
  plugin: PluginObservation;
  /** Why pods of the resource are refused, on whichever node. */
  refusals: PodRefusals;
  /** Allocatable amd.com/onload. */
  allocatable: number;
  /** Pods on the node that hold amd.com/onload; undefined if they were not listed since the plugin's pod went. */
  holders: Holder[] | undefined;
  /** The last step that was taken here. */
  stepRecord: StepRecord | undefined;
  /** The failure that was noted here last. It may be over; see rollout/lasting-failure.ts. */
  failureRecord: FailureRecord | undefined;
  /** The node has the reminder; see kmm/reminder.ts. */
  reminded: boolean;
  /** Another Onload resource whose labels the node still carries and that must leave first. */
  blockedBy: string | undefined;
  /** Another Onload resource that selects the node too and keeps it: it has the node, or is older. */
  keptBy: string | undefined;
  /** Another Onload resource selects the node and has it, or waits for it. */
  claimed: boolean;
  /** spec.selector has been changed so that it does not select the node, and that does not hold yet. */
  letGo: boolean;
  /** Whether the operator itself runs here. */
  ownNode: boolean;
  /** The MachineConfig by which the node loads sfc itself at boot. */
  sfcAtBoot: string | undefined;
}

/** The device plugin's pod on a node. */
export interface PluginObservation {
  /** A pod exists, even one that is going. */
  present: boolean;
  ready: boolean;
  /** What the pod that stays was made from; undefined: there is no such pod. */
  made: { version: Version | undefined; template: string | undefined } | undefined;
  /** When the pod that stays was made or changed readiness, in milliseconds since the epoch. */
  since: number | undefined;
  /** When the last one that is going has to have gone, in milliseconds since the epoch; undefined if one stays. */
  goneBy?: number | undefined;
  failure: Failure | undefined;
  /** What a pod that is not Ready is at. */
  progress?: string | undefined;
  /** Why a pod that is Ready offers nothing, in its own words. */
  refusal?: string | undefined;
}
