/** Gates: why a node that should start does not, and how to say so. */
import { NODE_REASON, type NodeReason } from "../../api/reasons.ts";
import type { NodeFacts } from "../assess/facts.ts";
import { rowOf, type NodeState } from "./states.ts";

export type Gate =
  /** spec.upgrade.paused is true. */
  | "Paused"
  /** Another node has failed. */
  | "Halted"
  /** As many nodes are out as spec.upgrade.maxUnavailable allows. */
  | "NoFreeSlot"
  | "NodeNotReady"
  /** A person has cordoned the node. */
  | "Cordoned"
  | "NoKernelMapping"
  /** KMM has not found an image of the wanted version. */
  | "NoModuleImage"
  /** What the node would get is not in the cluster. */
  | "NotApplied"
  /** No image for the device plugin is known. */
  | "NoPluginImage"
  /** The DaemonSet controller would make the plugin's pod from the template before. */
  | "TemplateNotSeen";

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
  if (replacesModule && !facts.mapped) return "NoKernelMapping";
  if (policy.paused) return "Paused";
  if (policy.halted) return "Halted";
  if (!policy.pluginImageKnown) return "NoPluginImage";
  if (!replacesModule) return policy.templateSeen ? undefined : "TemplateNotSeen";
  // What serves now is not given up for an image that may never come, or takes long to build.
  return facts.missingImages.length > 0 ? "NoModuleImage" : undefined;
}

/** The reason to give if a gate stays closed; undefined if a person's wish or another problem explains it. */
const REASON_OF_GATE: Record<Gate, NodeReason | undefined> = {
  // A person's wish.
  Paused: undefined,
  Cordoned: undefined,
  // A problem of this node or of another one.
  Halted: undefined,
  NodeNotReady: undefined,
  NoKernelMapping: undefined,
  // A problem of the resource.
  NotApplied: undefined,
  NoPluginImage: undefined,
  NoFreeSlot: NODE_REASON.NoFreeSlot,
  NoModuleImage: NODE_REASON.ModuleImageMissing,
  TemplateNotSeen: NODE_REASON.StepTimedOut,
};

/** The reason to give if a gate stays closed; undefined for gates that need no explanation. */
export function reasonOf(gate: Gate): NodeReason | undefined {
  return REASON_OF_GATE[gate];
}

/**
 * What a node waits for, as a sentence without its end; "" if the gate's name says it.
 *
 * @param slots see slotText
 */
export function gateText(gate: Gate, { missingImages }: NodeFacts, slots: string): string {
  if (gate === "NoFreeSlot") return slots;
  if (gate === "TemplateNotSeen") {
    return "The DaemonSet controller has not seen the present template of the device plugin";
  }
  if (gate !== "NoModuleImage") return "";
  return `KMM has not found ${missingImages.map(({ image }) => image).join(", ")}`;
}
