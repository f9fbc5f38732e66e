/** What an operator's metrics and events say of a resource, held against what the API server says of it. */
import type { OnloadStatus } from "../../api/onload.ts";

/** An event, as far as this looks at it. */
export interface ToldEvent {
  reason: string;
  note: string;
  /** When it was first so. */
  eventTime: string;
  /** If it was so more than once. */
  series?: { lastObservedTime: string };
}

/** What is told of one resource at one moment. */
export interface Told {
  namespace: string;
  name: string;
  /** The columns of `kubectl get onload`, by their headings. */
  row: Readonly<Record<string, string>>;
  /** Of the API server. */
  status: OnloadStatus | undefined;
  /** The text of the operator's /metrics. */
  metrics: string;
  /** Of how many nodes `onloadctl status` has a row. */
  nodes: number;
  events: readonly ToldEvent[];
}

/** Conditions of which people are told by events whenever they change. */
const TOLD = ["Ready", "Degraded"];

/** What metrics and events say otherwise than the API server; nothing if they say the same. */
export function toldOtherwise({ namespace, name, row, nodes, status, metrics, events }: Told): string[] {
  const wrong: string[] = [];
  const expect = (what: string, ours: string | number | undefined, theirs: string | number | undefined): void => {
    if (String(ours) !== String(theirs)) wrong.push(`${what}: "${ours}", and the API server: "${theirs}"`);
  };
  const series = seriesOf(metrics, {
    onload_namespace: namespace,
    onload_name: name,
  });
  const conditions = status?.conditions ?? [];
  const flag = (type: string): number => (conditions.find((each) => each.type === type)?.status === "True" ? 1 : 0);
  const shown = series.filter(({ metric, value }) => metric === "onload_operator_onload_status" && value === 1);
  const sum = (metric: string): number | undefined => {
    const found = series.filter((each) => each.metric === metric);
    return found.length === 0 ? undefined : found.reduce((total, { value }) => total + value, 0);
  };
  expect("metric of the status", shown.map(({ labels }) => labels["status"]).join(" and "), row["STATUS"]);
  expect("metric of Ready", sum("onload_operator_onload_ready"), flag("Ready"));
  expect("metric of Degraded", sum("onload_operator_degraded"), flag("Degraded"));
  expect("metric of nodes", sum("onload_operator_nodes"), nodes);
  if (!events.some(({ reason }) => reason === row["STATUS"])) {
    wrong.push(`no event has the reason ${row["STATUS"]}`);
  }
  for (const type of TOLD) {
    const condition = conditions.find((each) => each.type === type);
    const [last] = events
      .filter(({ note }) => note.startsWith(`${type} is `))
      .sort((a, b) => lastSeen(b).localeCompare(lastSeen(a)));
    if (condition === undefined || last === undefined) continue;
    expect(
      `last event of ${type}`,
      `${last.note.split(":")[0]}, ${last.reason}`,
      `${type} is ${condition.status}, ${condition.reason}`,
    );
  }
  for (const { node, reason } of status?.problems ?? []) {
    if (events.some((each) => each.reason === reason && each.note.includes(node))) continue;
    wrong.push(`no event tells of node ${node}: ${reason}`);
  }
  return wrong;
}

function lastSeen({ eventTime, series }: ToldEvent): string {
  return series?.lastObservedTime ?? eventTime;
}

interface Series {
  metric: string;
  labels: Readonly<Record<string, string>>;
  value: number;
}

/** Series of Prometheus' text format that have these labels among theirs. */
function seriesOf(text: string, wanted: Readonly<Record<string, string>>): Series[] {
  return text.split("\n").flatMap((line): Series[] => {
    const [, metric, inner = "", value] = /^(\w+)\{(.*)\} (\S+)$/.exec(line) ?? [];
    if (metric === undefined) return [];
    const labels = Object.fromEntries([...inner.matchAll(/(\w+)="([^"]*)"/g)].map(([, key, text]) => [key!, text!]));
    const fits = Object.entries(wanted).every(([key, text]) => labels[key] === text);
    return fits ? [{ metric, labels, value: Number(value) }] : [];
  });
}
