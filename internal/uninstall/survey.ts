/** Looks at everything that an uninstallation would change. Reads only. */
import type { KubeObject } from "../api/core.ts";
import { OPERATOR_NAMESPACE } from "../api/names.ts";
import { UsageError } from "../cli/errors.ts";
import type { Logger } from "../cli/log.ts";
import type { Client } from "../kube/client.ts";
import { discover, type ServedKind } from "../kube/discovery.ts";
import { NAMESPACES } from "../kube/resource.ts";
import type { RawOnload } from "../operator/cache/caches.ts";
import { readEvidence } from "../operator/view/evidence.ts";
import { lookAhead } from "../operator/view/outlook.ts";
import { describePlan, type ResourcePlan } from "../operator/view/plan-view.ts";
import { servingOf, type OperatorEvidence } from "../operator/view/serving.ts";
import { Session } from "../operator/view/session.ts";
import { findInstalled, manifestObjects, resourceOf, type LiveObject } from "./installed.ts";
import { foreignContent } from "./namespace-content.ts";
import { leftovers, listOrNone } from "./onloads.ts";
import { workerFor, type Worker } from "./worker.ts";

/** What an uninstallation would change. */
export interface Survey {
  /** The operator's namespace. */
  namespace: string;
  onloads: readonly RawOnload[];
  /** What the operator would do on nodes once the resources are deleted. */
  plans: readonly ResourcePlan[];
  worker: Worker;
  kinds: readonly ServedKind[];
  /** What the manifests have installed, in the order of removal; the CRD is among them. */
  installed: readonly LiveObject[];
  /** Objects of those names that are not ours, with the reason. */
  others: readonly string[];
  /** What else is in the operator's namespace, which therefore stays. */
  foreign: readonly string[];
  /** What an Onload resource has left whose finalizer was removed. */
  leftovers: readonly string[];
}

/**
 * Looks at the cluster.
 *
 * @param operatorNamespace undefined: it is found
 * @throws Error if something cannot be read that is needed
 */
export async function survey(
  client: Client,
  operatorNamespace: string | undefined,
  log: Logger,
  signal: AbortSignal,
): Promise<Survey> {
  const [{ kinds, problems }, evidence] = await Promise.all([
    discover(client, signal),
    readEvidence(client, signal, operatorNamespace),
  ]);
  for (const problem of problems) log.warn("Could not ask an API group for its kinds", { problem });
  const namespace = operatorNamespace ?? (await findNamespace(client, kinds, evidence, signal));
  const { ours, others } = await findInstalled(client, kinds, namespace, signal);
  const onloads = await listOrNone(client, signal);
  const namespaces = onloads.map(({ metadata }) => metadata.namespace ?? "");
  const removesNamespace = ours.some(({ resource }) => resource.kind === NAMESPACES.kind);
  return {
    namespace,
    onloads,
    plans: onloads.length > 0 ? await deletionPlans(client, log, signal) : [],
    worker: workerFor(servingOf(evidence, Date.now(), namespaces)),
    kinds,
    installed: ours,
    others,
    leftovers: await leftovers(client, onloads, signal),
    foreign: removesNamespace ? await foreignContent(client, kinds, namespace, manifestObjects(namespace), signal) : [],
  };
}

/** What would happen on nodes if every resource were deleted now. */
async function deletionPlans(client: Client, log: Logger, signal: AbortSignal): Promise<ResourcePlan[]> {
  const session = await Session.open(client, undefined, log, signal);
  try {
    session.supposeDeleted(Date.now());
    const observed = await session.observe(undefined, Date.now(), signal);
    const outlook = await lookAhead(session, observed, signal);
    return observed.map((each) => describePlan(each, outlook));
  } finally {
    await session.close();
  }
}

/** Where the operator is, or was. */
async function findNamespace(
  client: Client,
  kinds: readonly ServedKind[],
  { deployments, leases }: OperatorEvidence,
  signal: AbortSignal,
): Promise<string> {
  const inUse = [...new Set(deployments.items.flatMap(({ metadata }) => metadata.namespace ?? []))];
  if (inUse.length > 1) {
    throw new UsageError(
      `Cannot tell which operator to remove: there are Deployments in ${inUse.join(", ")}; give --operator-namespace`,
    );
  }
  const lease = leases.items.find(({ metadata }) => metadata.namespace !== undefined);
  return inUse[0] ?? (await boundNamespace(client, kinds, signal)) ?? lease?.metadata.namespace ?? OPERATOR_NAMESPACE;
}

/** The namespace of the operator's ServiceAccount, from the binding that gives it its rights. */
async function boundNamespace(
  client: Client,
  kinds: readonly ServedKind[],
  signal: AbortSignal,
): Promise<string | undefined> {
  const id = manifestObjects(OPERATOR_NAMESPACE).find(({ kind }) => kind === "ClusterRoleBinding");
  const resource = id && resourceOf(id, kinds);
  if (!resource) return undefined;
  const binding = await client.get<KubeObject & { subjects?: { namespace?: string }[] }>(
    resource,
    { name: id.name },
    { signal },
  );
  return binding?.subjects?.[0]?.namespace;
}
