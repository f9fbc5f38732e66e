/**
 * Every state that a node can be in, one row each. Whatever depends on a node's state is read from its row.
 *
 * ```
 *   up    New ─────┐                                                          not selected, nothing of ours:  Absent
 *                  ├─▶ LoadingSfc ─▶ SfcReady ─▶ LoadingOnload ─▶ ModuleReady ─▶ StartingPlugin ─▶ Ready
 *         Unloaded ┘                                                                               │   │
 *            ▲                     another version is wanted:  Outdated ◀──────────────────────────┘   │
 *            │                     another pod template:       PluginOutdated ◀────────────────────────┘
 *            │
 *   down     │         Outdated ─┐
 *            │         Unwanted ─┼─▶ StoppingPlugin ─▶ Inspecting ─▶ Draining ─▶ Drained ─┐
 *            │         Leaving ──┘                                                        │
 *            ├───────── UnloadingSfc ◀─ OnloadUnloaded ◀─ UnloadingOnload ◀───────────────┘
 *            └─▶ Cleaned, if no version is wanted any more
 *
 *   beside   Blocked, Cordoned, Tainted, Unmapped: not begun, and cannot begin.
 *            SfcUnlabelled, OnloadUnlabelled: somebody took a label away; it is put back, and loading goes on.
 *            SfcMissing: onload is loaded, and sfc under it is gone.
 * ```
 *
 * Without sfc, its states are left out.
 */
import { NODE_REASON, type NodeReason } from "../../api/reasons.ts";
import type { NodeFacts } from "../assess/facts.ts";
import type { StepName } from "./steps.ts";

/** What is done on a node, in this order. Nodes that leave stop after `unload sfc`. */
export const PHASES = [
  "stop plugin",
  "evict pods",
  "unload onload",
  "unload sfc",
  "load sfc",
  "load onload",
  "start plugin",
] as const;
export type Phase = (typeof PHASES)[number];

/** Something that comes from elsewhere, for which a node waits a limited time. */
export interface Awaited {
  /** Who has to do something. */
  whom: string;
  /** What they have to do, as `to load sfc`. */
  to: string;
  /** What has not happened, as a sentence without its end. */
  what: string;
  /** Why the node has failed, if it does not happen in time. */
  reason: NodeReason;
  /** Which limit counts: spec.upgrade.stepTimeoutSeconds, or spec.upgrade.drain.timeoutSeconds. */
  limit: "step" | "drain";
  /** When the thing that is awaited changed last, in milliseconds since the epoch; undefined if that is not known. */
  since?: (node: NodeFacts) => number | undefined;
}

interface CommonColumns {
  /** What it means, for `onloadctl help states`: a sentence without its end. */
  says: string;
  /** Where on its way the node is; left out in states in which there is nothing left to do, or only the pod to replace. */
  phase?: Phase;
  /** Whether the step is taken only when a slot is free. Such a node is in between once the step is granted. */
  needsSlot?: true;
  /** Which version pods can use here while its module and its plugin run. */
  serves?: "wanted" | "older" | "unwanted";
  /** Whether the operator has begun with the node and not ended. */
  inBetween?: true;
  /**
   * Whether it still counts which pods hold amd.com/onload, so that the list of them is kept up to date. It is kept too
   * if the node is another resource's, which may need it.
   */
  keepsHolders?: true;
  /** Nothing of this resource is on the node, and nothing is to be. */
  absent?: true;
  /** What keeps the node from being begun with, as long as it lasts. */
  obstacle?: "resource" | "cordon" | "taint" | "kernel";
  /** Nothing is left to do: pods can use the wanted version. */
  complete?: true;
  /**
   * The module that is gone from under what serves, and how long what is left of it may take to load it again. No pod can
   * rely on such a node, so that it is neither done nor available.
   */
  lacks?: { module: "sfc"; limit: "step" };
  /** What the device plugin's pod does meanwhile. */
  plugin?: "starts" | "stops" | "is replaced";
  /** The step is put off until the DaemonSet controller has seen the present template of the device plugin. */
  needsTemplate?: true;
  /** Pods that hold amd.com/onload are evicted meanwhile. */
  drains?: true;
  /** The module that KMM loads meanwhile. */
  loads?: "onload" | "sfc";
  /** The module that KMM unloads meanwhile. */
  unloads?: "onload" | "sfc";
  /**
   * Whether a node that is to run a version stays as it is while it is cordoned and KMM skips cordoned nodes, or while it
   * has a taint that KMM or the device plugin does not tolerate.
   */
  staysIfCordoned?: true;
}

/** A state in which the operator waits, or in which a plan may put the step off. It always has a time limit. */
interface WaitingColumns extends CommonColumns {
  step: "Wait" | "Evict" | "LabelPlugin" | "ClearMark";
  awaits: Awaited;
  waits?: undefined;
}

/** A state that lasts for as long as something else does: status says what, and for whom the node waits. */
type KeptColumns = CommonColumns &
  ({ obstacle: NonNullable<CommonColumns["obstacle"]> } | { lacks: NonNullable<CommonColumns["lacks"]> }) & {
    /** What has to happen elsewhere, for as long as it takes, before there is a step: a sentence without its end. */
    waits: string;
    step: "None";
    awaits?: undefined;
  };

/** A state in which there is nothing left to do. */
type RestingColumns = CommonColumns &
  ({ complete: true } | { absent: true }) & {
    step: "None";
    waits?: undefined;
    awaits?: undefined;
  };

interface ActingColumns extends CommonColumns {
  step: Exclude<StepName, WaitingColumns["step"] | "None">;
  waits?: undefined;
  awaits?: undefined;
}

/** One state. */
export type StateRow = WaitingColumns | KeptColumns | RestingColumns | ActingColumns;

export const STATES = {
  Absent: {
    says: "The node is not selected, and has nothing of Onload",
    step: "None",
    absent: true,
    keepsHolders: true,
  },
  Blocked: {
    says: "The node is selected, and another Onload resource has to leave it first",
    step: "None",
    waits: "Waits until the other resource has left: its own status says how far it is",
    obstacle: "resource",
    phase: "load sfc",
    keepsHolders: true,
  },
  Cordoned: {
    says: "The node was cordoned before it got Onload: it is skipped until it is uncordoned",
    step: "None",
    waits: "Waits for whoever has cordoned the node",
    obstacle: "cordon",
    phase: "load sfc",
  },
  Tainted: {
    says: "The node had a taint that KMM or the device plugin does not tolerate before it got Onload: it is skipped",
    step: "None",
    waits: "Waits for whoever has tainted the node, or for a toleration",
    obstacle: "taint",
    phase: "load sfc",
  },
  Unmapped: {
    says: "No entry of spec.onload.kernelMappings is for the node's kernel",
    step: "None",
    waits: "Waits for a mapping in spec.onload.kernelMappings, or another kernel",
    obstacle: "kernel",
    phase: "load sfc",
  },
  New: {
    says: "The node gets its first labels now",
    step: "Install",
    phase: "load sfc",
    inBetween: true,
  },
  SfcUnlabelled: {
    says: "Somebody removed the node's label for sfc while onload is loaded: the operator restores it",
    step: "LabelSfc",
    phase: "load sfc",
    inBetween: true,
    staysIfCordoned: true,
  },
  LoadingSfc: {
    says: "KMM is loading the driver sfc",
    step: "Wait",
    phase: "load sfc",
    inBetween: true,
    loads: "sfc",
    awaits: {
      whom: "KMM",
      to: "to load sfc",
      what: "KMM has not loaded sfc",
      reason: NODE_REASON.ModuleLoadFailed,
      limit: "step",
      since: ({ sfc }) => sfc.since,
    },
  },
  SfcReady: {
    says: "sfc is loaded, and onload is to follow",
    step: "LabelOnload",
    phase: "load onload",
    inBetween: true,
    staysIfCordoned: true,
  },
  OnloadUnlabelled: {
    says: "Somebody removed the node's label for onload: the operator restores it",
    step: "LabelOnload",
    phase: "load onload",
    inBetween: true,
    staysIfCordoned: true,
  },
  LoadingOnload: {
    says: "KMM is loading the module onload",
    step: "Wait",
    phase: "load onload",
    inBetween: true,
    loads: "onload",
    awaits: {
      whom: "KMM",
      to: "to load onload",
      what: "KMM has not loaded onload",
      reason: NODE_REASON.ModuleLoadFailed,
      limit: "step",
      since: ({ onload }) => onload.since,
    },
  },
  ModuleReady: {
    says: "The modules are loaded, and the device plugin is to start",
    step: "LabelPlugin",
    phase: "start plugin",
    inBetween: true,
    needsTemplate: true,
    awaits: {
      whom: "the DaemonSet controller",
      to: "to see the present template of the device plugin",
      what: "The DaemonSet controller has not seen the present template of the device plugin",
      reason: NODE_REASON.StepTimedOut,
      limit: "step",
      since: ({ onload }) => onload.since,
    },
  },
  StartingPlugin: {
    says: "The device plugin is starting, or it runs and offers no amd.com/onload",
    step: "Wait",
    phase: "start plugin",
    inBetween: true,
    plugin: "starts",
    awaits: {
      whom: "the device plugin",
      to: "to offer amd.com/onload",
      what: "The device plugin offers no amd.com/onload",
      reason: NODE_REASON.PluginNotReady,
      limit: "step",
      since: ({ plugin }) => plugin.since,
    },
  },
  SfcMissing: {
    says: "Onload is loaded, and KMM has unloaded sfc under it",
    step: "None",
    waits: "Waits for KMM to load it again. If that takes longer than a step may, reboot the node",
    serves: "wanted",
    lacks: { module: "sfc", limit: "step" },
  },
  Ready: {
    says: "Modules and device plugin run: pods can use amd.com/onload",
    step: "None",
    serves: "wanted",
    complete: true,
  },
  PluginOutdated: {
    says: "The device plugin's pod is of an older template: it is replaced when a slot is free",
    step: "ReplacePlugin",
    needsSlot: true,
    plugin: "is replaced",
    serves: "wanted",
  },
  Outdated: {
    says: "The node runs another version than the one that is wanted, and is upgraded when a slot is free",
    step: "UnlabelPlugin",
    phase: "stop plugin",
    needsSlot: true,
    serves: "older",
    keepsHolders: true,
  },
  Unwanted: {
    says: "The node is not selected any more, and is cleaned when a slot is free",
    step: "UnlabelPlugin",
    phase: "stop plugin",
    needsSlot: true,
    serves: "unwanted",
    keepsHolders: true,
  },
  Leaving: {
    says: "The node is between two versions, or leaves: its device plugin is to stop",
    step: "UnlabelPlugin",
    phase: "stop plugin",
    inBetween: true,
  },
  StoppingPlugin: {
    says: "The device plugin's pod is stopping",
    step: "Wait",
    phase: "stop plugin",
    inBetween: true,
    plugin: "stops",
    awaits: {
      whom: "the kubelet",
      to: "to end the device plugin's pod",
      what: "The device plugin's pod has not gone",
      reason: NODE_REASON.PluginNotGone,
      limit: "step",
    },
  },
  Inspecting: {
    says: "The operator is finding out which pods hold amd.com/onload",
    step: "Inspect",
    phase: "evict pods",
    inBetween: true,
    keepsHolders: true,
  },
  Draining: {
    says: "Pods that hold amd.com/onload are being evicted",
    step: "Evict",
    phase: "evict pods",
    inBetween: true,
    drains: true,
    staysIfCordoned: true,
    keepsHolders: true,
    awaits: {
      whom: "pods that hold amd.com/onload",
      to: "to leave",
      what: "Pods still hold amd.com/onload",
      reason: NODE_REASON.EvictionBlocked,
      limit: "drain",
    },
  },
  Drained: {
    says: "No pod holds amd.com/onload: onload is to be unloaded",
    step: "UnlabelOnload",
    phase: "unload onload",
    inBetween: true,
    staysIfCordoned: true,
    keepsHolders: true,
  },
  UnloadingOnload: {
    says: "KMM is unloading the module onload",
    step: "Wait",
    phase: "unload onload",
    inBetween: true,
    unloads: "onload",
    awaits: {
      whom: "KMM",
      to: "to unload onload",
      what: "KMM has not unloaded onload",
      reason: NODE_REASON.ModuleUnloadFailed,
      limit: "step",
    },
  },
  OnloadUnloaded: {
    says: "Onload is unloaded, and sfc is to follow",
    step: "UnlabelSfc",
    phase: "unload sfc",
    inBetween: true,
    staysIfCordoned: true,
  },
  UnloadingSfc: {
    says: "KMM is unloading the driver sfc",
    step: "Wait",
    phase: "unload sfc",
    inBetween: true,
    unloads: "sfc",
    awaits: {
      whom: "KMM",
      to: "to unload sfc",
      what: "KMM has not unloaded sfc",
      reason: NODE_REASON.ModuleUnloadFailed,
      limit: "step",
    },
  },
  Unloaded: {
    says: "Nothing of the old version is left: the new one is to be loaded",
    step: "LabelSfc",
    phase: "load sfc",
    inBetween: true,
    staysIfCordoned: true,
  },
  Cleaned: {
    says: "Nothing of Onload is loaded: the last labels and annotations go",
    step: "ClearMark",
    inBetween: true,
    awaits: {
      whom: "KMM",
      to: "to unload the other nodes that leave",
      what: "Other nodes that leave have not been unloaded",
      reason: NODE_REASON.StepTimedOut,
      limit: "step",
    },
  },
} as const satisfies Record<string, StateRow>;

/** Where a node stands. */
export type NodeState = keyof typeof STATES;

/** All states, in the order of the table. */
export const NODE_STATES = Object.keys(STATES) as NodeState[];

/** The row of a state. */
export function rowOf(state: NodeState): StateRow {
  return STATES[state];
}

/** What a state awaits, if its step is waiting or may be put off. */
export function awaitedIn(state: NodeState): Awaited | undefined {
  return rowOf(state).awaits;
}

/** The step for a state. If sfc is not managed, onload is the first module. */
export function stepFor(state: NodeState, node: NodeFacts): StepName {
  return state === "Unloaded" && !node.sfcManaged ? "LabelOnload" : STATES[state].step;
}

/** Whether the list of pods that hold amd.com/onload is still needed on a node in this state. */
export function keepsHolders(state: NodeState): boolean {
  return rowOf(state).keepsHolders === true;
}

/** Whether pods have to leave a node in this state sooner or later. */
export function willBeEmptied(state: NodeState): boolean {
  const { phase } = rowOf(state);
  return phase === "stop plugin" || phase === "evict pods";
}

/** Whether the operator has begun with a node and not ended. A node that needs a slot has begun once its step is taken. */
export function isInBetween({ state, step }: { state: NodeState; step: StepName }): boolean {
  const { needsSlot, inBetween } = rowOf(state);
  return needsSlot ? step !== "None" && step !== "Inspect" : inBetween === true;
}
