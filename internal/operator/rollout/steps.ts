/** Every step that the operator can take on a node, one row each. Whatever depends on a step is read from its row. */
import type { NodeFacts, Version } from "../assess/facts.ts";

/** New values of our labels; null removes one, and those left out stay. */
export interface LabelChange {
  plugin?: Version | null;
  onload?: Version | null;
  sfc?: Version | null;
}

/** What a step is. */
export interface StepRow {
  /**
   * Whether the step is a PATCH of the node, which writes the step record too. "once": only as the step begins, and what
   * it does beside the PATCH is done again and again.
   */
  patches: "never" | "once" | "always";
  /** What it changes in the node's labels. */
  labels?: (node: NodeFacts) => LabelChange;
}

export const STEPS = {
  // Nothing to do.
  None: { patches: "never" },
  // Nothing to do but wait for KMM, the kubelet or the DaemonSet controller, for as long as the step may take.
  Wait: { patches: "never" },
  // Set the plugin label and the first module's.
  Install: {
    patches: "always",
    labels: ({ want = null, sfcManaged }) =>
      sfcManaged ? { plugin: want, sfc: want } : { plugin: want, onload: want },
  },
  LabelSfc: { patches: "always", labels: ({ want = null }) => ({ sfc: want }) },
  LabelOnload: { patches: "always", labels: ({ want = null }) => ({ onload: want }) },
  LabelPlugin: { patches: "always", labels: ({ want = null }) => ({ plugin: want }) },
  UnlabelPlugin: { patches: "always", labels: () => ({ plugin: null }) },
  // List the node's pods afresh.
  Inspect: { patches: "never" },
  // Evict the pods that hold amd.com/onload.
  Evict: { patches: "once" },
  UnlabelOnload: { patches: "always", labels: () => ({ onload: null }) },
  UnlabelSfc: { patches: "always", labels: () => ({ sfc: null }) },
  // Delete the plugin's pod, so that the DaemonSet makes it anew from its present template.
  ReplacePlugin: { patches: "once" },
  // Remove our annotations, the last trace.
  ClearMark: { patches: "always" },
} as const satisfies Record<string, StepRow>;

/** What the operator can do to a node. */
export type StepName = keyof typeof STEPS;

/** The row of a step. */
export function stepRowOf(step: StepName): StepRow {
  return STEPS[step];
}

/** What a step changes in the node's labels; undefined for the steps that change none. */
export function labelChange(step: StepName, node: NodeFacts): LabelChange | undefined {
  return stepRowOf(step).labels?.(node);
}
