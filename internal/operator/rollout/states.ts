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
  /** The module that KMM loads meanwhile. */
  loads?: "onload" | "sfc";
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
}

interface ActingColumns extends CommonColumns {
  step: Exclude<StepName, WaitingColumns["step"]>;
  awaits?: undefined;
}

export type StateRow = WaitingColumns | ActingColumns;

export const STATES = {
  // Not wanted, and nothing of ours is there.
  Absent: { step: "None", keepsHolders: true },
  // Wanted, but another resource's labels must go first.
  Blocked: { step: "None", phase: "load sfc", keepsHolders: true },
  // Wanted, unlabelled, and cordoned by a person: skipped until uncordoned.
  Cordoned: { step: "None", phase: "load sfc" },
  // Wanted, unlabelled, and with a taint that KMM or the device plugin does not tolerate.
  Tainted: { step: "None", phase: "load sfc" },
  // Wanted, but no kernel mapping has an image for its kernel.
  Unmapped: { step: "None", phase: "load sfc" },
  // Wanted, no labels, never touched.
  New: { step: "Install", phase: "load sfc", inBetween: true },
  // The label of sfc is missing or another's, under an onload of the wanted version: put back.
  SfcUnlabelled: { step: "LabelSfc", phase: "load sfc", inBetween: true, staysIfCordoned: true },
  // sfc is labelled; KMM has not said that it is ready.
  LoadingSfc: {
    step: "Wait",
    phase: "load sfc",
    inBetween: true,
    loads: "sfc",
    awaits: {
      what: "KMM has not loaded sfc",
      reason: NODE_REASON.ModuleLoadFailed,
      limit: "step",
      since: ({ sfc }) => sfc.since,
    },
  },
  // Onload needs the new sfc under it.
  SfcReady: { step: "LabelOnload", phase: "load onload", inBetween: true, staysIfCordoned: true },
  // The load label of onload is missing although its Module requires it: put back.
  OnloadUnlabelled: { step: "LabelOnload", phase: "load onload", inBetween: true, staysIfCordoned: true },
  // Onload is labelled; KMM has not said that the new version is ready.
  LoadingOnload: {
    step: "Wait",
    phase: "load onload",
    inBetween: true,
    loads: "onload",
    awaits: {
      what: "KMM has not loaded onload",
      reason: NODE_REASON.ModuleLoadFailed,
      limit: "step",
      since: ({ onload }) => onload.since,
    },
  },
  // The plugin label waits for the DaemonSet controller, which would make the pod from the template before.
  ModuleReady: {
    step: "LabelPlugin",
    phase: "start plugin",
    inBetween: true,
    awaits: {
      what: "The DaemonSet controller has not seen the present template of the device plugin",
      reason: NODE_REASON.StepTimedOut,
      limit: "step",
      since: ({ onload }) => onload.since,
    },
  },
  // The plugin's pod is not ready, or the kubelet offers no amd.com/onload yet.
  StartingPlugin: {
    step: "Wait",
    phase: "start plugin",
    inBetween: true,
    awaits: {
      what: "The device plugin offers no amd.com/onload",
      reason: NODE_REASON.PluginNotReady,
      limit: "step",
      since: ({ plugin }) => plugin.since,
    },
  },
  // All there.
  Ready: { step: "None", serves: "wanted" },
  // All there, but the plugin's pod is from an older template.
  PluginOutdated: { step: "ReplacePlugin", needsSlot: true, serves: "wanted" },
  // Whole, of another version than the wanted one.
  Outdated: { step: "UnlabelPlugin", phase: "stop plugin", needsSlot: true, serves: "older", keepsHolders: true },
  // Whole, and not wanted any more.
  Unwanted: {
    step: "UnlabelPlugin",
    phase: "stop plugin",
    needsSlot: true,
    serves: "unwanted",
    keepsHolders: true,
  },
  // Between two versions, or on its way to one that is not wanted any more, and the plugin is still labelled.
  Leaving: { step: "UnlabelPlugin", phase: "stop plugin", inBetween: true },
  // The plugin's pod has not gone yet.
  StoppingPlugin: {
    step: "Wait",
    phase: "stop plugin",
    inBetween: true,
    awaits: { what: "The device plugin's pod has not gone", reason: NODE_REASON.PluginNotGone, limit: "step" },
  },
  // The plugin is gone; which pods hold amd.com/onload has not been asked since.
  Inspecting: { step: "Inspect", phase: "evict pods", inBetween: true, keepsHolders: true },
  // Pods are asked to leave once the kubelet offers no more amd.com/onload; see plan.ts.
  Draining: {
    step: "Evict",
    phase: "evict pods",
    inBetween: true,
    staysIfCordoned: true,
    keepsHolders: true,
    awaits: { what: "Pods still hold amd.com/onload", reason: NODE_REASON.EvictionBlocked, limit: "drain" },
  },
  Drained: {
    step: "UnlabelOnload",
    phase: "unload onload",
    inBetween: true,
    staysIfCordoned: true,
    keepsHolders: true,
  },
  // KMM has not unloaded onload yet.
  UnloadingOnload: {
    step: "Wait",
    phase: "unload onload",
    inBetween: true,
    awaits: { what: "KMM has not unloaded onload", reason: NODE_REASON.ModuleUnloadFailed, limit: "step" },
  },
  // Onload is gone; sfc is still labelled.
  OnloadUnloaded: { step: "UnlabelSfc", phase: "unload sfc", inBetween: true, staysIfCordoned: true },
  // KMM has not unloaded sfc yet.
  UnloadingSfc: {
    step: "Wait",
    phase: "unload sfc",
    inBetween: true,
    awaits: { what: "KMM has not unloaded sfc", reason: NODE_REASON.ModuleUnloadFailed, limit: "step" },
  },
  // Nothing of the old version is left.
  Unloaded: { step: "LabelSfc", phase: "load sfc", inBetween: true, staysIfCordoned: true },
  // Not wanted; only our annotation and what load labels have left are there.
  Cleaned: {
    step: "ClearMark",
    inBetween: true,
    awaits: {
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
