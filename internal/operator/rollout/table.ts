/** The one table that says what to do in which state, and what each step changes. */
import type { NodeFacts, Version } from "../assess/facts.ts";
import type { NodeState } from "./state.ts";

/** What the operator can do to a node. Steps that change labels are one PATCH each. */
export type StepName =
  /** Nothing to do. */
  | "None"
  /** Nothing to do but wait for KMM, the kubelet or the DaemonSet controller, for as long as the step may take. */
  | "Wait"
  /** Set the plugin label and the first module's. */
  | "Install"
  | "LabelSfc"
  | "LabelOnload"
  | "LabelPlugin"
  | "UnlabelPlugin"
  /** List the node's pods afresh. */
  | "Inspect"
  /** Evict the pods that hold amd.com/onload. */
  | "Evict"
  | "UnlabelOnload"
  | "UnlabelSfc"
  /** Delete the plugin's pod, so that the DaemonSet makes it anew from its present template. */
  | "ReplacePlugin"
  /** Remove our annotation, the last trace. */
  | "ClearMark";

/** State -> step. The steps of `Outdated` and `PluginOutdated` need a slot; see slots.ts. */
export const TABLE = {
  // Not wanted, and nothing of ours is there.
  Absent: "None",
  // Wanted, but another resource's labels must go first.
  Blocked: "None",
  // Wanted, unlabelled, and cordoned by a person: skipped until uncordoned.
  Cordoned: "None",
  // Wanted, but no kernel mapping has an image for its kernel.
  Unmapped: "None",
  // Wanted, no labels, never touched.
  New: "Install",
  // The label of sfc is missing or another's, under an onload of the wanted version: put back.
  SfcUnlabelled: "LabelSfc",
  // sfc is labelled; KMM has not said that it is ready.
  LoadingSfc: "Wait",
  // Onload needs the new sfc under it.
  SfcReady: "LabelOnload",
  // The load label of onload is missing although its Module asks for it: put back.
  OnloadUnlabelled: "LabelOnload",
  // Onload is labelled; KMM has not said that the new version is ready.
  LoadingOnload: "Wait",
  ModuleReady: "LabelPlugin",
  // The plugin's pod is not ready, or the kubelet offers no amd.com/onload yet.
  StartingPlugin: "Wait",
  // All there.
  Ready: "None",
  // All there, but the plugin's pod is from an older template.
  PluginOutdated: "ReplacePlugin",
  // Whole, of another version than the wanted one.
  Outdated: "UnlabelPlugin",
  // Not wanted any more, or between two versions, and the plugin is still labelled.
  Leaving: "UnlabelPlugin",
  // The plugin's pod has not gone yet.
  StoppingPlugin: "Wait",
  // The plugin is gone; nobody has looked for pods that hold amd.com/onload since.
  Inspecting: "Inspect",
  // Begins once the kubelet offers no more amd.com/onload; see plan.ts.
  Draining: "Evict",
  Drained: "UnlabelOnload",
  // KMM has not unloaded onload yet.
  UnloadingOnload: "Wait",
  // Onload is gone; sfc is still labelled.
  OnloadUnloaded: "UnlabelSfc",
  // KMM has not unloaded sfc yet.
  UnloadingSfc: "Wait",
  // Nothing of the old version is left.
  Unloaded: "LabelSfc",
  // Not wanted; only our annotation is left.
  Cleaned: "ClearMark",
} as const satisfies Record<NodeState, StepName>;

/** New values of our labels; null removes one, and those left out stay. */
export interface LabelChange {
  plugin?: Version | null;
  onload?: Version | null;
  sfc?: Version | null;
}

/** The step for a state. Where sfc is not managed, onload is the first module. */
export function stepFor(state: NodeState, node: NodeFacts): StepName {
  const step = TABLE[state];
  return state === "Unloaded" && !node.sfcManaged ? "LabelOnload" : step;
}

/** What a step changes in the node's labels; undefined for the steps that change none. */
export function labelChange(step: StepName, node: NodeFacts): LabelChange | undefined {
  const want = node.want ?? null;
  switch (step) {
    case "Install":
      return node.sfcManaged ? { plugin: want, sfc: want } : { plugin: want, onload: want };
    case "LabelSfc":
      return { sfc: want };
    case "LabelOnload":
      return { onload: want };
    case "LabelPlugin":
      return { plugin: want };
    case "UnlabelPlugin":
      return { plugin: null };
    case "UnlabelOnload":
      return { onload: null };
    case "UnlabelSfc":
      return { sfc: null };
    default:
      return undefined;
  }
}
