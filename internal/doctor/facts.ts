/** What the chain of a pod or a node is judged by. */
import type { DeepReadonly, Pod } from "../api/core.ts";
import type { Read } from "../check/read.ts";
import type { NodeStatus } from "../operator/view/status-view.ts";
import type { NodeAnswer } from "./answer.ts";
import type { ContainerSettings } from "./settings.ts";

/** A node, as an Onload resource has it. */
export interface Rollout {
  /** NAMESPACE/NAME. */
  onload: string;
  status: Pick<NodeStatus, "state" | "version" | "wanted" | "why" | "failed">;
  /** The version of the kernel module that is loaded; undefined: none, as far as KMM says. */
  module: string | undefined;
  /** The version whose libraries the device plugin has installed. */
  library: string | undefined;
  /** Why the plugin offers nothing, in its own words. */
  refusal: string | undefined;
  /** Whether containers get LD_PRELOAD. */
  setPreload: boolean;
}

/** What came of asking a node's device plugin. */
export type Asked =
  | { value: NodeAnswer }
  /** There is no pod of it. */
  | "none"
  | { problem: string; todo: string; cause?: unknown };

export interface NodeFacts {
  name: string;
  /** How many Onload resources there are in the cluster; undefined: it is not known, or not even their CRD is there. */
  resources?: number | undefined;
  /** If no operator acts: what was seen of it, and what to do. */
  unserved?: { seen: string; todo: string } | undefined;
  /** undefined: no Onload resource selects the node, and none has anything on it. */
  rollout: Read<Rollout | undefined>;
  /** The node itself; undefined: there is none of that name. */
  node: Read<{ ready: boolean; allocatable: number } | undefined>;
  asked: Asked;
}

/** An event, as far as it is quoted. */
export interface SeenEvent {
  reason: string;
  message: string;
}

/** A node that might take a pod. */
export interface Candidate {
  name: string;
  labels: Readonly<Record<string, string>>;
  ready: boolean;
  /** amd.com/onload that it offers in all. */
  allocatable: number;
  /** undefined: no Onload resource selects it. */
  rollout: Rollout | undefined;
}

/** What there is for a pod that no node has taken. */
export interface Candidates {
  /** How many Onload resources there are; undefined: their CRD is not installed. */
  resources: number | undefined;
  nodes: readonly Candidate[];
}

export interface PodFacts {
  pod: DeepReadonly<Pod>;
  /** Warnings about the pod, the newest first. */
  events: Read<readonly SeenEvent[]>;
  /** EF_ variables of each container that asks for Onload. */
  settings: readonly ContainerSettings[];
  /** undefined while the pod has no node. */
  node: NodeFacts | undefined;
  /** Only while the pod has no node. */
  candidates?: Read<Candidates>;
}
