/**
 * Asks the API server whether it would take the pods of a resource: quotas, Pod Security, SCCs, policies and webhooks, and
 * what the pods name. Each is created as a dry run, with the rights of whoever asks.
 */
import { printable } from "../../cli/printable.ts";
import type { DeepReadonly, KubeObject } from "../../api/core.ts";
import { devicePluginName, MANAGED_BY_LABEL, onloadModuleName } from "../../api/names.ts";
import type { Onload } from "../../api/onload.ts";
import type { Client } from "../../kube/client.ts";
import { ApiError, isForbidden, isNotFound } from "../../kube/errors.ts";
import { PODS } from "../../kube/resource.ts";
import { refusedRight } from "../../kube/rights-advice.ts";
import { desiredDaemonSet } from "../desired/daemonset.ts";
import type { Kmm } from "../kmm/kmm.ts";
import { causeOfRefusal, remedyForRefusal } from "../observe/refusal-remedy.ts";
import type { ObservedResource } from "./session.ts";

/** Longest refusal that is quoted, in characters. */
const MAX_QUOTED = 1000;

/** Answers of a server that has too much to do. They say nothing of the pod. */
const PASSING: ReadonlySet<number> = new Set([429, 503, 504]);

/** What the API server says of the pods. */
export interface PodTrial {
  /** Why it would refuse pods, and what to do, each as a sentence without its end; none if it would take them. */
  refusals: string[];
  /** Why it could not be asked, as a sentence; undefined if it could. */
  gap?: string;
}

/** What of the pods is known already. */
export interface TrialOptions {
  kmm: Kmm;
  /** The ServiceAccount is not there, which is said elsewhere: another takes its place, so that more comes to light. */
  withoutAccount: boolean;
  /** Whether nodes have these pods already: then there is room for them in every quota. */
  hasAll: boolean;
}

/** Nothing was asked. */
export const NOT_TRIED: PodTrial = { refusals: [] };

/**
 * Tries the pods of a resource that is only supposed, if they would be made.
 *
 * @throws ConnectionError when no answer comes
 */
export async function tryPodsOf(
  client: Pick<Client, "create">,
  { onload, planned }: Pick<ObservedResource, "onload" | "planned">,
  withoutAccount: boolean,
  signal: AbortSignal,
): Promise<PodTrial> {
  if (!onload || !planned || onload.metadata.deletionTimestamp !== undefined) return NOT_TRIED;
  const wanted = planned.plan.nodes.map(({ facts }) => facts).filter(({ want }) => want !== undefined);
  const hasAll = wanted.length > 0 && wanted.every(({ plugin, onload: module }) => plugin.present && module.present);
  return tryPods(client, onload, { kmm: planned.kmm, withoutAccount, hasAll }, signal);
}

/** A pod, as far as it is changed here. */
type TrialPod = KubeObject & { spec: { serviceAccountName?: string; priorityClassName?: string } };

/**
 * Tries the pods of a resource.
 *
 * @throws ConnectionError when no answer comes; ApiError if the namespace is not there
 */
export async function tryPods(
  client: Pick<Client, "create">,
  onload: DeepReadonly<Onload>,
  options: TrialOptions,
  signal: AbortSignal,
): Promise<PodTrial> {
  const { namespace = "" } = onload.metadata;
  const found = new Map<string, string>();
  for (const [what, pod] of [
    ["the device plugin's pod", pluginPod(onload)],
    ["KMM's pod that loads modules", loaderPod(onload, options.kmm)],
  ] as const) {
    if (options.withoutAccount) pod.spec.serviceAccountName = "default";
    const { refusals, untried } = await refusalsOf(client, pod, signal);
    for (const text of refusals) {
      const remedy = remedyForRefusal(text, namespace);
      if (options.hasAll && causeOfRefusal(text) === "quota") continue;
      // What is to be done for one pod helps the other.
      if (!found.has(remedy)) found.set(remedy, `The API server would refuse ${what}: ${text}; ${remedy}`);
    }
    if (untried !== undefined) {
      const gap = `Whether the API server takes its pods could not be tried, as a dry run${untried}`;
      return { refusals: [...found.values()], gap };
    }
  }
  return { refusals: [...found.values()] };
}

/** What came of a try. */
interface Tried {
  refusals: string[];
  /** Why the API server did not say more, as the end of a sentence; undefined if it did. */
  untried?: string;
}

/** Why a pod would be refused: what it names is looked at first, so that it is tried again with what every cluster has. */
async function refusalsOf(client: Pick<Client, "create">, pod: TrialPod, signal: AbortSignal): Promise<Tried> {
  const refusals: string[] = [];
  for (;;) {
    try {
      await client.create(PODS, pod, { dryRun: true, signal });
      return { refusals };
    } catch (error) {
      if (isNotFound(error) || !(error instanceof ApiError)) throw error;
      if (isForbidden(error) && refusedRight(error.detail) !== undefined) {
        const { namespace = "" } = pod.metadata;
        return { refusals, untried: `, without the right to create pods in namespace "${namespace}"` };
      }
      const text = printable(error.detail, MAX_QUOTED);
      // It has side effects, so that it is not called. What it would say is not known (apiserver, webhook/errors).
      if (/does not support dry run/.test(text) || PASSING.has(error.status)) return { refusals, untried: `: ${text}` };
      refusals.push(text);
      const cause = causeOfRefusal(text);
      if (cause === "account" && pod.spec.serviceAccountName !== "default") {
        pod.spec.serviceAccountName = "default";
      } else if (cause === "priorityClass" && pod.spec.priorityClassName !== undefined) {
        delete pod.spec.priorityClassName;
      } else return { refusals };
    }
  }
}

/**
 * As the DaemonSet would make it. Which image it has is the operator's affair, and matters to no quota. It has not the label
 * by which our admission policies know what only the operator and Kubernetes itself make: whoever asks is neither.
 */
function pluginPod(onload: DeepReadonly<Onload>): TrialPod {
  const { namespace = "", name } = onload.metadata;
  const image = onload.spec.devicePlugin.devicePluginImage || onload.spec.onload.userImage;
  const { metadata, spec } = desiredDaemonSet(onload, image).spec.template;
  const { [MANAGED_BY_LABEL]: _, ...labels } = metadata.labels ?? {};
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { ...metadata, labels, namespace, name: devicePluginName(name) },
    spec: { ...(spec as TrialPod["spec"]) },
  };
}

/** As KMM makes its pods, as far as admission looks at them. */
function loaderPod({ metadata: { namespace = "", name }, spec }: DeepReadonly<Onload>, kmm: Kmm): TrialPod {
  const securityContext = kmm.loaderSecurity;
  const modules = { name: "modules", mountPath: "/lib/modules", readOnly: true };
  const pod = {
    serviceAccountName: spec.serviceAccountName || "default",
    priorityClassName: "system-node-critical",
    containers: [{ name: "module-loader", image: spec.onload.userImage, securityContext, volumeMounts: [modules] }],
    volumes: [{ name: modules.name, hostPath: { path: modules.mountPath, type: "Directory" } }],
  };
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { namespace, name: onloadModuleName(name) },
    spec: pod,
  };
}
