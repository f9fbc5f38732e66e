/** Gates: why a node that is to start does not start yet, one row each, with the text that says so. */
import { NODE_REASON, type NodeReason } from "../../api/reasons.ts";
import type { NodeFacts } from "../assess/facts.ts";
import { anyTaint, taintAgainst, taintText } from "./taint.ts";
import { rowOf, STATES, type NodeState } from "./states.ts";
import { unmappedText } from "./unmapped.ts";

/** What a closed gate has to say. */
interface GateRow {
  /** What it means, for `onloadctl help states`: a sentence without its end. */
  says: string;
  /** The reason to give if it stays closed; left out if a person's wish, or another problem, explains it. */
  reason?: NodeReason;
  /** Set if it opens only when a person does something or the node changes; the others open as the rollout goes on. */
  stays?: true;
  /** What a node waits for, as a sentence without its end. `slots`: see slotText. */
  text: (node: NodeFacts, slots: string) => string;
}

const GATES = {
  Paused: { says: "spec.upgrade.paused is true", stays: true, text: () => "spec.upgrade.paused is true" },
  PauseUnknown: {
    says: "The CRD is outdated, so that the API server drops spec.upgrade.paused: the condition Degraded says what to do",
    stays: true,
    text: () => "The API server drops spec.upgrade.paused; see the resource's condition Degraded",
  },
  Halted: {
    says: "Another node has failed: no further node starts until that is resolved",
    stays: true,
    text: () => "Another node has failed; no further node starts until that is resolved",
  },
  NoFreeSlot: {
    says: "As many nodes are out of service as spec.upgrade.maxUnavailable allows; WHY names them",
    reason: NODE_REASON.NoFreeSlot,
    text: (_, slots) => slots,
  },
  NotConfirmed: {
    says: "More serving nodes would be let go than spec.upgrade.maxUnavailable allows: a person has to confirm that",
    stays: true,
    text: () => "A person has to confirm that so many nodes are let go; see the resource's condition Degraded",
  },
  NodeNotReady: { says: "The node is not Ready", stays: true, text: () => "The node is not Ready" },
  NoKernelMapping: {
    says: "No entry of spec.onload.kernelMappings is for the node's kernel",
    stays: true,
    text: unmappedText,
  },
  Cordoned: { says: "A person has cordoned the node", stays: true, text: () => "The node is cordoned" },
  Tainted: {
    says: "The node has a taint that KMM or the device plugin does not tolerate; WHY names it",
    stays: true,
    text: (node) => {
      const taint = anyTaint(node.taints);
      return taint ? taintText(taint) : "The node has a taint";
    },
  },
  NoModuleImage: {
    says: "KMM (2.4 and later) has not found the module image: the node stays in service meanwhile",
    reason: NODE_REASON.ModuleImageMissing,
    text: ({ missingImages }) => `KMM has not found ${missingImages.map(({ image }) => image).join(", ")}`,
  },
  NotApplied: {
    says: "A Module or the DaemonSet could not be applied, or the ServiceAccount is missing: the condition Degraded of the resource says why",
    text: () =>
      "A Module or the DaemonSet could not be applied, or the ServiceAccount is missing; see the resource's condition Degraded",
  },
  NoPluginImage: {
    says: "No image of the device plugin is known: the condition Degraded of the resource says what to do",
    text: () => "No image of the device plugin is known; see the resource's condition Degraded",
  },
  TemplateNotSeen: {
    says: "The DaemonSet controller has not seen the present template of the device plugin",
    reason: STATES.ModuleReady.awaits.reason,
    text: () => STATES.ModuleReady.awaits.what,
  },
} as const satisfies Record<string, GateRow>;

export type Gate = keyof typeof GATES;

/** All gates. */
export const GATE_NAMES = Object.keys(GATES) as Gate[];

/** What gates depend on beside the node. */
export interface GatePolicy {
  paused: boolean;
  /** See Policy. */
  pauseKnown: boolean;
  /** A node has failed. */
  halted: boolean;
  /** See Policy. */
  templateSeen: boolean;
  pluginImageKnown: boolean;
}

/** Why a node that needs a slot may not even ask for one. */
export function gateOf({ facts, state }: { facts: NodeFacts; state: NodeState }, policy: GatePolicy): Gate | undefined {
  const replacesModule = rowOf(state).serves === "older";
  if (!facts.ready) return "NodeNotReady";
  if (facts.cordoned) return "Cordoned";
  if (taintAgainst(facts, state)) return "Tainted";
  if (replacesModule && !facts.mapped) return "NoKernelMapping";
  if (policy.paused) return "Paused";
  if (!policy.pauseKnown) return "PauseUnknown";
  if (policy.halted) return "Halted";
  if (!policy.pluginImageKnown) return "NoPluginImage";
  if (!replacesModule) return policy.templateSeen ? undefined : "TemplateNotSeen";
  // What serves now is not given up for an image that may never come, or takes long to build.
  return facts.missingImages.length > 0 ? "NoModuleImage" : undefined;
}

/** The row of a gate. */
export function gateRowOf(gate: Gate): GateRow {
  return GATES[gate];
}

/**
 * What a node waits for, as a sentence without its end.
 *
 * @param slots see slotText
 */
export function gateText(gate: Gate, facts: NodeFacts, slots: string): string {
  return gateRowOf(gate).text(facts, slots);
}
