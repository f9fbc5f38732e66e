/** For whom and for what a node waits, as a person reads it; since when and for how long follows from the plan. Pure. */
import { firstFew } from "../../cli/first-few.ts";
import type { Holder, NodeFacts } from "../assess/facts.ts";
import type { NodeAtStep } from "./deadlines.ts";
import { gateText, type Gate } from "./gates.ts";
import { rowOf, type NodeState } from "./states.ts";
import type { StepName } from "./steps.ts";

/** So many pods are named. */
const MAX_NAMED = 3;

/**
 * What a node waits for, whether for something that takes its time or at a gate; "" if it does not.
 *
 * @param slots of the plan; see slotText
 */
export function waitText({ facts, state, step, gate }: NodeAtStep & { gate: Gate | undefined }, slots: string): string {
  return gate === undefined ? awaitedText(facts, state, step) : gateText(gate, facts, slots);
}

/**
 * `Waits for KMM to load onload: pod "x": container y is made`; "" where nothing is awaited. It has no times in it, so that
 * it is the same as long as nothing has changed.
 */
export function awaitedText(facts: NodeFacts, state: NodeState, step: StepName): string {
  if (step !== "Wait" && step !== "Evict" && step !== "Inspect") return "";
  const { awaits, plugin } = rowOf(state);
  if (!awaits) return "";
  if (!facts.ready) return "Waits for the node to be Ready again: its kubelet does nothing meanwhile";
  const { whom, to, detail } = plugin === "starts" ? startOf(facts) : { ...awaits, detail: detailOf(facts, state) };
  return `Waits for ${whom} ${to}${detail === "" ? "" : `: ${detail}`}`;
}

/** The way of a device plugin has several parts, each with somebody else who does it. */
function startOf({ plugin }: NodeFacts): { whom: string; to: string; detail: string } {
  if (!plugin.present) {
    return { whom: "the DaemonSet controller", to: "to make the device plugin's pod", detail: "there is none yet" };
  }
  if (!plugin.ready) return { whom: "the device plugin's pod", to: "to become Ready", detail: plugin.progress ?? "" };
  return { whom: "the kubelet", to: "to offer amd.com/onload", detail: plugin.refusal ?? "the device plugin is Ready" };
}

function detailOf(facts: NodeFacts, state: NodeState): string {
  const { loads, unloads, plugin, drains } = rowOf(state);
  if (loads !== undefined) return moduleText(facts, loads);
  if (unloads !== undefined) return facts[unloads].progress ?? "";
  if (plugin === "stops") return facts.plugin.progress ?? "";
  return drains ? drainText(facts) : "";
}

function moduleText({ missingImages, ...facts }: NodeFacts, module: "onload" | "sfc"): string {
  const images = missingImages.map(({ image }) => image);
  const { present, progress } = facts[module];
  const looks = images.length === 0 ? [] : [`it has not found ${images.join(", ")}`];
  return [...looks, progress ?? (present ? "" : "it has made no pod yet")].filter((text) => text !== "").join("; ");
}

/** Pods that keep a node from being unloaded, and what is known of why they are still there: each reason once. */
export function holdersText(holders: readonly Holder[], isAsked: boolean): string {
  const whyThere = ({ refusal, terminating }: Holder): string =>
    refusal ?? (terminating ? "ending" : isAsked ? "asked to leave" : "");
  const groups = [...Map.groupBy(holders, whyThere)].map(([why, pods]) => {
    const names = firstFew(pods, MAX_NAMED, ({ namespace, name }) => `${namespace}/${name}`);
    return `${names}${why === "" ? "" : ` (${why})`}`;
  });
  return firstFew(groups, MAX_NAMED);
}

function drainText({ holders = [], allocatable }: NodeFacts): string {
  const isAsked = allocatable === 0;
  const pods = holdersText(holders, isAsked);
  return isAsked ? pods : `${pods}; they are asked once the kubelet offers no more amd.com/onload`;
}
