/** Conditions of an Onload resource, and the reasons of conditions, node problems and events. Reasons are API: never rename one. */

/** Types of conditions. */
export const CONDITION = {
  /** True while every selected node runs the wanted version. */
  Ready: "Ready",
  /** True while the operator still has a step to take on some node. */
  Progressing: "Progressing",
  /** True while something needs a person: a node failed, a change is held back, the cluster lacks something. */
  Degraded: "Degraded",
  /**
   * True while nothing moves and only a person can change that, and absent otherwise: for tools that wait for a resource
   * (kstatus, as Flux and kpt use it), which go by Ready and by this.
   */
  Stalled: "Stalled",
  /** True while admission policies keep others from what would take nodes out of service. Absent until that is known. */
  Protected: "Protected",
} as const;

/** Reasons of the conditions. */
export const REASON = {
  /** Every selected node is done. */
  AllNodesReady: "AllNodesReady",
  /** No node has the labels of spec.selector. */
  NoMatchingNodes: "NoMatchingNodes",
  /** Nodes that had no Onload are getting it. */
  Installing: "Installing",
  /** Nodes without the labels of spec.selector are being cleaned, and no other node is worked on. */
  LettingGo: "LettingGo",
  /** Nodes go from one version to another. */
  Upgrading: "Upgrading",
  /** Nodes go back to the last version that was fully Ready. */
  RollingBack: "RollingBack",
  /** Every node is back at the last version that was fully Ready; the spec asks for another one. */
  RolledBack: "RolledBack",
  /** spec.upgrade.paused holds nodes of an older version. */
  Paused: "Paused",
  /** A node failed, and no further node starts. */
  Halted: "Halted",
  /** The resource is being deleted, and nodes are being cleaned. */
  Deleting: "Deleting",
  /** Some nodes are not done for a reason of their own; see status.problems. */
  NodesNotReady: "NodesNotReady",
  /** At least one node failed. */
  NodesFailed: "NodesFailed",
  /** Nothing is wrong. */
  AsExpected: "AsExpected",
  /** KMM's resources are not installed in the cluster. */
  KmmNotInstalled: "KmmNotInstalled",
  /** The spec cannot work; the message says which field and what to do. */
  InvalidSpec: "InvalidSpec",
  /** A kernel mapping is for a node's kernel at which KMM gives up for all nodes, or cannot be evaluated for it. */
  KernelRefused: "KernelRefused",
  /** A change would reload modules in place; it waits for a new spec.onload.version. */
  ChangeHeldBack: "ChangeHeldBack",
  /** spec.serviceAccountName does not exist. */
  ServiceAccountMissing: "ServiceAccountMissing",
  /** Whether spec.serviceAccountName exists could not be found out. */
  ServiceAccountUnknown: "ServiceAccountUnknown",
  /** An object of ours could not be applied. */
  ApplyFailed: "ApplyFailed",
  /** A step on a node has failed for a while, because the API server refuses it. */
  StepFailed: "StepFailed",
  /** What is known of the cluster may be outdated, because the API server has not answered for a while: nothing is done. */
  CacheOutdated: "CacheOutdated",
  /** Another operator leads through a Lease of its own and has the resource too: that with the older Lease acts. */
  AnotherOperator: "AnotherOperator",
  /** The CRD that is installed lacks fields that this operator needs. */
  CrdOutdated: "CrdOutdated",
  /** No image for the device plugin is known. */
  NoDevicePluginImage: "NoDevicePluginImage",
  /** Every admission policy is in force. */
  PoliciesInstalled: "PoliciesInstalled",
  /** An admission policy refuses something else than this version's does: another version's, or one that was edited. */
  PoliciesDiffer: "PoliciesDiffer",
  /** An annotation lets the policies pass what they would refuse. */
  DeletionAllowed: "DeletionAllowed",
  /** At least one admission policy is not installed, or the cluster is too old for them. */
  PoliciesMissing: "PoliciesMissing",
} as const;

/** Reasons of a node's problem in status.problems, and of the events about it. */
export const NODE_REASON = {
  /** Another, older Onload resource selects the node and keeps it. */
  SelectedByOther: "SelectedByOther",
  /** No kernel mapping matches the node's kernel. */
  NoKernelMapping: "NoKernelMapping",
  /** The node loads sfc itself at boot, by a MachineConfig, and the resource asks KMM to manage sfc there too. */
  SfcLoadedAtBoot: "SfcLoadedAtBoot",
  /** Onload is loaded, and KMM has taken the sfc under it away. */
  SfcMissing: "SfcMissing",
  /** A person has cordoned the node: it is skipped until it is uncordoned. */
  Cordoned: "Cordoned",
  /** The node has a taint with which KMM loads nothing there, or the device plugin's pod is not made. */
  Tainted: "Tainted",
  /** The node waits for a slot, and the nodes that hold the slots do not move. */
  NoFreeSlot: "NoFreeSlot",
  /** The node is not Ready. */
  NodeNotReady: "NodeNotReady",
  /** KMM has not loaded the module in time, or reports failure. */
  ModuleLoadFailed: "ModuleLoadFailed",
  /** KMM has not unloaded the module in time, or reports failure. */
  ModuleUnloadFailed: "ModuleUnloadFailed",
  /** The module image does not exist or cannot be pulled. */
  ModuleImageMissing: "ModuleImageMissing",
  /** An image of the device plugin's pod cannot be pulled. */
  ImagePullFailed: "ImagePullFailed",
  /** The API server refuses a pod that the node waits for: a quota, Pod Security, an SCC, a webhook. */
  PodRefused: "PodRefused",
  /** The device plugin's pod does not become ready. */
  PluginNotReady: "PluginNotReady",
  /** The device plugin's pod does not go away. */
  PluginNotGone: "PluginNotGone",
  /** The kubelet offers no amd.com/onload although the plugin runs. */
  NotAllocatable: "NotAllocatable",
  /** A pod that holds amd.com/onload could not be evicted in time. */
  EvictionBlocked: "EvictionBlocked",
  /** A step took longer than spec.upgrade.stepTimeoutSeconds. */
  StepTimedOut: "StepTimedOut",
} as const;

/** Reasons of events that are about no condition and no problem: steps, upgrades and rollbacks. */
export const EVENT_REASON = {
  NodeLabelled: "NodeLabelled",
  PluginRemoved: "PluginRemoved",
  PodEvicted: "PodEvicted",
  ModuleUnloading: "ModuleUnloading",
  ModuleLoading: "ModuleLoading",
  ModuleReady: "ModuleReady",
  NodeReady: "NodeReady",
  NodeCleaned: "NodeCleaned",
  /** Nodes are to leave the version that was Ready on all of them. */
  UpgradeStarted: "UpgradeStarted",
  /** Every selected node runs the new version. */
  UpgradeFinished: "UpgradeFinished",
  RollbackStarted: "RollbackStarted",
  /** Every selected node runs the former version again. */
  RollbackFinished: "RollbackFinished",
  /** The API server refuses the status, so that it says how things were. */
  StatusNotWritten: "StatusNotWritten",
} as const;

export type ConditionType = (typeof CONDITION)[keyof typeof CONDITION];
export type Reason = (typeof REASON)[keyof typeof REASON];
export type NodeReason = (typeof NODE_REASON)[keyof typeof NODE_REASON];
export type EventReason = (typeof EVENT_REASON)[keyof typeof EVENT_REASON];
