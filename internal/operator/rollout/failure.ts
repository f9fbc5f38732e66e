/** When a node has failed: a step that takes too long, or what KMM and the kubelet report. */
import { NODE_REASON, type NodeReason } from "../../api/reasons.ts";
import type { Failure, NodeFacts } from "../assess/facts.ts";
import { forceRemedy } from "../cache/holders.ts";
import { passingIf, taintAgainst, taintText } from "./taint.ts";
import { holdersText } from "./awaited.ts";
import { missingPod, refusalText } from "./awaited-pod.ts";
import { moduleRemedy } from "./module-remedy.ts";
import { backBy, deadlineOf, limitOf, lackingUntil, waitingSince, type Limits, type NodeAtStep } from "./deadlines.ts";
import { awaitedIn, rowOf, type Awaited, type NodeState } from "./states.ts";
import { unmappedRemedy, unmappedText } from "./unmapped.ts";

/** What is wrong on a node, ready for status.problems. */
export interface Problem {
  reason: NodeReason;
  message: string;
  /** Milliseconds since the epoch; undefined if nothing says since when. */
  since: number | undefined;
  /** The node stands in the middle of a step and cannot go on by itself: it halts the rollout. */
  failed: boolean;
  /** It is no fault of the rollout, or not yet: it is listed, but the resource is not degraded by it. */
  passing?: true;
  /** It failed because the step's time is over, not because KMM or the kubelet reports a failure. */
  byTime?: true;
  /**
   * What is reported may be from before a retry: until then it is not known whether the retry has failed too, in
   * milliseconds since the epoch. Other nodes wait meanwhile, and no rollback begins.
   */
  retriedUntil?: number;
}

/** What a person can do about it; undefined if the problem's own message says it. */
const REMEDY: Record<NodeReason, string | undefined> = {
  SelectedByOther: undefined,
  NoKernelMapping: undefined,
  SfcLoadedAtBoot: undefined,
  SfcMissing:
    "KMM is asked to load it again; if it does not come back, move the pods away and reboot the node, or change spec.onload.version",
  Cordoned: undefined,
  Tainted: undefined,
  StepTimedOut: "see whether the DaemonSet in the resource's namespace exists, and the logs of kube-controller-manager",
  ModuleUnloadFailed: "see what uses the module on the node, and the module-loader or worker pod of KMM",
  PluginNotGone: "see the pod and the kubelet of the node",
  ModuleLoadFailed: "see the kernel log of the node and the module-loader or worker pod of KMM",
  ModuleImageMissing: "build and push the image, or correct spec.onload.kernelMappings",
  ImagePullFailed: "push the image, or correct it in the spec",
  // It depends on the pods; see drainRemedy.
  EvictionBlocked: undefined,
  NoFreeSlot: "bring those nodes back into service, or raise spec.upgrade.maxUnavailable",
  NodeNotReady: "bring the node back, or delete its Node object",
  PodRefused: undefined,
  PluginNotReady: "see the logs of the device plugin's pod",
  NotAllocatable: "see the logs of the device plugin's pod and of the kubelet",
};

/** What is wrong on the node, if anything. */
export function problemOf(node: NodeAtStep, limits: Limits, now: number): Problem | undefined {
  const { facts, state } = node;
  const since = waitingSince(facts, state);
  const standing = standingProblem(facts, state);
  if (standing) return withSeverity(standing, facts, state, since, limits, now);
  const reported = reportedFailure(facts, state);
  if (reported) return { ...reported, since, failed: !rowOf(state).needsSlot };
  const awaited = awaitedIn(state);
  const deadline = deadlineOf(node, limits);
  if (!awaited || deadline === undefined || now < deadline)
    return refusal(facts, state, since, limits) ?? refusedPod(facts, state, since) ?? sfcConflict(facts);
  return { ...timeout(facts, state, awaited, limits), since, failed: true, byTime: true };
}

/** Who keeps a node from what it waits for, as soon as that is known: the step still has its time. */
function refusal(facts: NodeFacts, state: NodeState, since: number | undefined, limits: Limits): Problem | undefined {
  const row = rowOf(state);
  if (row.drains && facts.holders?.some((holder) => holder.refusal !== undefined)) {
    const message = `Pods still hold amd.com/onload${holderText(facts, state)}; ${drainRemedy(facts, limits)}`;
    return { reason: NODE_REASON.EvictionBlocked, message, since, failed: false, passing: true };
  }
  const { refusal: why } = facts.plugin;
  if (row.plugin !== "starts" || !facts.ready || why === undefined) return undefined;
  const message = `The device plugin offers no amd.com/onload: ${why}`;
  return { ...withRemedy({ reason: NODE_REASON.NotAllocatable, message }), since, failed: false };
}

/** A cordon is a person's wish. A node that is not Ready has a step's time to come back. */
function withSeverity(
  standing: Failure,
  facts: NodeFacts,
  state: NodeState,
  since: number | undefined,
  limits: Limits,
  now: number,
): Problem {
  const problem = { ...standing, since, failed: false };
  if (standing.reason === NODE_REASON.Cordoned) return { ...problem, passing: true };
  if (standing.reason === NODE_REASON.SfcMissing) {
    const isLoading = now < (lackingUntil(facts, state, limits) ?? -Infinity);
    return { ...problem, ...(isLoading ? { passing: true } : {}) };
  }
  if (standing.reason === NODE_REASON.Tainted) return { ...problem, ...passingIf(taintAgainst(facts, state)) };
  if (standing.reason !== NODE_REASON.NodeNotReady) return problem;
  const comesBack = now < backBy(facts, limits);
  return { ...problem, since: facts.readySince, ...(comesBack ? { passing: true } : {}) };
}

/** Known at once, and yet no failure before the step's time is over: what refuses a pod may be back in a moment. */
function refusedPod(facts: NodeFacts, state: NodeState, since: number | undefined): Problem | undefined {
  const message = refusalText(facts, state);
  return message === undefined
    ? undefined
    : { reason: NODE_REASON.PodRefused, message: sentence(message), since, failed: false };
}

function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
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
  const { absent, obstacle, serves, lacks } = rowOf(state);
  if (node.keptBy !== undefined && absent) {
    return {
      reason: NODE_REASON.SelectedByOther,
      message: `Onload "${node.keptBy}" selects this node too and keeps it; change one of the selectors`,
    };
  }
  if (obstacle === "resource") {
    return {
      reason: NODE_REASON.SelectedByOther,
      message: `Waits for Onload "${node.blockedBy}" to leave this node; see its status for what keeps it`,
    };
  }
  if (obstacle === "kernel" || (serves === "older" && !node.mapped)) {
    return {
      reason: NODE_REASON.NoKernelMapping,
      message: `${unmappedText(node)}; ${unmappedRemedy(node)}`,
    };
  }
  if (!node.ready && serves) {
    return withRemedy({ reason: NODE_REASON.NodeNotReady, message: "The node is not Ready" });
  }
  if (lacks) return withRemedy({ reason: NODE_REASON.SfcMissing, message: sfcMissingText(node) });
  if (obstacle === "cordon" || (serves === "older" && node.cordoned)) {
    return { reason: NODE_REASON.Cordoned, message: "The node is cordoned: it is skipped until uncordoned" };
  }
  const taint = taintAgainst(node, state);
  if (taint) return { reason: NODE_REASON.Tainted, message: taintText(taint) };
  // Such a node serves and has not failed: even a single failed pull can be reported, as nothing halts for it.
  const image = serves === "older" ? (imageFailure(node) ?? pullFailure(node)) : undefined;
  return image && withRemedy(image);
}

/** KMM 1.1 deletes it if no node of the same kernel is schedulable and Ready while it looks (kmm/kmm1.ts). */
function sfcMissingText({ sfc }: NodeFacts): string {
  if (sfc.failure) return `Onload is loaded, and sfc under it is not: ${sfc.failure.message}`;
  if (sfc.present) return "Onload is loaded, and KMM has not loaded sfc under it again";
  return "Onload is loaded, and KMM has unloaded sfc under it";
}

/** What KMM or the kubelet reports about the thing that is awaited. */
function reportedFailure(node: NodeFacts, state: NodeState): Failure | undefined {
  const failure = failureAt(node, state);
  return failure && withRemedy(failure);
}

function failureAt(node: NodeFacts, state: NodeState): Failure | undefined {
  const { serves, loads, unloads, plugin } = rowOf(state);
  if (serves === "older") return node.onload.failure ?? pluginFailure(node);
  if (loads !== undefined) return node[loads].failure ?? imageFailure(node);
  if (unloads !== undefined) return unloadFailure(node[unloads]);
  return plugin === "starts" ? pluginFailure(node) : undefined;
}

/** What could not be loaded is no failure while it is unloaded: KMM takes the pod that failed away. */
function unloadFailure({ failure }: NodeFacts["onload"]): Failure | undefined {
  return failure?.reason === NODE_REASON.ModuleUnloadFailed ? failure : undefined;
}

function pluginFailure({ plugin }: NodeFacts): Failure | undefined {
  return plugin.ready ? undefined : plugin.failure;
}

/** An image that KMM will not find unless somebody does something. */
function imageFailure({ missingImages }: NodeFacts): Failure | undefined {
  const missing = missingImages.find(({ why }) => why !== undefined);
  return missing && cannotBeHad(missing.image, missing.why);
}

/** An image whose last pull failed. The kubelet says so between two pulls for a moment, again and again. */
function pullFailure({ missingImages }: NodeFacts): Failure | undefined {
  const missing = missingImages.find(({ lastPull }) => lastPull !== undefined);
  return missing && cannotBeHad(missing.image, missing.lastPull);
}

function cannotBeHad(image: string, why: string | undefined): Failure {
  return { reason: NODE_REASON.ModuleImageMissing, message: `Image ${image} is not available: ${why}` };
}

/** A failure, and what a person can do about it. */
export function withRemedy({ reason, message }: Failure): Failure {
  const isModules = reason === NODE_REASON.ModuleLoadFailed || reason === NODE_REASON.ModuleUnloadFailed;
  const remedies = [isModules ? moduleRemedy(message) : undefined, REMEDY[reason]];
  return { reason, message: [message, ...remedies.filter((each) => each !== undefined)].join("; ") };
}

/** What to say of a node on which the thing that is awaited has not happened in time. */
function timeout(node: NodeFacts, state: NodeState, awaited: Awaited, limits: Limits): Failure {
  const reason = timeoutReason(node, state, awaited);
  const what = reason === NODE_REASON.NodeNotReady ? "The node is not Ready" : awaited.what;
  const seconds = Math.round(limitOf(awaited, limits, node) / 1000);
  const refusal = node.ready ? refusalText(node, state) : undefined;
  if (refusal !== undefined) {
    return { reason: NODE_REASON.PodRefused, message: `${what} after ${seconds} s: ${refusal}` };
  }
  const missing = missingPod(node, state);
  if (node.ready && missing !== undefined) {
    return { reason, message: `${what}${imageText(node, state)} after ${seconds} s, ${NO_POD[missing]}` };
  }
  const message = `${what}${imageText(node, state)}${holderText(node, state)} after ${seconds} s${progressText(node, state)}`;
  if (reason === NODE_REASON.EvictionBlocked) return { reason, message: `${message}; ${drainRemedy(node, limits)}` };
  return withRemedy({ reason, message });
}

const KMM_MADE_NONE =
  "and KMM has made no pod for it on this node; see the log of KMM's operator, which says why (a quota, Pod Security, an SCC, a webhook)";

/** What to say of a pod that nobody has made, without a word why. */
const NO_POD = {
  onload: KMM_MADE_NONE,
  sfc: KMM_MADE_NONE,
  plugin: "and its DaemonSet has made no pod on this node; see the events of the DaemonSet, and the node's taints",
};

function timeoutReason(node: NodeFacts, state: NodeState, { reason }: Awaited): NodeReason {
  if (!node.ready) return NODE_REASON.NodeNotReady;
  return rowOf(state).plugin === "starts" && node.plugin.ready ? NODE_REASON.NotAllocatable : reason;
}

/** Where the step stands when its time is over. */
function progressText(node: NodeFacts, state: NodeState): string {
  const { loads, unloads, plugin } = rowOf(state);
  // A pod that was to load a module and cannot pull its image outlives the wish for it in some versions of KMM 2.
  const module = loads ?? unloads;
  const { refusal, progress } = node.plugin;
  const ofModule = module && node[module].progress;
  const text = plugin === "starts" ? (refusal ?? progress) : ofModule;
  return text === undefined ? "" : `: ${text}`;
}

/** What a person can do about pods that do not leave. */
function drainRemedy({ holders = [] }: NodeFacts, { force }: Limits): string {
  const budget = holders.length === 0 || holders.some(({ evictable }) => evictable) ? ", relax the budget" : "";
  return `delete the pods${budget}, or ${forceRemedy({ asked: force })}`;
}

function imageText({ missingImages }: NodeFacts, state: NodeState): string {
  if (rowOf(state).loads === undefined || missingImages.length === 0) return "";
  return ` (it still pulls or builds ${missingImages.map(({ image }) => image).join(", ")})`;
}

function holderText(node: NodeFacts, state: NodeState): string {
  if (!rowOf(state).drains || !node.holders) return "";
  return ` (${holdersText(node.holders, true)})`;
}
