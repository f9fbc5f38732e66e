/**
 * Which nodes may start. A node that serves pods starts only when a slot is free; nodes that are out already, for
 * whatever reason, hold the slots: in between, failed, cordoned or not Ready.
 */
import type { NodeFacts } from "../assess/facts.ts";
import type { Problem } from "./failure.ts";
import { byNodeName } from "./node-order.ts";
import { rowOf, type NodeState } from "./states.ts";

/** Why a node that should start does not. */
export type Gate =
  | "Paused"
  | "Halted"
  | "NoFreeSlot"
  | "NodeNotReady"
  | "Cordoned"
  | "NoKernelMapping"
  | "NoModuleImage";

/** How many nodes may be out, and whether any may start. */
export interface SlotPolicy {
  /** Most nodes that may be out at once, at least 1. */
  maxUnavailable: number;
  paused: boolean;
  /** A node has failed. */
  halted: boolean;
}

/** A node with what has been derived of it so far. */
export interface Assessed {
  facts: NodeFacts;
  state: NodeState;
  problem: Problem | undefined;
}

/** What a node that waits for a slot may do: start, be looked at for pods first, or nothing, and why. */
export type Grant = "Start" | "Inspect" | Gate;

/**
 * The most nodes that may be out.
 *
 * @param value a number or a percentage of `total`, as in spec.upgrade.maxUnavailable
 * @returns at least 1, so that a rollout always moves; percentages are rounded down
 */
export function resolveMaxUnavailable(value: number | string, total: number): number {
  const percent = /^(\d+)%$/.exec(String(value));
  const count = percent ? Math.floor((Number(percent[1]) * total) / 100) : Number(value);
  return Number.isFinite(count) ? Math.max(1, Math.floor(count)) : 1;
}

/** Whether pods that ask for amd.com/onload can run on the node now. */
export function isAvailable({ facts, state, problem }: Assessed): boolean {
  if (!facts.ready || facts.cordoned || problem?.failed) return false;
  return rowOf(state).serves !== undefined && serves(facts);
}

/** A node that this resource has not touched and cannot: it will never be done, and must not hold a slot for ever. */
function canNeverRun({ facts, state }: Assessed): boolean {
  return state === "Blocked" || (state === "Unmapped" && facts.stepRecord === undefined);
}

/** Whether the module is loaded and the plugin's pod is ready, whichever version they are. */
export function serves({ onload, plugin }: NodeFacts): boolean {
  return onload.ready !== undefined && plugin.ready;
}

/** Decides for every node that is whole but not as wanted; other nodes are not in the result. */
export function grantStarts(nodes: readonly Assessed[], policy: SlotPolicy): Map<string, Grant> {
  const wanted = nodes.filter(({ facts }) => facts.want !== undefined);
  const out = wanted.filter((node) => !isAvailable(node) && !canNeverRun(node)).length;
  let free = policy.maxUnavailable - out;
  const grants = new Map<string, Grant>();
  for (const node of startOrder(wanted)) {
    const blocked = gateOf(node, policy);
    if (blocked) {
      grants.set(node.facts.name, blocked);
      continue;
    }
    const available = isAvailable(node);
    // A node that is out already takes no further slot, but it still must not exceed the limit.
    if (available ? free > 0 : free >= 0) {
      grants.set(node.facts.name, "Start");
      if (available) free--;
    } else {
      grants.set(node.facts.name, startsWithoutSlot(node));
    }
  }
  return grants;
}

/** Nodes that wait for a slot, in the order in which they get one: broken ones first, the operator's own last. */
export function startOrder(nodes: readonly Assessed[]): Assessed[] {
  const rank = (node: Assessed): number => (node.facts.ownNode ? 2 : isAvailable(node) ? 1 : 0);
  return nodes
    .filter(({ state }) => rowOf(state).needsSlot)
    .sort((a, b) => rank(a) - rank(b) || byNodeName(a.facts.name, b.facts.name));
}

function gateOf({ facts, state }: Assessed, policy: SlotPolicy): Gate | undefined {
  if (!facts.ready) return "NodeNotReady";
  if (facts.cordoned) return "Cordoned";
  if (state === "Outdated" && !facts.mapped) return "NoKernelMapping";
  if (policy.paused) return "Paused";
  if (policy.halted) return "Halted";
  // What serves now is not given up for an image that may never come, or takes long to build.
  return state === "Outdated" && facts.missingImages.length > 0 ? "NoModuleImage" : undefined;
}

/** A node whose module never loaded and that no pod uses loses nothing: it waits for no slot, or a bad first version could never be replaced. */
function startsWithoutSlot({ facts, state }: Assessed): Grant {
  if (state !== "Outdated" || facts.onload.ready !== undefined || facts.allocatable > 0) return "NoFreeSlot";
  if (facts.holders === undefined) return "Inspect";
  return facts.holders.length === 0 ? "Start" : "NoFreeSlot";
}
