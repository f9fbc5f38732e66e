/** What `onloadctl plan` says: what the operator would do next, in which order, and what would be in its way. Pure. */
import { printable } from "../../cli/printable.ts";
import { formatTableWithNotes } from "../../cli/table-with-notes.ts";
import { brokenLine } from "../../cli/wrap.ts";
import type { DeepReadonly, Pod } from "../../api/core.ts";
import type { OnloadStatus } from "../../api/onload.ts";
import { REASON } from "../../api/reasons.ts";
import type { Force } from "../cache/holders.ts";
import { kernelProblem } from "../observe/preflight.ts";
import type { Planned } from "../plan.ts";
import type { NodeFacts } from "../assess/facts.ts";
import type { Problem } from "../rollout/failure.ts";
import { waitText } from "../rollout/awaited.ts";
import { gateRowOf } from "../rollout/gates.ts";
import type { NodePlan } from "../rollout/node-plan.ts";
import type { RolloutPlan } from "../rollout/plan.ts";
import { startOrder } from "../rollout/slots.ts";
import { isWhole } from "../rollout/state-of.ts";
import { PHASES, rowOf, willBeEmptied } from "../rollout/states.ts";
import { evictionObstacles, obstacleTexts, type Refusers } from "./obstacles.ts";
import { changeLines, type FieldChange } from "./difference.ts";
import { toldOf, type Reported } from "./reported.ts";
import type { ObservedResource } from "./session.ts";
import { saidOnce } from "./said-once.ts";
import { summaryOf } from "./summary.ts";
import { noneText } from "./none-text.ts";

/** What is known beside the caches. */
export interface Outlook extends Refusers {
  /** Pods that hold amd.com/onload, by node: of the nodes that would be emptied. */
  holders: ReadonlyMap<string, readonly DeepReadonly<Pod>[]>;
}

/** One node in the order of the rollout. */
export interface PlannedNode {
  /** 0: now. Nodes of one number go together. -1: not before a person or KMM has done something. */
  turn: number;
  node: string;
  from: string;
  to: string;
  state: string;
  /** The next step, or why there is none now. */
  next: string;
  /** All that is still to be done there, in order. */
  steps: string[];
  /** `namespace/name` of pods that would be evicted. */
  evict: string[];
  /** What would keep the node from being emptied or loaded. */
  blockedBy: string[];
  /** Whether the node serves pods now, and will not for a while, without anybody doing more. */
  leavesService: boolean;
}

/** The plan of one resource. */
export interface ResourcePlan {
  namespace: string;
  name: string;
  /** spec.onload.version; "" if the spec cannot be read. */
  version: string;
  /** Version that nodes are brought to: another one after a rollback. */
  target: string;
  /** See {@link Headline}; "" if the plan is of what is only supposed. */
  status: string;
  message: string;
  maxUnavailable: number;
  /** Changes of objects that would be applied. */
  objects: string[];
  /** What a person should know before the file is applied, or the resource deleted. */
  warnings: string[];
  /** What applying the file changes of the resource; left out unless that was asked for. */
  changes?: FieldChange[];
  /** Changes that would be held back, and what else is in the way. */
  notes: string[];
  nodes: PlannedNode[];
}

/** The nodes that would be emptied: those in between, and those that wait for their turn. */
export function nodesToEmpty({ plan }: Planned): string[] {
  return plan.nodes.filter(({ state }) => willBeEmptied(state)).map(({ facts }) => facts.name);
}

/**
 * The plan of a resource.
 *
 * @param isLive whether the resource is so in the cluster, and not only supposed: then its status counts
 */
export function describePlan(resource: ObservedResource, outlook: Outlook, isLive = false): ResourcePlan {
  const { raw, onload, planned, problem, heldBack, attention } = resource;
  const { namespace = "", name } = raw.metadata;
  const notes = [...attention, ...(problem === undefined ? [] : [problem])];
  const reported = isLive ? ((raw.status as DeepReadonly<OnloadStatus> | undefined)?.problems ?? []) : [];
  const headline = isLive ? summaryOf(resource).headline : undefined;
  const about = { namespace, name, status: headline?.reason ?? "", message: headline?.message ?? "", warnings: [] };
  if (!planned || !onload)
    return { ...about, version: "", target: "", maxUnavailable: 0, objects: [], notes, nodes: [] };
  const { effective, policy, plan, kmm } = planned;
  if (!kmm.installed) notes.push("KMM is not installed: the operator waits for it");
  notes.push(...objectNotes(planned));
  if (heldBack !== undefined) notes.push(`Held back: ${heldBack}`);
  if (policy.paused && headline?.reason !== REASON.Paused && raw.metadata.deletionTimestamp === undefined)
    notes.push("Paused: no node with an older version starts");
  if (plan.halted) notes.push("Halted: a node has failed, so no further node starts");
  notes.push(...awaitedBy(plan));
  const empties = nodesToEmpty(planned).some((node) => (outlook.holders.get(node) ?? []).length > 0);
  if (empties && outlook.evictions.gap !== undefined) notes.push(outlook.evictions.gap);
  return {
    ...about,
    version: onload.spec.onload.version,
    target: effective.spec.onload.version,
    maxUnavailable: policy.maxUnavailable,
    objects: objectChanges(planned),
    notes,
    nodes: order(planned).map(([turn, node]) => describeNode(turn, node, outlook, planned.force, reported)),
  };
}

/** What nodes wait for, each once. Images that KMM has not found are said of each node. */
function awaitedBy({ nodes, slots }: RolloutPlan): string[] {
  // Other gates are a person's wish or a problem, of which the plan tells elsewhere.
  const told = (gate: NodePlan["gate"]): boolean => gate === "NoFreeSlot" || gate === "TemplateNotSeen";
  const texts = nodes.map((node) => (told(node.gate) ? waitText(node, slots) : ""));
  return [...new Set(texts)].filter((text) => text !== "");
}

/** Nodes with a step of their own come first, then those that wait, as slots become free. */
function order({ plan, policy }: Planned): [number, NodePlan][] {
  const whole = startOrder(plan.nodes);
  const starting = whole.filter(({ gate }) => gate === undefined);
  // KMM looks for an image only once its Module asks for it, so that a missing image alone keeps no node back.
  const queues = ({ gate, problem }: NodePlan): boolean =>
    gate === "NoFreeSlot" || (gate === "NoModuleImage" && problem === undefined);
  const queued = whole.filter(queues);
  const held = whole.filter((node) => node.gate !== undefined && !queues(node));
  const busy = plan.nodes.filter((node) => !whole.includes(node) && node.step !== "None");
  const standing = plan.nodes.filter((node) => !whole.includes(node) && node.step === "None" && node.problem);
  // Nodes that stay out by themselves keep their slots.
  const out = [...held, ...standing].filter(({ facts }) => facts.cordoned || !facts.ready).length;
  const together = Math.max(1, policy.maxUnavailable - out);
  return [
    ...[...busy, ...starting].map((node): [number, NodePlan] => [0, node]),
    ...queued.map((node, i): [number, NodePlan] => [1 + Math.floor(i / together), node]),
    ...[...held, ...standing].map((node): [number, NodePlan] => [-1, node]),
  ];
}

function stepsOf({ state, facts }: NodePlan, pods: number): string[] {
  const { phase, step: next } = rowOf(state);
  if (next === "ReplacePlugin") return ["replace plugin pod"];
  if (phase === undefined) return [];
  return PHASES.slice(PHASES.indexOf(phase)).filter((step) => {
    if (step === "evict pods") return pods > 0 || next === "Evict";
    if (step === "unload sfc") return facts.labels.sfc !== undefined || facts.sfc.present;
    if (step === "load sfc") return facts.want !== undefined && facts.sfcManaged;
    return !(step === "load onload" || step === "start plugin") || facts.want !== undefined;
  });
}

/** Whether pods use Onload on the node, or could: labels alone do not say so, because a node may be on its way up. */
function serves(facts: NodeFacts, pods: readonly unknown[]): boolean {
  const { onload, plugin, allocatable } = facts;
  const isLoaded = onload.ready !== undefined || onload.labelledReady;
  return isWhole(facts) && (isLoaded || plugin.ready || allocatable > 0 || pods.length > 0);
}

function describeNode(turn: number, plan: NodePlan, outlook: Outlook, force: Force, reported: Reported): PlannedNode {
  const { facts, state, step, gate, problem } = plan;
  const pods = outlook.holders.get(facts.name) ?? [];
  const said = problem ? `${problem.reason}: ${toldOf(plan, reported)?.message ?? problem.message}` : "";
  const obstacles = obstacleTexts(evictionObstacles(pods, outlook, force), force, said);
  return {
    turn,
    node: facts.name,
    from: facts.labels.onload ?? facts.labels.plugin ?? "",
    to: facts.want ?? "",
    state,
    next: gate ?? step,
    steps: stepsOf(plan, pods.length),
    evict: pods.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`),
    blockedBy: [...(said === "" ? [] : [said]), ...obstacles, ...missingImages(facts, problem)],
    leavesService: serves(facts, pods) && rowOf(state).phase === "stop plugin" && !(gate && gateRowOf(gate).stays),
  };
}

/** Images that KMM has not found, but for those whose pull has failed: that is the node's problem already. */
function missingImages({ missingImages: missing, kernel }: NodeFacts, problem: Problem | undefined): string[] {
  return missing
    .filter(({ image }) => !problem?.message.includes(image))
    .map(({ image, why }) =>
      why === undefined
        ? `image ${image} (kernel ${kernel}): KMM has not found it yet`
        : `image ${image} (kernel ${kernel}): ${why}`,
    );
}

/** Why objects are not changed as the resource asks. */
function objectNotes({ desired, stop }: Planned): string[] {
  const held = (desired?.heldBack ?? []).map((change) => `Held back until spec.onload.version changes: ${change}`);
  return stop ? [kernelProblem(stop).message, ...held] : held;
}

function objectChanges({ desired, live, stop }: Planned): string[] {
  if (!desired || stop) return [];
  const changes: string[] = [];
  for (const [wanted, is] of [
    [desired.applied.onload, live.onload],
    [desired.applied.sfc, live.sfc],
  ] as const) {
    if (!wanted) continue;
    const { version } = wanted.spec.moduleLoader.container;
    const old = is?.spec.moduleLoader.container.version;
    if (!is) changes.push(`Module ${wanted.metadata.name}: create with version ${version}`);
    else if (old !== version) changes.push(`Module ${wanted.metadata.name}: version ${old} -> ${version}`);
  }
  if (desired.daemonSet && !live.daemonSet) changes.push(`DaemonSet ${desired.daemonSet.metadata.name}: create`);
  return changes;
}

function versionText({ version, target }: ResourcePlan): string {
  if (version === "") return "unknown";
  return target === version ? version : `${version} (its nodes go back to ${target})`;
}

function headlineText({ message, nodes }: ResourcePlan): string {
  return saidOnce(
    message,
    nodes.flatMap(({ blockedBy }) => blockedBy),
  );
}

/** Notes without what the headline or a row of the table has word by word. */
function untoldNotes({ message, notes, nodes }: ResourcePlan): string[] {
  const told = [message, ...nodes.flatMap(({ blockedBy }) => blockedBy)];
  return notes.filter((note) => !told.some((text) => text.includes(note.replace(/^Held back: /, ""))));
}

/**
 * As text for people.
 *
 * @param none what to say if there is no resource
 * @param columns of the screen; undefined if there is none
 */
export function planText(plans: readonly ResourcePlan[], none = noneText(undefined, []), columns?: number): string {
  if (plans.length === 0) return `${none}\n`;
  return plans
    .map((plan) => {
      const lines = [
        `${plan.namespace}/${plan.name}: version ${versionText(plan)}, at most ${plan.maxUnavailable} of its nodes out of service at once`,
        ...(plan.status === "" ? [] : [`${plan.status}: ${headlineText(plan)}`]),
        ...plan.warnings.map((text) => `Warning: ${text}`),
        ...untoldNotes(plan),
        ...(plan.changes
          ? plan.changes.length > 0
            ? changeLines(plan.changes)
            : ["The resource does not change"]
          : []),
        ...plan.objects,
      ].flatMap((line) => brokenLine(printable(line, Infinity), columns));
      if (plan.nodes.length === 0) return `${[...lines, "Nothing to do on any node"].join("\n")}\n`;
      const rows = plan.nodes.map((node) => [
        node.turn < 0 ? "-" : node.turn === 0 ? "now" : String(node.turn),
        node.node,
        node.from === node.to ? node.to || "none" : `${node.from || "none"} -> ${node.to || "none"}`,
        node.steps.join(", ") || "-",
        node.evict.join(", ") || "-",
        node.blockedBy.join("; ") || "-",
      ]);
      return `${lines.join("\n")}\n${formatTableWithNotes(["Turn", "Node", "Version", "Steps", "Evicts", "Blocked by"], rows, 3, columns)}`;
    })
    .join("\n");
}
