/** What `onloadctl status` says: per resource and per node, in the operator's own words. Pure. */
import { nearest } from "../../cli/nearest.ts";
import { counted } from "../../cli/counted.ts";
import { printable } from "../../cli/printable.ts";
import type { Colour, Line } from "../../cli/output.ts";
import { formatAge } from "../../cli/table.ts";
import { fitTable, type FittedTable } from "../../cli/table-with-notes.ts";
import { brokenLine } from "../../cli/wrap.ts";
import type { DeepReadonly } from "../../api/core.ts";
import type { OnloadStatus } from "../../api/onload.ts";
import { CONDITION, REASON } from "../../api/reasons.ts";
import { waitText } from "../rollout/awaited.ts";
import { waitingSince } from "../rollout/deadlines.ts";
import type { NodePlan } from "../rollout/node-plan.ts";
import type { RolloutPlan } from "../rollout/plan.ts";
import { rowOf, type NodeState } from "../rollout/states.ts";
import { healthOf, needsPerson, type Health } from "./health.ts";
import { isUnserved, remedyOf, type Serving, type ServingState } from "./serving.ts";
import { toldOf, type Reported } from "./reported.ts";
import type { ObservedResource } from "./session.ts";
import { noneText } from "./none-text.ts";
import { saidOnce } from "./said-once.ts";
import { summaryOf } from "./summary.ts";

/** One node as `status` shows it. */
export interface NodeStatus {
  node: string;
  /** Version of its labels; "" if it has none. */
  version: string;
  /** Version that it is to run; "" if none. */
  wanted: string;
  state: NodeState;
  /** What the operator does about it. */
  step: string;
  /** RFC 3339; "" if nothing says since when. */
  since: string;
  /** Why it is not Ready. */
  why: string;
  failed: boolean;
  kernel: string;
}

/** How many pods are accelerated, of those that hold amd.com/onload. */
export interface Accelerated {
  pods: number;
  of: number;
  /** Nodes that did not tell; their pods are not counted. */
  unknownNodes: number;
}

/** One resource as `status` shows it. */
export interface ResourceStatus {
  namespace: string;
  name: string;
  /** spec.onload.version. */
  version: string;
  /** Version that nodes are brought to: another one after a rollback; "" if no operator has looked at the resource. */
  target: string;
  /** Nodes; null if no operator has counted them. */
  desired: number | null;
  ready: number | null;
  /** null: it is not known. Absent: it was not asked for. */
  accelerated?: Accelerated | null;
  /** See {@link Headline}. */
  status: string;
  message: string;
  health: Health;
  /** Nothing moves, and nothing will before a person does something. */
  needsPerson: boolean;
  /** Why nodes are not protected from other people's mistakes; "" if they are, or if that is not known. */
  unprotected: string;
  created: string;
  lastReadyVersion: string;
  /** Whether an operator acts, and what tells. */
  operator: { state: ServingState; message: string };
  /** What nobody acts on. */
  attention: string[];
  nodes: NodeStatus[];
}

/**
 * The report on resources.
 *
 * @param now milliseconds since the epoch; undefined: reasons tell no times, and are the same as long as nothing changes
 */
export function describeStatus(observed: readonly ObservedResource[], now?: number): ResourceStatus[] {
  return observed.map((resource) => {
    const { raw, planned, problem, attention, serving } = resource;
    const status = raw.status as DeepReadonly<OnloadStatus> | undefined;
    const { namespace = "", name, creationTimestamp = "" } = raw.metadata;
    const { headline, nodes } = summaryOf(resource);
    return {
      namespace,
      name,
      version: versionOf(raw.spec),
      target: status?.version ?? planned?.effective.spec.onload.version ?? "",
      desired: nodes?.desired ?? null,
      ready: nodes?.ready ?? null,
      status: headline.reason,
      message: headline.message,
      health: healthOf(resource),
      needsPerson: needsPerson(resource),
      unprotected:
        (find(status, CONDITION.Protected, "False") ?? find(status, CONDITION.Protected, "Unknown"))?.message ?? "",
      created: creationTimestamp,
      lastReadyVersion: status?.lastReady?.version ?? "",
      operator: { state: serving.state, message: serving.message },
      attention: [
        ...(problem === undefined || headline.message.includes(problem) ? [] : [problem]),
        ...attention,
        ...pausedText(resource, headline.reason),
      ],
      nodes: planned ? describeNodes(planned.plan, status?.problems ?? [], serving, now) : [],
    };
  });
}

/** What a person may wait for, and nothing else says it: nodes that are being installed go on. */
function pausedText({ raw: { metadata }, onload }: ObservedResource, reason: string): string[] {
  return onload?.spec.upgrade.paused === true && reason !== REASON.Paused && !onload.metadata.deletionTimestamp
    ? [
        `Paused: no node with an older version starts; to go on: onloadctl resume ${metadata.name} -n ${metadata.namespace}`,
      ]
    : [];
}

function versionOf(spec: unknown): string {
  const version = (spec as { onload?: { version?: unknown } } | undefined)?.onload?.version;
  return typeof version === "string" ? version : "";
}

type ReportedStatus = DeepReadonly<OnloadStatus> | undefined;

function find(status: ReportedStatus, type: string, value: string): { reason: string; message: string } | undefined {
  return status?.conditions?.find((condition) => condition.type === type && condition.status === value);
}

function describeNodes(
  { nodes, slots }: RolloutPlan,
  reported: Reported,
  serving: Serving,
  now: number | undefined,
): NodeStatus[] {
  return nodes.map((node) => describeNode(node, whyOf(node, slots, reported, serving, now)));
}

function describeNode(plan: NodePlan, why: string): NodeStatus {
  const { facts, state, step, problem, gate } = plan;
  const since = problem?.since ?? waitingSince(facts, state);
  const { onload, plugin, sfc } = facts.labels;
  return {
    node: facts.name,
    version: onload ?? plugin ?? sfc ?? "",
    wanted: facts.want ?? "",
    state,
    step: gate ?? step,
    since: since === undefined || rowOf(state).complete ? "" : new Date(since).toISOString(),
    why,
    failed: problem?.failed ?? false,
    kernel: facts.kernel,
  };
}

function whyOf(plan: NodePlan, slots: string, reported: Reported, serving: Serving, now: number | undefined): string {
  const { problem } = plan;
  const told = toldOf(plan, reported);
  if (problem) {
    // What may pass by itself has a limit, after which the node has failed.
    const times = problem.passing ? timesOf(plan, now) : "";
    return `${problem.reason}: ${told?.message ?? problem.message}${times === "" ? "" : ` (${times})`}`;
  }
  if (told) return `${told.reason}: ${told.message}`;
  const waits = waitText(plan, slots);
  if (waits !== "") {
    const times = timesOf(plan, now);
    return `${waits}${times === "" ? "" : `, ${times}`}`;
  }
  const isNext = plan.step !== "None" && plan.step !== "Wait";
  return isNext && isUnserved(serving) ? "Waits for an operator: none acts" : "";
}

/** `32s of 15m`: how long it has waited, and how long it may take; "" if that is not known. */
function timesOf({ facts, state, deadline }: NodePlan, now: number | undefined): string {
  const since = waitingSince(facts, state);
  if (now === undefined || since === undefined || deadline === undefined) return "";
  return `${formatAge(now - since)} of ${formatAge(deadline - since)}`;
}

/** Which nodes to show; all if nothing is given. */
export interface NodeFilter {
  /** Names. */
  nodes: readonly string[];
  failed: boolean;
}

/**
 * The report with some nodes only.
 *
 * @throws Error if a node that is named is in no resource
 */
export function withNodes(
  resources: readonly ResourceStatus[],
  { nodes: names, failed }: NodeFilter,
): ResourceStatus[] {
  const missing = names.find((name) => !resources.some(({ nodes }) => nodes.some(({ node }) => node === name)));
  if (missing !== undefined) {
    const near = nearest(missing, [...new Set(resources.flatMap(({ nodes }) => nodes.map(({ node }) => node)))]);
    throw new Error(
      `Cannot find node "${missing}": ${near === undefined ? "no Onload resource that is shown concerns a node of that name" : `did you mean ${near}?`}`,
    );
  }
  const isShown = (node: NodeStatus): boolean =>
    (names.length === 0 || names.includes(node.node)) && (!failed || node.failed);
  return resources.map((resource) => ({ ...resource, nodes: resource.nodes.filter(isShown) }));
}

/**
 * What to say of the operator before all else; "" while one acts.
 *
 * @param columns of the screen; undefined if there is none
 */
export function servingText(serving: Serving, columns?: number): string {
  if (serving.state === "acts") return "";
  const remedy = remedyOf(serving);
  const text = line(`${serving.message}${remedy === "" ? "" : `; ${remedy}`}`);
  return `${brokenLine(text, columns).join("\n")}\n`;
}

/** A text of a resource must not look like further lines of ours. */
function line(text: string): string {
  return printable(text, Infinity);
}

/** How a status is shown. */
export interface StatusLayout {
  /** With kernels and the last Ready version. */
  wide: boolean;
  /** Columns of the screen; undefined: there is none. On a narrow one each reason has lines of its own. */
  columns?: number | undefined;
  /** What to say if there is no resource. */
  none?: string;
  /** Whether only nodes are shown that have failed. */
  onlyFailed?: boolean;
}

/** As tables, line by line. */
export function statusLines(
  resources: readonly ResourceStatus[],
  serving: Serving,
  { wide, columns, none = noneText(undefined, []), onlyFailed = false }: StatusLayout,
  now: number,
): Line[] {
  const said = (text: string, colour?: Colour): Line[] =>
    brokenLine(line(text), columns).map((each) => (colour ? { text: each, colour } : { text: each }));
  const operator = servingText(serving).trimEnd();
  const first = operator === "" ? [] : said(operator, isUnserved(serving) ? "red" : "yellow");
  if (resources.length === 0) return [...first, ...said(none)];
  const age = (time: string): string => (time === "" ? "" : formatAge(now - Date.parse(time)));
  const head = [
    "Namespace",
    "Name",
    "Version",
    "Desired",
    "Ready",
    "Accelerated",
    "Status",
    "Age",
    ...(wide ? ["Last Ready"] : []),
  ];
  const rows = resources.map((r) => [
    r.namespace,
    r.name,
    r.version,
    String(r.desired ?? "-"),
    String(r.ready ?? "-"),
    acceleratedText(r.accelerated),
    r.status,
    age(r.created),
    ...(wide ? [r.lastReadyVersion] : []),
  ]);
  const lines: Line[] = [...first, ...(first.length > 0 ? [{ text: "" }] : [])];
  lines.push(...tableLines(fitTable(head, rows, 0, columns), (row) => HEALTH_COLOURS[resources[row]!.health]));
  for (const resource of resources) {
    lines.push({ text: "" }, ...said(`${resource.namespace}/${resource.name}: ${headlineText(resource)}`));
    lines.push(...resource.attention.flatMap((each) => said(each, "yellow")));
    const { unknownNodes = 0 } = resource.accelerated ?? {};
    if (unknownNodes > 0)
      lines.push(...said(`Accelerated: ${counted(unknownNodes, "node")} did not say (\`onloadctl doctor node\`)`));
    if (resource.unprotected !== "") lines.push(...said(`Not protected: ${resource.unprotected}`));
    if (resource.nodes.length === 0 && onlyFailed) lines.push({ text: "No node has failed" });
    if (resource.nodes.length > 0) lines.push(...nodeLines(resource.nodes, wide, columns, age));
  }
  return lines;
}

function headlineText({ message, nodes }: ResourceStatus): string {
  return saidOnce(
    message,
    nodes.map(({ why }) => why),
  );
}

/** Of no pod nothing can be told, as before a node has looked for the first time. */
function acceleratedText(accelerated: Accelerated | null | undefined): string {
  return accelerated && accelerated.of > 0 ? `${accelerated.pods}/${accelerated.of}` : "-";
}

const HEALTH_COLOURS: Record<Health, Colour> = { ready: "green", waiting: "yellow", degraded: "red", unserved: "red" };

function nodeLines(
  nodes: readonly NodeStatus[],
  wide: boolean,
  columns: number | undefined,
  age: (time: string) => string,
): Line[] {
  const head = ["Node", "Version", "State", "Step", "Since", ...(wide ? ["Kernel"] : []), "Why"];
  const rows = nodes.map((node) => [
    node.node,
    node.wanted === node.version ? node.version : `${node.version || "none"} -> ${node.wanted || "none"}`,
    node.failed ? `Failed (${node.state})` : node.state,
    node.step === "None" ? "-" : node.step,
    age(node.since) || "-",
    ...(wide ? [node.kernel] : []),
    node.why || "-",
  ]);
  const colourOf = ({ failed, state, why }: NodeStatus): Colour =>
    failed ? "red" : rowOf(state).complete && why === "" ? "green" : "yellow";
  return tableLines(fitTable(head, rows, 1, columns), (row) => colourOf(nodes[row]!));
}

function tableLines({ heading, rows }: FittedTable, colourOf: (row: number) => Colour): Line[] {
  const lines = rows.flatMap((texts, row) =>
    texts.map((text, i): Line => ({ text, colour: i === 0 ? colourOf(row) : "dim" })),
  );
  return [{ text: heading, colour: "dim" }, ...lines];
}

/** The same as one text; `wide` adds kernels and the last Ready version. */
export function statusText(resources: readonly ResourceStatus[], serving: Serving, wide: boolean, now: number): string {
  return statusLines(resources, serving, { wide }, now)
    .map(({ text }) => `${text}\n`)
    .join("");
}
