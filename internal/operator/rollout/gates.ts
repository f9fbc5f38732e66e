/** Gates: why a node that is to start does not start yet, one row each, with the text that says so. */
import { NODE_REASON, type NodeReason } from "../../api/reasons.ts";
import type { NodeFacts } from "../assess/facts.ts";
import { taintAgainst } from "./taint.ts";
import { rowOf, STATES, type NodeState } from "./states.ts";

/** What a closed gate has to say. */
interface GateRow {
  /** The reason to give if it stays closed; left out if a person's wish, or another problem, explains it. */
  reason?: NodeReason;
  /** What a node waits for, as a sentence without its end; left out if the gate's name says it. `slots`: see slotText. */
  text?: (node: NodeFacts, slots: string) => string;
}

const GATES = {
  // spec.upgrade.paused is true, a person's wish.
  Paused: {},
  // Another node has failed: its own problem says so.
  Halted: {},
  // As many nodes are out as spec.upgrade.maxUnavailable allows.
  NoFreeSlot: { reason: NODE_REASON.NoFreeSlot, text: (_, slots) => slots },
  // The next two are problems of the node.
  NodeNotReady: {},
  NoKernelMapping: {},
  // A person has cordoned the node.
  Cordoned: {},
  // It has a taint, a problem of the node.
  Tainted: {},
  // KMM has not found an image of the wanted version.
  NoModuleImage: {
    reason: NODE_REASON.ModuleImageMissing,
    text: ({ missingImages }) => `KMM has not found ${missingImages.map(({ image }) => image).join(", ")}`,
  },
  // What the node would get is not in the cluster, a problem of the resource.
  NotApplied: {},
  // No image for the device plugin is known, a problem of the resource.
  NoPluginImage: {},
  // The DaemonSet controller would make the plugin's pod from the template before.
  TemplateNotSeen: { reason: STATES.ModuleReady.awaits.reason, text: () => STATES.ModuleReady.awaits.what },
} as const satisfies Record<string, GateRow>;

export type Gate = keyof typeof GATES;

/** What gates depend on beside the node. */
export interface GatePolicy {
  paused: boolean;
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
 * What a node waits for, as a sentence without its end; "" if the gate's name says it.
 *
 * @param slots see slotText
 */
export function gateText(gate: Gate, facts: NodeFacts, slots: string): string {
  return gateRowOf(gate).text?.(facts, slots) ?? "";
}
