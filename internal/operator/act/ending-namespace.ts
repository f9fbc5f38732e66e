/** A resource whose namespace is being deleted goes with it. */
import { asError } from "../../cli/errors.ts";
import type { DeepReadonly } from "../../api/core.ts";
import { ONLOADS } from "../../api/resources.ts";
import { refOf } from "../../kube/resource.ts";
import type { RawOnload, ReconcilerCaches } from "../cache/caches.ts";
import type { ClusterClient } from "../cache/cluster-client.ts";

/**
 * Deletes a resource whose namespace is being deleted, so that its nodes are cleaned.
 *
 * It does not wait for the namespace controller. Since Kubernetes 1.33 that one deletes all pods of a namespace before
 * anything else (k8s.io/kubernetes, pkg/controller/namespace/deletion), and the admission policies keep the pods that hold
 * drivers until the resource has been deleted.
 *
 * @returns whether the resource has been deleted, or why that was refused
 * @throws the signal's reason when it aborts
 */
export async function endWithNamespace(
  { client, caches }: { client: Pick<ClusterClient, "delete">; caches: Pick<ReconcilerCaches, "namespaces"> },
  raw: DeepReadonly<RawOnload>,
  signal: AbortSignal,
): Promise<boolean | Error> {
  const { namespace = "", uid, deletionTimestamp } = raw.metadata;
  const isEnding = (name: string): boolean =>
    caches.namespaces.store.get(name)?.metadata.deletionTimestamp !== undefined;
  if (deletionTimestamp !== undefined || !isEnding(namespace)) return false;
  try {
    await client.delete(ONLOADS, refOf(raw), { uid, signal });
    return true;
  } catch (error) {
    signal.throwIfAborted();
    return asError(error);
  }
}
