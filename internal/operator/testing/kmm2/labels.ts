/** Version labels of nodes, moved on one at a time, and the ready labels (KMM's label controllers). */
import { isDeepStrictEqual } from "node:util";
import type { DeepReadonly, Node } from "../../../api/core.ts";
import { moduleReadyLabel, moduleVersionReadyLabel } from "../../../api/names.ts";
import { NODES } from "../../../kube/resource.ts";
import { isTolerated, type Entry, type Ref, type View, type Write } from "./view.ts";

const WORKER = "beta.kmm.node.kubernetes.io/version-worker-pod";
const SCHEDULE = "beta.kmm.node.kubernetes.io/version-schedule-pod";
const MODULE = "kmm.node.kubernetes.io/version-module";

/** The label by which KMM's Module controller takes a node's version: it follows ours, through unloading. */
export function workerLabel({ namespace, name }: Ref): string {
  return `${WORKER}.${namespace}.${name}`;
}

export function decideLabels(view: View): Write[] {
  return view.nodes.flatMap((node): Write[] => {
    const labels = { ...versionLabels(node), ...readyLabels(node, view) };
    if (Object.keys(labels).length === 0) return [];
    return [{ verb: "patch", resource: NODES, ref: { name: node.metadata.name }, patch: { metadata: { labels } } }];
  });
}

type Change = Record<string, string | null>;

/** schedule goes before worker, and worker comes before schedule; worker comes only once nothing is loaded. */
function versionLabels({ metadata: { labels = {} } }: DeepReadonly<Node>): Change {
  const modules = new Set(
    Object.keys(labels).flatMap((label) => {
      const [prefix, module] = split(label);
      return [WORKER, SCHEDULE, MODULE].includes(prefix) ? [module] : [];
    }),
  );
  const change: Change = {};
  for (const module of modules) {
    const wanted = labels[`${MODULE}.${module}`];
    const worker = labels[`${WORKER}.${module}`];
    const schedule = labels[`${SCHEDULE}.${module}`];
    if (worker !== undefined && worker !== wanted)
      change[`${schedule === undefined ? WORKER : SCHEDULE}.${module}`] = null;
    else if (wanted === undefined) continue;
    else if (worker === undefined) {
      if (!(`kmm.node.kubernetes.io/${module}.ready` in labels)) change[`${WORKER}.${module}`] = wanted;
    } else if (schedule === undefined) change[`${SCHEDULE}.${module}`] = wanted;
  }
  return change;
}

/** `PREFIX.NAMESPACE.MODULE` -> prefix and `NAMESPACE.MODULE`. */
function split(label: string): [string, string] {
  const parts = label.split(".");
  return [parts.slice(0, -2).join("."), parts.slice(-2).join(".")];
}

/**
 * `.ready` comes when spec and status agree, and goes when both are gone, or when the node has a taint that the module
 * does not tolerate. `.version.ready` changes only together with it: see KMM's own UpdateNodeLabels.
 */
function readyLabels(node: DeepReadonly<Node>, view: View): Change {
  const { name, labels = {} } = node.metadata;
  const config = view.configs.find(({ metadata }) => metadata.name === name);
  const wanted = (config?.spec?.modules ?? []) as DeepReadonly<Entry>[];
  const loaded = (config?.status?.modules ?? []) as DeepReadonly<Entry>[];
  const change: Change = {};
  const drop = (namespace: string, module: string): void => {
    for (const label of [moduleReadyLabel(namespace, module), moduleVersionReadyLabel(namespace, module)]) {
      if (label in labels) change[label] = null;
    }
  };
  const banned = wanted.filter(({ tolerations = [] }) => !isTolerated(node, tolerations));
  for (const entry of banned) drop(entry.namespace, entry.name);
  if (banned.length > 0) return change;
  for (const entry of wanted) {
    const is = loaded.find((each) => each.namespace === entry.namespace && each.name === entry.name);
    const label = moduleReadyLabel(entry.namespace, entry.name);
    if (!is || label in labels || !isDeepStrictEqual(is.config, entry.config)) continue;
    change[label] = "";
    change[moduleVersionReadyLabel(entry.namespace, entry.name)] = is.version ?? "";
  }
  for (const label of Object.keys(labels)) {
    const [, namespace, module] = /^kmm\.node\.kubernetes\.io\/([^.]+)\.([^.]+)\.ready$/.exec(label) ?? [];
    const known = [...wanted, ...loaded].some((each) => each.namespace === namespace && each.name === module);
    if (namespace !== undefined && module !== undefined && !known) drop(namespace, module);
  }
  return change;
}
