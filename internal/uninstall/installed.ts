/** What `onloadctl manifests` has installed, in the order in which it can be removed. */
import { parseAllDocuments } from "yaml";
import type { DeepReadonly, KubeObject } from "../api/core.ts";
import { LEASE_NAME, PART_OF_LABEL } from "../api/names.ts";
import { printable } from "../cli/printable.ts";
import type { Client } from "../kube/client.ts";
import type { ServedKind } from "../kube/discovery.ts";
import { describeRef, LEASES, type ObjectRef } from "../kube/resource.ts";
import { render } from "../manifests/render.ts";

/** An object by its kind and name, whatever its version. */
export interface ObjectId extends ObjectRef {
  group: string;
  kind: string;
}

/** An object that is in the cluster. */
export interface LiveObject {
  resource: ServedKind;
  ref: ObjectRef;
  uid: string | undefined;
  /** Whether somebody has deleted it, and a finalizer still holds it. */
  terminating: boolean;
}

/** Label of every object that the Operator Lifecycle Manager makes again when it is deleted: its ClusterServiceVersion. */
const OLM_OWNER = "olm.owner";

/**
 * Kinds in the order of their removal; those that are not here go between the second and the third group.
 *
 * The operator ends before it loses its rights. Policies go before what they may protect. The ClusterRoleBinding, which
 * names the operator's namespace, goes late, so that a run that was interrupted finds the namespace again.
 */
const FIRST = [
  "Deployment",
  "CustomResourceDefinition",
  "ValidatingAdmissionPolicyBinding",
  "ValidatingAdmissionPolicy",
];
const LAST = ["RoleBinding", "Role", "ClusterRole", "ClusterRoleBinding", "ServiceAccount", "Namespace"];

/** Everything that the manifests of the operator have, and its Lease, in the order of removal. */
export function manifestObjects(namespace: string): ObjectId[] {
  const documents = ["default", "openshift", "secure-metrics", "prometheus"].flatMap((tree) =>
    parseAllDocuments(render(tree, { namespace })),
  );
  const ids = documents.map((document) => idOf(document.toJS() as KubeObject));
  return [...ids, { group: LEASES.group, kind: LEASES.kind, namespace, name: LEASE_NAME }].toSorted(
    (a, b) => rankOf(a.kind) - rankOf(b.kind),
  );
}

function idOf({ apiVersion = "", kind = "", metadata }: KubeObject): ObjectId {
  const group = apiVersion.includes("/") ? apiVersion.split("/")[0]! : "";
  return { group, kind, name: metadata.name, namespace: metadata.namespace };
}

function rankOf(kind: string): number {
  if (FIRST.includes(kind)) return FIRST.indexOf(kind);
  return FIRST.length + 1 + LAST.indexOf(kind);
}

/** The resource of an object; undefined if the API server does not know its kind. */
export function resourceOf({ group, kind }: ObjectId, kinds: readonly ServedKind[]): ServedKind | undefined {
  return kinds.find((each) => each.group === group && each.kind === kind);
}

/** The objects of the manifests that are in the cluster; and of those with such a name that are not ours, why not. */
export async function findInstalled(
  client: Pick<Client, "get">,
  kinds: readonly ServedKind[],
  namespace: string,
  signal: AbortSignal,
): Promise<{ ours: LiveObject[]; others: string[] }> {
  const found = manifestObjects(namespace).map(async (id) => {
    const resource = resourceOf(id, kinds);
    if (!resource) return undefined;
    const ref = resource.namespaced ? { namespace: id.namespace, name: id.name } : { name: id.name };
    const live = await client.get<KubeObject>(resource, ref, { signal });
    const terminating = live?.metadata.deletionTimestamp !== undefined;
    return live && { object: { resource, ref, uid: live.metadata.uid, terminating }, foreign: whyForeign(live) };
  });
  const all = (await Promise.all(found)).filter((each) => each !== undefined);
  return {
    ours: all.filter(({ foreign }) => foreign === undefined).map(({ object }) => object),
    others: all.flatMap(({ object, foreign }) => (foreign ? [`${describeObject(object)}, ${foreign}`] : [])),
  };
}

/** Why an object is not to be removed; undefined if it is ours. */
export function whyForeign({ kind, metadata: { labels = {} } }: DeepReadonly<KubeObject>): string | undefined {
  // Their names alone say whose they are.
  if (kind === "CustomResourceDefinition" || kind === LEASES.kind) return undefined;
  const csv = labels[OLM_OWNER];
  if (csv !== undefined) {
    return `of the Operator Lifecycle Manager: delete its Subscription and its ClusterServiceVersion ${printable(csv, 100)} when no Onload resource is left`;
  }
  return labels[PART_OF_LABEL] === "onload" ? undefined : "which has not the label of the manifests";
}

/** How a message names an object. */
export function describeObject({ resource, ref }: Pick<LiveObject, "resource" | "ref">): string {
  return describeRef(resource, ref);
}
