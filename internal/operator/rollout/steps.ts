/** What the operator can do to a node, and what each step changes in its labels. */
import type { NodeFacts, Version } from "../assess/facts.ts";

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

/** New values of our labels; null removes one, and those left out stay. */
export interface LabelChange {
  plugin?: Version | null;
  onload?: Version | null;
  sfc?: Version | null;
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
