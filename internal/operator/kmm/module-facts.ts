/** What KMM says of one module on one node: by module-loader pods (1.1), or by NodeModulesConfig and worker pods (2.x). */
import { isDeepStrictEqual } from "node:util";
import type { DeepReadonly, Node, Pod } from "../../api/core.ts";
import type { KmmCapabilities, NodeModulesConfig } from "../../api/kmm.ts";
import {
  KMM_MODULE_NAME_LABEL,
  KMM_ROLE_LABEL,
  KMM_WORKER_ACTION_LABEL,
  kmm1ModuleLoaderLabel,
  moduleReadyLabel,
  moduleVersionLabel,
  moduleVersionReadyLabel,
} from "../../api/names.ts";
import { NODE_REASON } from "../../api/reasons.ts";
import type { Failure, ModuleFacts, Version } from "../rollout/facts.ts";
import { isReady, isTerminating, podFailure, podSince, type PodFailure } from "../cache/pods.ts";

/** Which module, and what is known of KMM on the node. */
export interface KmmView {
  kmm: KmmCapabilities;
  namespace: string;
  /** The Module's name. */
  module: string;
  node: DeepReadonly<Node>;
  /** The node's pods, or those of them that KMM made. */
  pods: readonly DeepReadonly<Pod>[];
  /** KMM 2.x: the node's NodeModulesConfig. */
  nmc: DeepReadonly<NodeModulesConfig> | undefined;
  /** The end of the logs of failed pods, by the pods' uid. */
  lastWords: ReadonlyMap<string, string>;
}

/** The facts of one module on one node. */
export function moduleFacts(view: KmmView): ModuleFacts {
  const pods = view.pods.filter(
    ({ metadata }) => metadata.namespace === view.namespace && metadata.labels?.[KMM_MODULE_NAME_LABEL] === view.module,
  );
  return view.kmm.nodeModulesConfig ? fromNodeModulesConfig(view, pods) : fromModuleLoader(view, pods);
}

/**
 * KMM 1.1: the module is loaded by its pod's postStart hook, before the pod is Ready, and unloaded by its preStop hook.
 * The node's `.ready` label says no more than the pod, and less surely: KMM patches what differs from the node as its
 * cache has it, and when the API server was away that may still be the node of the version before, labelled; then the
 * label stays away for good (v1.1.0, controllers/pod_node_module_reconciler.go).
 */
function fromModuleLoader(view: KmmView, pods: DeepReadonly<Pod>[]): ModuleFacts {
  const loaders = pods.filter(({ metadata }) => metadata.labels?.[KMM_ROLE_LABEL] === "module-loader");
  const versions = loaders.map((pod) => (isReady(pod) ? loaderVersion(view, pod) : undefined));
  return {
    present: loaders.length > 0,
    ready: versions.find((version) => version !== undefined),
    since: latest(loaders),
    failure: firstFailure(view, loaders),
    selector: moduleSelector(loaders.find(isReady) ?? loaders[0]),
  };
}

/** The Module's selector as it was when the pod was made: KMM 1.1 adds labels of its own to the pod's. */
function moduleSelector(loader: DeepReadonly<Pod> | undefined): Record<string, string> | undefined {
  const selector = loader?.spec?.nodeSelector;
  if (!selector) return undefined;
  return Object.fromEntries(Object.entries(selector).filter(([label]) => !KMM_PREFIX.test(label)));
}

const KMM_PREFIX = /^(beta\.)?kmm\.node\.kubernetes\.io\//;

/** The version of a module-loader pod, which KMM 1.1 writes into its labels. */
function loaderVersion({ namespace, module }: KmmView, pod: DeepReadonly<Pod>): Version | undefined {
  return pod.metadata.labels?.[kmm1ModuleLoaderLabel(namespace, module)];
}

/** KMM 2.x: loaded once spec and status agree, in the node's present boot. */
function fromNodeModulesConfig(view: KmmView, pods: DeepReadonly<Pod>[]): ModuleFacts {
  const workers = pods.filter(({ metadata }) => metadata.labels?.[KMM_WORKER_ACTION_LABEL] !== undefined);
  const mine = (entry: { namespace: string; name: string }): boolean =>
    entry.namespace === view.namespace && entry.name === view.module;
  const wanted = view.nmc?.spec?.modules?.find(mine);
  const loaded = view.nmc?.status?.modules?.find(mine);
  const bootId = view.node.status?.nodeInfo?.bootID;
  const sameBoot = loaded?.bootId === undefined || bootId === undefined || loaded.bootId === bootId;
  const settled =
    wanted !== undefined && loaded !== undefined && sameBoot && isDeepStrictEqual(wanted.config, loaded.config);
  return {
    present: wanted !== undefined || loaded !== undefined || workers.length > 0,
    ready: settled && hasReadyLabel(view) ? readyVersion(view, loaded.version) : undefined,
    since: latest(workers),
    failure: firstFailure(view, workers),
    selector: undefined,
  };
}

/**
 * What NodeModulesConfig says counts most. The label is next: KMM sets it together with `.ready` only, so a module that
 * KMM 2.4 or earlier loaded has neither after an upgrade of KMM, until it is loaded again. What is loaded then is the
 * version label's, because every change goes through unloading.
 */
function readyVersion({ node, namespace, module }: KmmView, listed: Version | undefined): Version | undefined {
  const labels = node.metadata.labels ?? {};
  return listed ?? labels[moduleVersionReadyLabel(namespace, module)] ?? labels[moduleVersionLabel(namespace, module)];
}

function hasReadyLabel({ node, namespace, module }: KmmView): boolean {
  return moduleReadyLabel(namespace, module) in (node.metadata.labels ?? {});
}

function latest(pods: readonly DeepReadonly<Pod>[]): number | undefined {
  const times = pods.map(podSince).filter((time) => time !== undefined);
  return times.length > 0 ? Math.max(...times) : undefined;
}

/** A worker that failed and runs again has still failed: it ends as soon as it succeeds. */
function triesAgain(pod: DeepReadonly<Pod>): PodFailure | undefined {
  if (pod.metadata.labels?.[KMM_WORKER_ACTION_LABEL] === undefined || isTerminating(pod)) return undefined;
  for (const { name, state, lastState } of pod.status?.containerStatuses ?? []) {
    const exitCode = lastState?.terminated?.exitCode ?? 0;
    if (!state?.running || exitCode === 0) continue;
    const message = `Pod ${pod.metadata.name}: container ${name}: running again after exit code ${exitCode}`;
    return { kind: "run", container: name, message };
  }
  return undefined;
}

function firstFailure({ lastWords }: KmmView, pods: readonly DeepReadonly<Pod>[]): Failure | undefined {
  for (const pod of pods) {
    const failure = podFailure(pod) ?? triesAgain(pod);
    if (!failure) continue;
    const words = failure.said ?? lastWords.get(pod.metadata.uid ?? "");
    const message = words ? `${failure.message}; its last words: ${words}` : failure.message;
    const unloading = pod.metadata.labels?.[KMM_WORKER_ACTION_LABEL] === "Unload";
    if (failure.kind === "image") return { reason: NODE_REASON.ModuleImageMissing, message };
    return { reason: unloading ? NODE_REASON.ModuleUnloadFailed : NODE_REASON.ModuleLoadFailed, message };
  }
  return undefined;
}
