/** What `onloadctl status` shows of an Onload resource and its nodes. Pure: from the planner's view. */
import { formatAge, formatTable } from "../../cli/table.ts";
import type { Condition, DeepReadonly } from "../../api/core.ts";
import type { NodeCounts } from "../../api/onload.ts";
import { waitingSince } from "../rollout/failure.ts";
import type { NodePlan } from "../rollout/plan.ts";
import { countNodes } from "../rollout/status.ts";
import type { Finding } from "./survey.ts";

/** One Onload resource, as -o json and -o yaml print it. Times are RFC 3339. */
export interface OnloadView {
  namespace: string;
  name: string;
  /** The version that nodes are brought to. */
  version: string;
  /** The version of the spec, where a rollback makes it another. */
  specVersion: string;
  nodes: NodeCounts;
  /** Reason of the condition Ready, as the operator wrote it last. */
  status: string;
  created: string | undefined;
  conditions: DeepReadonly<Condition>[];
  /** Why the spec cannot work. */
  trouble?: string;
  perNode: NodeView[];
}

/** One node of it. */
export interface NodeView {
  node: string;
  /** The version that the node's labels give it. */
  version: string | undefined;
  wanted: string | undefined;
  state: string;
  /** What the operator does next there, or waits for. */
  step: string;
  since: string | undefined;
  why: string;
  kernel: string;
  /** Versions that KMM says are loaded. */
  onload: string | undefined;
  sfc: string | undefined;
  pluginReady: boolean;
  allocatable: number;
}

/** The view of one finding. */
export function onloadView({ raw, onload, planned, trouble }: Finding): OnloadView {
  const status = onload?.status;
  const conditions = [...(status?.conditions ?? [])];
  const spec = raw.spec as { onload?: { version?: string } } | undefined;
  const specVersion = spec?.onload?.version ?? "";
  return {
    namespace: raw.metadata.namespace ?? "",
    name: raw.metadata.name,
    version: planned?.effective.spec.onload.version ?? specVersion,
    specVersion,
    nodes: planned ? countNodes(planned.plan) : { desired: 0, updated: 0, ready: 0, upgrading: 0, failed: 0 },
    status:
      conditions.find(({ type }) => type === "Ready")?.reason ?? (trouble === undefined ? "Unknown" : "InvalidSpec"),
    created: raw.metadata.creationTimestamp,
    conditions,
    ...(trouble === undefined ? {} : { trouble }),
    perNode: (planned?.plan.nodes ?? []).map((node) => nodeView(node, status?.problems ?? [])),
  };
}

type Reported = readonly DeepReadonly<{ node: string; reason: string; message: string }>[];

function nodeView(plan: NodePlan, reported: Reported): NodeView {
  const { facts, state, step, problem } = plan;
  const since = problem?.since ?? (state === "Ready" ? facts.plugin.since : waitingSince(facts, state));
  return {
    node: facts.name,
    version: facts.labels.onload ?? facts.labels.plugin ?? facts.labels.sfc,
    wanted: facts.want,
    state: problem?.failed ? `${state} (failed)` : state,
    step,
    since: since === undefined ? undefined : new Date(since).toISOString(),
    why: whyOf(plan, reported),
    kernel: facts.kernel,
    onload: facts.onload.ready,
    sfc: facts.sfc.ready,
    pluginReady: facts.plugin.ready,
    allocatable: facts.allocatable,
  };
}

/** What a waiting node waits for. */
const GATES: Record<NonNullable<NodePlan["gate"]>, string> = {
  Paused: "spec.upgrade.paused is true",
  Halted: "another node has failed",
  NoFreeSlot: "waits for a free slot (spec.upgrade.maxUnavailable)",
  NodeNotReady: "the node is not Ready",
  Cordoned: "the node is cordoned",
  NoKernelMapping: "no kernel mapping matches the node's kernel",
};

function whyOf({ facts, state, problem, gate }: NodePlan, reported: Reported): string {
  // The operator saw why evictions were refused; its own words say more.
  const told = reported.find(({ node, reason }) => node === facts.name && reason === problem?.reason);
  if (problem) return `${problem.reason}: ${told?.message ?? problem.message}`;
  if (gate) return GATES[gate];
  if (state === "Draining") {
    const names = (facts.holders ?? []).map(
      ({ namespace, name, refusal }) => `${namespace}/${name}${refusal ? ` (${refusal})` : ""}`,
    );
    return `pods hold amd.com/onload: ${names.join(", ")}`;
  }
  return "";
}

/** The tables for a person. */
export function statusText(views: readonly OnloadView[], wide: boolean, now: number): string {
  const summary = formatTable(
    ["namespace", "name", "version", "desired", "updated", "ready", "status", "age"],
    views.map((view) => [
      view.namespace,
      view.name,
      view.version === view.specVersion ? view.version : `${view.version} (spec: ${view.specVersion})`,
      String(view.nodes.desired),
      String(view.nodes.updated),
      String(view.nodes.ready),
      view.status,
      age(view.created, now),
    ]),
  );
  return [summary, ...views.map((view) => detailText(view, views.length > 1, wide, now))].filter(Boolean).join("\n");
}

function detailText(view: OnloadView, named: boolean, wide: boolean, now: number): string {
  const bad = view.conditions.find(({ type, status }) => type === "Degraded" && status === "True");
  const notes = [view.trouble, bad?.message].filter((note) => note !== undefined);
  const lines = notes.map((note) => `Degraded: ${note}\n`).join("");
  const more = ["kernel", "wanted", "onload", "sfc", "plugin", "allocatable"];
  const rows = view.perNode.map((node) => [
    node.node,
    node.version ?? "",
    node.state,
    node.step === "None" ? "-" : node.step,
    age(node.since, now),
    ...(wide
      ? [
          node.kernel,
          node.wanted ?? "",
          node.onload ?? "",
          node.sfc ?? "",
          node.pluginReady ? "ready" : "not ready",
          String(node.allocatable),
        ]
      : []),
    node.why || "-",
  ]);
  const table =
    rows.length > 0
      ? formatTable(["node", "version", "state", "step", "since", ...(wide ? more : []), "why"], rows)
      : "";
  const text = [lines, table].filter(Boolean).join("\n");
  return named && text !== "" ? `${view.namespace}/${view.name}\n${text}` : text;
}

function age(time: string | undefined, now: number): string {
  return time === undefined ? "-" : formatAge(now - Date.parse(time));
}
