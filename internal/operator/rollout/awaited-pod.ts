/** Which pod a node waits for, if that pod is not there, and what is known of why. */
import type { NodeFacts } from "../assess/facts.ts";
import type { PodPurpose } from "../observe/refusals.ts";
import { rowOf, type NodeState } from "./states.ts";

/** What the pod is for that a state awaits and that nobody has made; undefined if none is missing. */
export function missingPod(facts: NodeFacts, state: NodeState): PodPurpose | undefined {
  const { loads, unloads, plugin } = rowOf(state);
  const module = loads ?? unloads;
  if (module !== undefined) return facts[module].lacksPod ? module : undefined;
  return plugin === "starts" && !facts.plugin.present ? "plugin" : undefined;
}

/** Why that pod is refused, as a sentence without its end; undefined if nothing says so. */
export function refusalText(facts: NodeFacts, state: NodeState): string | undefined {
  const missing = missingPod(facts, state);
  if (missing === undefined) return undefined;
  const { refusals } = facts;
  const own = refusals[missing];
  if (own !== undefined) return `${POD[missing]} is refused: ${own}`;
  // KMM 2 tells nobody but its own log why it cannot make a pod. The plugin's pod is as privileged, and in the same namespace.
  if (missing === "plugin" || facts.plugin.present || refusals.plugin === undefined) return undefined;
  return `KMM has made no pod for ${missing} on this node, and ${POD.plugin} is refused: ${refusals.plugin}`;
}

const POD: Record<PodPurpose, string> = {
  plugin: "the device plugin's pod",
  onload: "KMM's pod for onload",
  sfc: "KMM's pod for sfc",
};
