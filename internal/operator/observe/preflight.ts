/** What is wrong with a whole Onload resource or its cluster, found before any node is looked at. */
import { errorText } from "../../cli/errors.ts";
import { printable } from "../../cli/printable.ts";
import type { DeepReadonly } from "../../api/core.ts";
import { hostOnloadPathProblem, kubeletDirProblem, podResourcesDirProblem } from "../../api/host-paths.ts";
import { nameProblem, withDefaults, type Onload } from "../../api/onload.ts";
import { LABEL_KEY } from "../../api/references.ts";
import { REASON, type Reason } from "../../api/reasons.ts";
import type { ClusterClient } from "../cache/cluster-client.ts";
import { SERVICE_ACCOUNTS } from "../../kube/resource.ts";
import type { RawOnload } from "../cache/caches.ts";
import type { KernelRefusal } from "../kmm/kmm.ts";
import { selectorsOf } from "./selectors.ts";

/** Something about the whole resource that needs a person. */
export interface ResourceProblem {
  reason: Reason;
  /** What is wrong and what to do. */
  message: string;
}

/** A resource as it was read. */
export interface ReadOnload {
  /** The resource with its defaults; undefined if its spec has not the form that the CRD asks for. */
  onload: Onload | undefined;
  /** Why the resource cannot work. */
  problem: ResourceProblem | undefined;
}

/** Reads a resource, with its defaults. */
export function readOnload(raw: DeepReadonly<RawOnload>): ReadOnload {
  try {
    const onload = withDefaults(raw as Parameters<typeof withDefaults>[0]);
    const message = nameProblem(onload.metadata) ?? selectorProblem(onload) ?? pathProblem(onload);
    return { onload, problem: message === undefined ? undefined : { reason: REASON.InvalidSpec, message } };
  } catch (error) {
    return { onload: undefined, problem: { reason: REASON.InvalidSpec, message: errorText(error) } };
  }
}

/**
 * The CRD of the original takes an empty selector, and one with keys that no label has. To take them as they are would let
 * go of every node.
 */
function selectorProblem(onload: DeepReadonly<Onload>): string | undefined {
  if (!selectorsOf(onload)) return "spec.selector is empty: it must name a label at least";
  const wrong = Object.keys(onload.spec.selector).find((key) => !LABEL_KEY.test(key));
  return (
    wrong && `spec.selector has the key ${JSON.stringify(printable(wrong, 100))}, which no label of a node can have`
  );
}

/** A resource may have been stored before the CRD had its rules for paths of the node. */
function pathProblem({ spec: { devicePlugin } }: DeepReadonly<Onload>): string | undefined {
  const { hostOnloadPath, kubeletDir, podResourcesDir } = devicePlugin;
  const problem =
    hostOnloadPathProblem(hostOnloadPath) ??
    kubeletDirProblem(kubeletDir) ??
    (podResourcesDir === undefined ? undefined : podResourcesDirProblem(podResourcesDir));
  return problem && `spec.devicePlugin.${problem}`;
}

/**
 * What is enough of a resource to clean its nodes when its spec cannot be read: what is on nodes is known by name and
 * namespace alone. It must be under deletion, so that it claims no node.
 */
export function withoutSpec(raw: DeepReadonly<RawOnload>): Onload {
  const version = (raw.status as { version?: string } | undefined)?.version ?? "unknown";
  const onload = { kernelMappings: [], userImage: "", version };
  return withDefaults({ ...raw, spec: { selector: {}, serviceAccountName: "", onload } });
}

export const KMM_MISSING: ResourceProblem = {
  reason: REASON.KmmNotInstalled,
  message:
    "The Module CRD of Kernel Module Management (KMM) is not in the cluster; install KMM, and the rollout goes on by itself",
};

export const NO_IMAGE: ResourceProblem = {
  reason: REASON.NoDevicePluginImage,
  message:
    "No image of the device plugin is known; set spec.devicePlugin.devicePluginImage, or DEVICE_PLUGIN_IMG of the operator",
};

/** The problem of caches that may be far behind the API server. */
export function cacheProblem(outdated: string): ResourceProblem {
  const message = `Nothing is done, because what is known of the cluster may be outdated: ${outdated}; see the API server, what lies between it and the operator, and the operator's rights`;
  return { reason: REASON.CacheOutdated, message };
}

/** The problem of a node at whose kernel, with these mappings, KMM would give up for all nodes. */
export function kernelProblem({ why, remedy }: KernelRefusal): ResourceProblem {
  const message = `No node is begun and no Module changed, because ${why}; ${remedy}`;
  return { reason: REASON.KernelRefused, message };
}

/** The problem of changes that wait for another spec.onload.version; none if there are no such changes. */
export function heldBackProblems(changes: readonly string[]): ResourceProblem[] {
  if (changes.length === 0) return [];
  return [
    {
      reason: REASON.ChangeHeldBack,
      message: `Held back, because it would reload drivers on all nodes at once: ${changes.join(", ")}; change spec.onload.version to roll it out node by node`,
    },
  ];
}

/** A ServiceAccount that exists is looked up again after this time. */
const FOUND_MS = 5 * 60_000;
/** One that does not, or that could not be read, is looked up again after this time. */
const PROBLEM_MS = 5000;
/** The lookup holds up the whole pass. */
const LOOKUP_TIMEOUT_MS = 5000;

/** Knows whether a resource's ServiceAccount exists, without following all of the cluster's. */
export class ServiceAccountCheck {
  #last: { name: string; at: number; problem: ResourceProblem | undefined } | undefined;

  /**
   * What is wrong with the ServiceAccount; a lookup that fails is a problem too.
   *
   * @param now milliseconds of a clock that does not go back
   * @throws the signal's reason when it aborts
   */
  async problem(
    client: Pick<ClusterClient, "get">,
    { metadata, spec }: DeepReadonly<Onload>,
    now: number,
    signal: AbortSignal,
  ): Promise<ResourceProblem | undefined> {
    const name = spec.serviceAccountName;
    if (name === "") return undefined;
    const last = this.#last;
    if (last?.name === name && now - last.at < (last.problem ? PROBLEM_MS : FOUND_MS)) return last.problem;
    const problem = await lookUp(client, metadata.namespace ?? "", name, signal);
    this.#last = { name, at: now, problem };
    return problem;
  }
}

async function lookUp(
  client: Pick<ClusterClient, "get">,
  namespace: string,
  name: string,
  signal: AbortSignal,
): Promise<ResourceProblem | undefined> {
  try {
    const options = { signal, timeoutMs: LOOKUP_TIMEOUT_MS };
    if (await client.get(SERVICE_ACCOUNTS, { namespace, name }, options)) return undefined;
    const message = `spec.serviceAccountName "${name}" does not exist in namespace "${namespace}"; create the ServiceAccount, and allow it privileged pods`;
    return { reason: REASON.ServiceAccountMissing, message };
  } catch (error) {
    signal.throwIfAborted();
    return { reason: REASON.ServiceAccountUnknown, message: `${errorText(error)}; it is read again in a few seconds` };
  }
}
