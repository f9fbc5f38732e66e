/**
 * What is known of one node for one Onload resource, gathered from labels, pods and KMM's resources. Everything that
 * the rollout decides follows from these facts and the clock: nothing is remembered in the operator.
 */
import type { Latch } from "../../api/latch.ts";
import type { NodeReason } from "../../api/reasons.ts";
import type { StepRecord } from "../observe/step-record.ts";

/** A label's or a module's version: the value of spec.onload.version. */
export type Version = string;

/** One node, seen from one Onload resource. */
export interface NodeFacts {
  name: string;
  /** The node's condition Ready. */
  ready: boolean;
  /** When that condition changed last, in milliseconds since the epoch. */
  readySince: number | undefined;
  /** spec.unschedulable: a person's doing, because we never cordon. */
  cordoned: boolean;
  /** The version that the node shall run; undefined where it shall run none. */
  want: Version | undefined;
  /** The node's kernel version, as `uname -r` prints it. */
  kernel: string;
  /** Whether a kernel mapping gives that kernel an image. */
  mapped: boolean;
  /** Images of the wanted version that KMM has not found for that kernel; empty where KMM does not say (before 2.4). */
  missingImages: readonly MissingImage[];
  /** Whether the sfc module is managed for this node's kernel. */
  sfcManaged: boolean;
  /** The MachineConfig by which the node loads sfc itself at boot, although the resource asks to manage sfc here. */
  sfcConflict: string | undefined;
  /** Our three labels. With KMM 1.1, that of a module whose latch is off counts as gone. */
  labels: { plugin: Version | undefined; onload: Version | undefined; sfc: Version | undefined };
  latches: { onload: LatchFacts; sfc: LatchFacts };
  onload: ModuleFacts;
  sfc: ModuleFacts;
  plugin: PluginFacts;
  /** Allocatable amd.com/onload. */
  allocatable: number;
  /** Pods on the node that hold amd.com/onload; undefined where nobody has looked since the plugin pod went. */
  holders: Holder[] | undefined;
  /** The last step that we took here. */
  stepRecord: StepRecord | undefined;
  /** Another Onload resource whose labels the node still carries and that must leave first. */
  blockedBy: string | undefined;
  /** An older Onload resource that selects the node and keeps it. */
  keptBy: string | undefined;
  /** Another Onload resource selects the node and has it, or waits for it. */
  claimed: boolean;
  /** Whether the operator itself runs here. */
  ownNode: boolean;
}

/** An image of a kernel module that KMM has not found. */
export interface MissingImage {
  image: string;
  /** Why it will not come by itself; undefined while KMM still pulls or builds it. */
  why: string | undefined;
}

/** One kernel module on one node, as KMM tells it. */
export interface ModuleFacts {
  /** Something of it is there: a module-loader pod, a worker pod, or an entry in NodeModulesConfig's status. */
  present: boolean;
  /** The version that is loaded and ready. */
  ready: Version | undefined;
  /** When its newest pod was made or changed readiness, in milliseconds since the epoch. */
  since: number | undefined;
  failure: Failure | undefined;
  /** KMM 1.1: by which labels the Module selected nodes when this was made. */
  selector: Readonly<Record<string, string>> | undefined;
}

/** The latch of one module on one node; see api/latch.ts. */
export interface LatchFacts {
  /** Where it stands; undefined where the node has none. */
  stands: Latch | undefined;
  /** The Module loads only where it is on. */
  asked: boolean;
  /** What is on the node goes once it is off. */
  holds: boolean;
}

/** The device plugin's pod on a node. */
export interface PluginFacts {
  /** A pod exists, even one that is going. */
  present: boolean;
  ready: boolean;
  /** Made from the DaemonSet's present template. */
  current: boolean;
  /** When it was made or changed readiness, in milliseconds since the epoch. */
  since: number | undefined;
  failure: Failure | undefined;
}

/** A pod that holds amd.com/onload and has not finished. */
export interface Holder {
  namespace: string;
  name: string;
  uid: string;
  /** It has a deletion timestamp: it has been evicted or deleted already. */
  terminating: boolean;
  /** Whether to ask for its eviction at all. */
  evictable: boolean;
  /** Why it is not evictable, or why the API server refused, with the budget's name. */
  refusal: string | undefined;
}

/** What KMM or the kubelet reports as failed, in their own words. */
export interface Failure {
  reason: NodeReason;
  message: string;
}
