/** What else is in the operator's namespace: deleting a namespace deletes all that is in it. */
import type { KubeObject } from "../api/core.ts";
import { errorText } from "../cli/errors.ts";
import type { Client } from "../kube/client.ts";
import type { ServedKind } from "../kube/discovery.ts";
import { isNotFound } from "../kube/errors.ts";
import { collectionPath, describeRef } from "../kube/resource.ts";
import type { ObjectId } from "./installed.ts";

type Item = KubeObject & { type?: string };

/** Records of what is elsewhere, or was. */
const RECORDS = ["Event", "Endpoints", "EndpointSlice"];

/** What Kubernetes and OpenShift put into every namespace. */
const BUILT_IN: Record<string, (item: Item) => boolean> = {
  ConfigMap: ({ metadata }) => ["kube-root-ca.crt", "openshift-service-ca.crt"].includes(metadata.name),
  ServiceAccount: ({ metadata }) => ["default", "builder", "deployer", "pipeline"].includes(metadata.name),
  Secret: ({ type }) => type === "kubernetes.io/service-account-token" || type === "kubernetes.io/dockercfg",
  RoleBinding: ({ metadata }) => metadata.name.startsWith("system:"),
};

/** Whether a namespace can go with an object in it. Pure. */
export function isDispensable(
  kind: Pick<ServedKind, "group" | "kind">,
  item: Item,
  ours: readonly ObjectId[],
): boolean {
  const { metadata } = item;
  if (RECORDS.includes(kind.kind) || metadata.deletionTimestamp) return true;
  // It goes with its owner, which is looked at itself.
  if ((metadata.ownerReferences ?? []).length > 0) return true;
  if (BUILT_IN[kind.kind]?.(item)) return true;
  return ours.some((each) => each.group === kind.group && each.kind === kind.kind && each.name === metadata.name);
}

/**
 * Names what keeps a namespace from being deleted: objects that are not ours, and kinds that could not be looked at.
 *
 * @throws the signal's reason when it aborts
 */
export async function foreignContent(
  client: Client,
  kinds: readonly ServedKind[],
  namespace: string,
  ours: readonly ObjectId[],
  signal: AbortSignal,
): Promise<string[]> {
  const listed = kinds.filter(
    ({ namespaced, verbs }) => namespaced && verbs.includes("list") && verbs.includes("delete"),
  );
  const found = listed.map(async (kind) => {
    try {
      const path = `${collectionPath(kind, namespace)}?limit=200`;
      const action = `list ${kind.plural}`;
      const { items } = await client.transport.json<{ items?: Item[] | null }>({ method: "GET", path, action, signal });
      return (items ?? [])
        .filter((item) => !isDispensable(kind, item, ours))
        .map(({ metadata }) => describeRef(kind, { name: metadata.name }));
    } catch (error) {
      signal.throwIfAborted();
      // A kind that was served a moment ago: the CRD of Onload may go with the last resource.
      return isNotFound(error) ? [] : [errorText(error)];
    }
  });
  return [...new Set((await Promise.all(found)).flat())];
}
