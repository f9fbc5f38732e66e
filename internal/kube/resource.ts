import type { KubeObject } from "../api/core.ts";
import type { Resource } from "../api/resources.ts";

/** Which object of a resource. */
export interface ObjectRef {
  /** Left out for cluster-scoped resources. */
  namespace?: string | undefined;
  name: string;
}

const core = (plural: string, kind: string, namespaced = true): Resource => ({
  group: "",
  version: "v1",
  plural,
  kind,
  namespaced,
});

export const NODES = core("nodes", "Node", false);
export const PODS = core("pods", "Pod");
export const NAMESPACES = core("namespaces", "Namespace", false);
export const SECRETS = core("secrets", "Secret");
export const SERVICE_ACCOUNTS = core("serviceaccounts", "ServiceAccount");
export const DEPLOYMENTS: Resource = {
  group: "apps",
  version: "v1",
  plural: "deployments",
  kind: "Deployment",
  namespaced: true,
};
export const DAEMON_SETS: Resource = {
  group: "apps",
  version: "v1",
  plural: "daemonsets",
  kind: "DaemonSet",
  namespaced: true,
};
export const POD_DISRUPTION_BUDGETS: Resource = {
  group: "policy",
  version: "v1",
  plural: "poddisruptionbudgets",
  kind: "PodDisruptionBudget",
  namespaced: true,
};
export const LEASES: Resource = {
  group: "coordination.k8s.io",
  version: "v1",
  plural: "leases",
  kind: "Lease",
  namespaced: true,
};
export const EVENTS = core("events", "Event");
export const CONFIG_MAPS = core("configmaps", "ConfigMap");
export const CUSTOM_RESOURCE_DEFINITIONS: Resource = {
  group: "apiextensions.k8s.io",
  version: "v1",
  plural: "customresourcedefinitions",
  kind: "CustomResourceDefinition",
  namespaced: false,
};

export const VALIDATING_ADMISSION_POLICIES: Resource = {
  group: "admissionregistration.k8s.io",
  version: "v1",
  plural: "validatingadmissionpolicies",
  kind: "ValidatingAdmissionPolicy",
  namespaced: false,
};

/** Who the API server takes us for; Kubernetes 1.28 and later. */
export const SELF_SUBJECT_REVIEWS: Resource = {
  group: "authentication.k8s.io",
  version: "v1",
  plural: "selfsubjectreviews",
  kind: "SelfSubjectReview",
  namespaced: false,
};

export const VALIDATING_ADMISSION_POLICY_BINDINGS: Resource = {
  group: "admissionregistration.k8s.io",
  version: "v1",
  plural: "validatingadmissionpolicybindings",
  kind: "ValidatingAdmissionPolicyBinding",
  namespaced: false,
};

/** `group/version`, or `v1` for the core group, as in an object's `apiVersion`. */
export function apiVersionOf(resource: Resource): string {
  return resource.group === "" ? resource.version : `${resource.group}/${resource.version}`;
}

/** Path of the resource's collection: of one namespace, or of the cluster if none is given. */
export function collectionPath(resource: Resource, namespace?: string): string {
  const root = resource.group === "" ? "/api" : `/apis/${resource.group}`;
  const scope = resource.namespaced && namespace ? `/namespaces/${encodeURIComponent(namespace)}` : "";
  return `${root}/${resource.version}${scope}/${resource.plural}`;
}

/** Path of one object, or of its subresource. */
export function objectPath(resource: Resource, ref: ObjectRef, subresource?: string): string {
  if (resource.namespaced && !ref.namespace) {
    throw new TypeError(`Cannot address ${resource.kind} "${ref.name}": it needs a namespace`);
  }
  const path = `${collectionPath(resource, ref.namespace)}/${encodeURIComponent(ref.name)}`;
  return subresource ? `${path}/${subresource}` : path;
}

/** How a message names an object: `DaemonSet "onload/sample"`. */
export function describeRef(resource: Resource, ref: ObjectRef): string {
  return `${resource.kind} "${resource.namespaced && ref.namespace ? `${ref.namespace}/` : ""}${ref.name}"`;
}

/** The reference to an existing object. */
export function refOf(object: { readonly metadata: Pick<KubeObject["metadata"], "name" | "namespace"> }): ObjectRef {
  const { name, namespace } = object.metadata;
  return namespace ? { namespace, name } : { name };
}
