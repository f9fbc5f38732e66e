/** OpenShift's MachineConfigPools: which MachineConfigs a node gets. */
import type { DeepReadonly, KubeObject, LabelSelector } from "./core.ts";
import { selects } from "./label-selector.ts";

/** A rendered MachineConfig, and the MachineConfigs that it was rendered from. */
export interface PoolConfiguration {
  /** Name of the rendered one. */
  name?: string;
  source?: { kind?: string; name?: string }[];
}

/** OpenShift's MachineConfigPool, as far as we read it. */
export interface MachineConfigPool extends KubeObject {
  spec?: {
    nodeSelector?: LabelSelector;
    /** Which MachineConfigs it is rendered from, by their labels. */
    machineConfigSelector?: LabelSelector;
    /** What its nodes are to get. */
    configuration?: PoolConfiguration;
    /** Its nodes are left as they are. */
    paused?: boolean;
  };
  status?: {
    /** What all of its nodes have had. */
    configuration?: PoolConfiguration;
    machineCount?: number;
    conditions?: { type?: string; status?: string; message?: string }[];
  };
}

/** On a node: the rendered MachineConfig that it has, and the one that it is to get. */
export const CURRENT_CONFIG_ANNOTATION = "machineconfiguration.openshift.io/currentConfig";
export const DESIRED_CONFIG_ANNOTATION = "machineconfiguration.openshift.io/desiredConfig";

/** Labels and annotations of a node. */
export interface PooledNode {
  readonly labels?: Readonly<Record<string, string>> | undefined;
  readonly annotations?: Readonly<Record<string, string>> | undefined;
}

/**
 * Names of the MachineConfigs that a node has or is about to get: those of the pool that it is in by its labels, and of
 * the one whose rendered MachineConfig it has. These differ while a node moves from one pool to another.
 */
export function machineConfigsOf(node: PooledNode, pools: readonly DeepReadonly<MachineConfigPool>[]): Set<string> {
  const { labels = {}, annotations = {} } = node;
  const rendered = [annotations[CURRENT_CONFIG_ANNOTATION], annotations[DESIRED_CONFIG_ANNOTATION]];
  const isRendered = ({ spec, status }: DeepReadonly<MachineConfigPool>): boolean =>
    [spec?.configuration?.name, status?.configuration?.name].some((name) => name && rendered.includes(name));
  const found = [...poolsByLabels(labels, pools), ...pools.filter(isRendered)];
  const sources = found.flatMap(({ spec, status }) => [
    ...(spec?.configuration?.source ?? []),
    ...(status?.configuration?.source ?? []),
  ]);
  return new Set(sources.flatMap(({ name }) => name ?? []));
}

/**
 * The pool that a node is in by its labels: master counts before a pool of one's own, and that before worker. A node of
 * several pools of one's own stays with what it has (openshift/machine-config-operator, pkg/helpers, GetPoolsForNode).
 */
function poolsByLabels(
  labels: Readonly<Record<string, string>>,
  pools: readonly DeepReadonly<MachineConfigPool>[],
): DeepReadonly<MachineConfigPool>[] {
  const matching = pools.filter(({ spec }) => selectsSome(spec?.nodeSelector) && selects(spec?.nodeSelector, labels));
  const named = (name: string): DeepReadonly<MachineConfigPool>[] =>
    matching.filter(({ metadata }) => metadata.name === name);
  const custom = matching.filter(({ metadata: { name } }) => !["master", "arbiter", "worker"].includes(name));
  if (custom.length > 1) return [];
  return [...named("master"), ...custom, ...named("arbiter"), ...named("worker")].slice(0, 1);
}

/** A pool without a selector has no nodes. */
function selectsSome(selector: DeepReadonly<LabelSelector> | undefined): boolean {
  const { matchLabels = {}, matchExpressions = [] } = selector ?? {};
  return Object.keys(matchLabels).length > 0 || matchExpressions.length > 0;
}
