/** When a node has failed: a step that takes too long, or what KMM and the kubelet report. */
import { NODE_REASON, type NodeReason } from "../../api/reasons.ts";
import type { Failure, NodeFacts } from "./facts.ts";
import type { NodeState } from "./state.ts";

/** How long a step may take. */
export interface Limits {
  /** Milliseconds for every step but eviction. */
  step: number;
  /** Milliseconds for evicting the pods of a node. */
  drain: number;
  /** Whether pods that are still there then are deleted; they have a step's time more to go. */
  force: boolean;
}

/** What is wrong on a node, ready for status.problems. */
export interface Problem {
  reason: NodeReason;
  message: string;
  /** Milliseconds since the epoch; undefined where nothing observed says since when. */
  since: number | undefined;
  /** The node stands in the middle of a step and cannot go on by itself: it halts the rollout. */
  failed: boolean;
}

/** States in which something is awaited, and the reason to give when it does not come. */
const AWAITED: Partial<Record<NodeState, NodeReason>> = {
  LoadingSfc: NODE_REASON.ModuleLoadFailed,
  LoadingOnload: NODE_REASON.ModuleLoadFailed,
  UnloadingOnload: NODE_REASON.ModuleUnloadFailed,
  UnloadingSfc: NODE_REASON.ModuleUnloadFailed,
  StartingPlugin: NODE_REASON.PluginNotReady,
  StoppingPlugin: NODE_REASON.PluginNotGone,
  Draining: NODE_REASON.EvictionBlocked,
};

/** What a person can do about it. */
const REMEDY: Partial<Record<NodeReason, string>> = {
  ModuleLoadFailed: "see the kernel log of the node and the module-loader or worker pod of KMM",
  ModuleImageMissing: "build and push the image, or correct spec.onload.kernelMappings",
  ImagePullFailed: "push the image, or correct it in the spec",
  EvictionBlocked: "end the pods, relax the budget, or set spec.upgrade.drain.force",
  NodeNotReady: "bring the node back, or delete its Node object",
  PluginNotReady: "see the logs of the device plugin's pod",
  NotAllocatable: "see the logs of the device plugin's pod and of the kubelet",
};

/** Since when the node waits for what its state awaits, in milliseconds since the epoch. */
export function waitingSince(node: NodeFacts, state: NodeState): number | undefined {
  if (AWAITED[state] === undefined) return node.mark?.since;
  if (state === "Draining") return node.mark?.step === "Evict" ? node.mark.since : undefined;
  // A node that was done and is not any more (a reboot, a crash) waits since that happened, not since our last step.
  const seen = [node.mark?.since, node.readySince, thingAwaited(node, state)].filter((time) => time !== undefined);
  return seen.length > 0 ? Math.max(...seen) : undefined;
}

function thingAwaited(node: NodeFacts, state: NodeState): number | undefined {
  if (state === "LoadingSfc") return node.sfc.since;
  if (state === "LoadingOnload") return node.onload.since;
  return state === "StartingPlugin" ? node.plugin.since : undefined;
}

/** When the present step must be done, in milliseconds since the epoch; undefined where nothing is timed. */
export function deadlineOf(node: NodeFacts, state: NodeState, limits: Limits): number | undefined {
  if (AWAITED[state] === undefined) return undefined;
  const since = waitingSince(node, state);
  return since === undefined ? undefined : since + limitOf(state, limits);
}

/** When pods that are still there are to be deleted, in milliseconds since the epoch; undefined where they are not. */
export function forceAt(node: NodeFacts, state: NodeState, limits: Limits): number | undefined {
  if (state !== "Draining" || !limits.force) return undefined;
  const since = waitingSince(node, state);
  return since === undefined ? undefined : since + limits.drain;
}

function limitOf(state: NodeState, limits: Limits): number {
  if (state !== "Draining") return limits.step;
  return limits.force ? limits.drain + limits.step : limits.drain;
}

/** What is wrong on the node, if anything. */
export function problemOf(node: NodeFacts, state: NodeState, limits: Limits, now: number): Problem | undefined {
  const since = waitingSince(node, state);
  const standing = standingProblem(node, state);
  if (standing) {
    const notReady = standing.reason === NODE_REASON.NodeNotReady;
    return { ...standing, since: notReady ? node.readySince : since, failed: false };
  }
  const reported = reportedFailure(node, state);
  if (reported) return { ...reported, since, failed: state !== "Outdated" };
  const deadline = deadlineOf(node, state, limits);
  if (deadline === undefined || now < deadline) return sfcConflict(node);
  const reason = timeoutReason(node, state);
  return { reason, message: timeoutMessage(node, state, reason, limits), since, failed: true };
}

/** Harmless, because the node's own sfc stays; but the spec asks for what it does not get. */
function sfcConflict({ want, sfcConflict: machineConfig }: NodeFacts): Problem | undefined {
  if (want === undefined || machineConfig === undefined) return undefined;
  return {
    reason: NODE_REASON.SfcLoadedAtBoot,
    message: `MachineConfig "${machineConfig}" loads sfc at boot on this node, so KMM does not manage it here; leave sfc out of spec.onload.kernelMappings for such nodes`,
    since: undefined,
    failed: false,
  };
}

/** What keeps the node from starting or from counting as ready, without anything having failed. */
function standingProblem(node: NodeFacts, state: NodeState): Failure | undefined {
  if (node.keptBy !== undefined && state === "Absent") {
    return {
      reason: NODE_REASON.SelectedByOther,
      message: `Onload "${node.keptBy}" is older and selects this node too; change one of the selectors`,
    };
  }
  if (state === "Blocked") {
    return {
      reason: NODE_REASON.SelectedByOther,
      message: `Waits for Onload "${node.blockedBy}" to leave this node`,
    };
  }
  if (state === "Unmapped" || (state === "Outdated" && !node.mapped)) {
    return {
      reason: NODE_REASON.NoKernelMapping,
      message: "No entry of spec.onload.kernelMappings matches the node's kernel; add one",
    };
  }
  if (!node.ready && (state === "Ready" || state === "Outdated" || state === "PluginOutdated")) {
    return { reason: NODE_REASON.NodeNotReady, message: "The node is not Ready" };
  }
  if (state === "Cordoned" || (state === "Outdated" && node.cordoned)) {
    return { reason: NODE_REASON.Cordoned, message: "The node is cordoned: it is skipped until uncordoned" };
  }
  return state === "Outdated" ? withRemedy(imageFailure(node)) : undefined;
}

/** What KMM or the kubelet reports about the thing that is awaited. */
function reportedFailure(node: NodeFacts, state: NodeState): Failure | undefined {
  switch (state) {
    case "LoadingSfc":
    case "UnloadingSfc":
      return withRemedy(node.sfc.failure ?? (state === "LoadingSfc" ? imageFailure(node) : undefined));
    case "LoadingOnload":
    case "UnloadingOnload":
      return withRemedy(node.onload.failure ?? (state === "LoadingOnload" ? imageFailure(node) : undefined));
    case "StartingPlugin":
      return node.plugin.ready ? undefined : withRemedy(node.plugin.failure);
    case "Outdated":
      return withRemedy(node.onload.failure ?? (node.plugin.ready ? undefined : node.plugin.failure));
    default:
      return undefined;
  }
}

/** An image that KMM will not find unless somebody does something. */
function imageFailure({ missingImages }: NodeFacts): Failure | undefined {
  const missing = missingImages.find(({ why }) => why !== undefined);
  if (!missing) return undefined;
  return { reason: NODE_REASON.ModuleImageMissing, message: `Image ${missing.image} cannot be had: ${missing.why}` };
}

function withRemedy(failure: Failure | undefined): Failure | undefined {
  const remedy = failure && REMEDY[failure.reason];
  return failure && remedy ? { reason: failure.reason, message: `${failure.message}; ${remedy}` } : failure;
}

function timeoutReason(node: NodeFacts, state: NodeState): NodeReason {
  if (!node.ready) return NODE_REASON.NodeNotReady;
  if (state === "StartingPlugin" && node.plugin.ready) return NODE_REASON.NotAllocatable;
  return AWAITED[state] ?? NODE_REASON.StepTimedOut;
}

function timeoutMessage(node: NodeFacts, state: NodeState, reason: NodeReason, limits: Limits): string {
  const limit = limitOf(state, limits);
  const what = reason === NODE_REASON.NodeNotReady ? "The node is not Ready" : AWAITING[state];
  const remedy = REMEDY[reason];
  return `${what}${imageText(node, state)}${holderText(node, state)} after ${Math.round(limit / 1000)} s${remedy ? `; ${remedy}` : ""}`;
}

const AWAITING: Partial<Record<NodeState, string>> = {
  LoadingSfc: "KMM has not loaded sfc",
  LoadingOnload: "KMM has not loaded onload",
  UnloadingOnload: "KMM has not unloaded onload",
  UnloadingSfc: "KMM has not unloaded sfc",
  StartingPlugin: "The device plugin offers no amd.com/onload",
  StoppingPlugin: "The device plugin's pod has not gone",
  Draining: "Pods still hold amd.com/onload",
};

function imageText({ missingImages }: NodeFacts, state: NodeState): string {
  if ((state !== "LoadingSfc" && state !== "LoadingOnload") || missingImages.length === 0) return "";
  return ` (it still pulls or builds ${missingImages.map(({ image }) => image).join(", ")})`;
}

function holderText(node: NodeFacts, state: NodeState): string {
  if (state !== "Draining" || !node.holders) return "";
  const names = node.holders.map(
    ({ namespace, name, refusal, terminating }) =>
      `${namespace}/${name} (${refusal ?? (terminating ? "terminating" : "asked to leave")})`,
  );
  const more = names.length > 3 ? ` and ${names.length - 3} more` : "";
  return ` (${names.slice(0, 3).join(", ")}${more})`;
}
