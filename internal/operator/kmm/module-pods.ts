/** What the pods tell by which KMM loads or unloads a module: module-loader pods (1.1) and worker pods (2.x). */
import type { DeepReadonly, Pod } from "../../api/core.ts";
import { KMM_MODULE_NAME_LABEL, KMM_WORKER_ACTION_LABEL } from "../../api/names.ts";
import { NODE_REASON } from "../../api/reasons.ts";
import { failureText, isTerminating, podFailure, podSince, type PodFailure } from "../cache/pods.ts";
import type { Failure, ModuleRef } from "./kmm.ts";

/** Those pods of a node that KMM made for a Module. */
export function podsOf({ namespace, module }: ModuleRef, pods: readonly DeepReadonly<Pod>[]): DeepReadonly<Pod>[] {
  return pods.filter(
    ({ metadata }) => metadata.namespace === namespace && metadata.labels?.[KMM_MODULE_NAME_LABEL] === module,
  );
}

/** When the newest pod was made or changed readiness, in milliseconds since the epoch. */
export function newest(pods: readonly DeepReadonly<Pod>[]): number | undefined {
  const times = pods.map(podSince).filter((time) => time !== undefined);
  return times.length > 0 ? Math.max(...times) : undefined;
}

/**
 * The first failure that the pods report.
 *
 * @param failureLogs what the logs and events of failed pods tell, by the pods' uid
 */
export function firstFailure(
  pods: readonly DeepReadonly<Pod>[],
  failureLogs: ReadonlyMap<string, string>,
): Failure | undefined {
  for (const pod of pods) {
    const failure = podFailure(pod) ?? retriedFailure(pod);
    if (!failure) continue;
    const message = failureText(pod, failure, failureLogs);
    const unloading = pod.metadata.labels?.[KMM_WORKER_ACTION_LABEL] === "Unload";
    if (unloading) return { reason: NODE_REASON.ModuleUnloadFailed, message };
    const reason = failure.kind === "image" ? NODE_REASON.ModuleImageMissing : NODE_REASON.ModuleLoadFailed;
    return { reason, message };
  }
  return undefined;
}

/** A worker pod that failed and runs again has still failed: it ends as soon as it succeeds. */
function retriedFailure(pod: DeepReadonly<Pod>): PodFailure | undefined {
  if (pod.metadata.labels?.[KMM_WORKER_ACTION_LABEL] === undefined || isTerminating(pod)) return undefined;
  for (const { name, state, lastState } of pod.status?.containerStatuses ?? []) {
    const exitCode = lastState?.terminated?.exitCode ?? 0;
    if (!state?.running || exitCode === 0) continue;
    const message = `Pod ${pod.metadata.name}: container ${name}: running again after exit code ${exitCode}`;
    return { kind: "run", container: name, message };
  }
  return undefined;
}
