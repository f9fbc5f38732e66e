/**
 * Which nodes may start. A node that serves pods starts only when a slot is free; nodes that are out already, for
 * whatever reason, hold the slots: in between, failed, cordoned or not Ready. That goes for nodes that are let go too, as
 * long as pods there hold amd.com/onload. If more of those are let go than may be out, a person has to confirm it.
 */
import { firstFew } from "../../cli/first-few.ts";
import type { NodeFacts } from "../assess/facts.ts";
import type { Problem } from "./failure.ts";
import { gateOf, type Gate, type GatePolicy } from "./gates.ts";
import { isWhole } from "./state-of.ts";
import { rowOf, willBeEmptied, type NodeState } from "./states.ts";

/** How many nodes may be out, and whether any may start. */
export interface SlotPolicy extends GatePolicy {
  /** Most nodes that may be out at once, at least 1. */
  maxUnavailable: number;
  /** Whether even more nodes than that may be let go, one after the other. */
  letGoConfirmed: boolean;
  /** Nodes of which it is not known whether the last PATCH was made. They count as out. */
  unanswered: readonly string[];
}

/** A node with what has been derived of it so far. */
export interface Assessed {
  facts: NodeFacts;
  state: NodeState;
  problem: Problem | undefined;
}

/** What a node that waits for a slot may do: start, be inspected for pods first, or nothing, and why. */
export type Grant = "Start" | "Inspect" | Gate;

export interface Slots {
  /** For every node that is whole but not as wanted, what it may do; and for each that is kept between two steps. */
  grants: Map<string, Grant>;
  /** Nodes that hold a slot, those that start now included. */
  holders: Assessed[];
}

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
  const row = rowOf(state);
  return row.serves !== undefined && !row.lacks && serves(facts);
}

/** A node that this resource has not touched and cannot: it will never be done, and must not hold a slot for ever. */
function canNeverRun({ facts, state }: Assessed): boolean {
  const { obstacle } = rowOf(state);
  return obstacle === "resource" || obstacle === "taint" || (obstacle === "kernel" && facts.stepRecord === undefined);
}

/** Whether the module is loaded and the plugin's pod is ready, whichever version they are. */
export function serves({ onload, plugin }: NodeFacts): boolean {
  return onload.ready !== undefined && plugin.ready;
}

/** Whether pods can use the wanted version on the node now: its driver, and the files that the plugin's pod brings. */
export function isDone({ state, facts }: Pick<Assessed, "state" | "facts">): boolean {
  const { version } = facts.plugin;
  const isOther = version !== undefined && version !== facts.want;
  const row = rowOf(state);
  return row.serves === "wanted" && !row.lacks && facts.ready && serves(facts) && !isOther;
}

/** So many nodes at most are looked at at once, to see whether pods there hold amd.com/onload. */
export const MAX_INSPECTIONS = 20;

/** Whether a node that is to run a version is out, and could be otherwise. */
function isOut(node: Assessed): boolean {
  return !isAvailable(node) && !canNeverRun(node);
}

/** Whether pods are made to leave a node that is let go. One that is not Ready has lost them already. */
function isBeingEmptied({ facts, state }: Assessed): boolean {
  return facts.ready && rowOf(state).serves !== "unwanted" && willBeEmptied(state);
}

/** Whether pods would lose Onload if a node that still serves them were let go. */
function losesPods({ facts, state }: Assessed): boolean {
  return rowOf(state).serves === "unwanted" && facts.ready && facts.holders !== undefined && facts.holders.length > 0;
}

/** Whether it is not known yet if pods would. */
function mayLosePods({ facts, state }: Assessed): boolean {
  return rowOf(state).serves === "unwanted" && facts.ready && facts.holders === undefined;
}

/**
 * Whether a node was out for an upgrade when it lost its labels. One that was let go since is not: its step record says so.
 */
function isInterrupted({ facts }: Assessed): boolean {
  const { want, ready, stepRecord } = facts;
  return want === undefined && ready && stepRecord !== undefined && !stepRecord.letGo && !isWhole(facts);
}

/** Nodes, by what they mean for the slots. One may be in several lists. */
interface Sorted {
  /** They hold a slot before any starts. */
  out: Assessed[];
  /** See {@link isInterrupted}. */
  interrupted: Assessed[];
  /** So many nodes; see {@link losesPods}. */
  losing: number;
  /** So many nodes; see {@link mayLosePods}. */
  unknown: number;
}

/** One look at each node: most of them mean nothing for the slots, and there may be thousands. */
function sortNodes(nodes: readonly Assessed[], isUnanswered: (node: Assessed) => boolean): Sorted {
  const sorted: Sorted = { out: [], interrupted: [], losing: 0, unknown: 0 };
  for (const node of nodes) {
    const isHolding = node.facts.want === undefined ? isBeingEmptied(node) : isOut(node);
    if (isHolding || isUnanswered(node)) sorted.out.push(node);
    if (isInterrupted(node)) sorted.interrupted.push(node);
    if (losesPods(node)) sorted.losing++;
    if (mayLosePods(node)) sorted.unknown++;
  }
  return sorted;
}

/** Gives the slots to nodes. */
export function grantSlots(nodes: readonly Assessed[], policy: SlotPolicy): Slots {
  const { maxUnavailable } = policy;
  const unanswered = new Set(policy.unanswered);
  const isUnanswered = ({ facts }: Assessed): boolean => unanswered.has(facts.name);
  const { out, interrupted, losing, unknown } = sortNodes(nodes, isUnanswered);
  const holders = [...out];
  // Labels that many nodes lose at once are a mistake, of a person or of what labels nodes by their hardware.
  const isMistaken = !policy.letGoConfirmed && losing > 0 && losing + interrupted.length > maxUnavailable;
  let looks = MAX_INSPECTIONS;
  // Nodes that are out only because they wait for a slot do not count against one another.
  let busy = out.filter(isBusy).length;
  const grants = new Map<string, Grant>();
  const start = (node: Assessed): Grant => {
    busy++;
    if (isAvailable(node)) holders.push(node);
    return "Start";
  };
  /** It holds a slot already, and may not be out yet. */
  const again = (node: Assessed): Grant => {
    return holders.filter((each) => each !== node).length < maxUnavailable ? "Start" : "NoFreeSlot";
  };
  const grant = (node: Assessed): Grant => {
    if (rowOf(node.state).serves === "unwanted") return letGo(node);
    const gate = gateOf(node, policy);
    if (gate) return gate;
    if (isUnanswered(node)) return again(node);
    if (isAvailable(node)) return holders.length < maxUnavailable ? start(node) : "NoFreeSlot";
    const free = withoutSlot(node);
    if (!free) return busy < maxUnavailable ? start(node) : "NoFreeSlot";
    // It starts, or is about to.
    busy++;
    return free;
  };
  const letGo = (node: Assessed): Grant => {
    const { facts } = node;
    if (!facts.holders) return looks-- > 0 ? "Inspect" : "NoFreeSlot";
    // Nobody loses anything.
    if (facts.holders.length === 0) return "Start";
    if (!facts.ready) return "NodeNotReady";
    if (isMistaken) return "NotConfirmed";
    if (isUnanswered(node)) return again(node);
    if (holders.length >= maxUnavailable) return "NoFreeSlot";
    // Its pods run as long as it is Ready, even if it is cordoned or its plugin is gone.
    holders.push(node);
    return "Start";
  };
  const isUndecided = !policy.letGoConfirmed && unknown > 0 && losing + unknown + interrupted.length > maxUnavailable;
  if (isMistaken || isUndecided)
    for (const { facts } of interrupted) grants.set(facts.name, isMistaken ? "NotConfirmed" : "Inspect");
  for (const node of startOrder(nodes)) grants.set(node.facts.name, grant(node));
  return { grants, holders };
}

/** Whether a node that is out holds a slot even from nodes that are out as well. */
function isBusy({ facts, state }: Assessed): boolean {
  return rowOf(state).inBetween === true || facts.cordoned || !facts.ready;
}

/**
 * What a node that does not serve may do if no slot is free. If no pod there holds amd.com/onload and none can be placed
 * there, nothing is lost: it needs no slot, or a bad version could not be replaced at once on all nodes that it has
 * reached.
 */
function withoutSlot({ facts: { allocatable, holders, plugin }, state }: Assessed): Grant | undefined {
  if (rowOf(state).serves === "wanted") return !plugin.ready && plugin.failure ? "Start" : undefined;
  if (allocatable > 0) return undefined;
  if (!holders) return "Inspect";
  return holders.length === 0 ? "Start" : undefined;
}

/**
 * Nodes that wait for a slot, in the order in which they get one: broken ones first, the operator's own last. One on which
 * pods can be placed may be about to serve again, as after a reboot: it comes after those that serve nobody for certain.
 *
 * @param nodes sorted by name
 */
export function startOrder<T extends Assessed>(nodes: readonly T[]): T[] {
  const [broken, unsure, serving, own]: [T[], T[], T[], T[]] = [[], [], [], []];
  for (const node of nodes) {
    if (!rowOf(node.state).needsSlot) continue;
    if (node.facts.ownNode) own.push(node);
    else if (isAvailable(node)) serving.push(node);
    else if (node.facts.allocatable > 0) unsure.push(node);
    else broken.push(node);
  }
  return [...broken, ...unsure, ...serving, ...own];
}

/** `The slot is held by node-1 (cordoned)`: who holds the slots, and why. */
export function slotText({ holders }: Pick<Slots, "holders">, maxUnavailable: number): string {
  const what = maxUnavailable === 1 ? "The slot is held by" : `The ${maxUnavailable} slots are held by`;
  // Those that hold one from nodes that are out as well keep everybody; of the others it is enough to say how many.
  const first = holders.toSorted((a, b) => Number(isBusy(b)) - Number(isBusy(a)));
  return `${what} ${firstFew(first, 3, (node) => `${node.facts.name} (${whyOut(node)})`)}`;
}

function whyOut(node: Assessed): string {
  const { facts, state, problem } = node;
  if (isAvailable(node)) return "starts now";
  if (problem?.failed) return "failed";
  if (facts.cordoned) return "cordoned";
  if (!facts.ready) return "not Ready";
  if (rowOf(state).serves && !serves(facts)) return "out of service";
  return state;
}
