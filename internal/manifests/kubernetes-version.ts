/** Which of the manifests a version of Kubernetes takes. */

/** A minor version of Kubernetes 1. */
export interface KubernetesVersion {
  minor: number;
  /** As it was given, such as v1.27.16+9116a69. */
  text: string;
}

/**
 * Oldest minor version that is supported: KMM 1.1's own, and the first whose API server evaluates the rules of the CRD
 * (CustomResourceValidationExpressions, on by default since 1.25).
 */
export const OLDEST_MINOR = 25;

/** First minor version whose API server serves ValidatingAdmissionPolicies as v1. */
export const FIRST_MINOR_WITH_POLICIES = 30;

/**
 * A version as people and programs write it: 1.27, v1.27.16, 1.27.3+k3s1, v1.25.4-gke.1600. undefined for anything else,
 * such as a version of OpenShift.
 */
export function parseKubernetesVersion(text: string): KubernetesVersion | undefined {
  const minor = /^v?1\.(\d{1,4})(?:\+|(?:\.\d+)?(?:[-+~][-+.~\w]*)?)$/.exec(text)?.[1];
  return minor === undefined ? undefined : { minor: Number(minor), text };
}

/** Why a version cannot be installed on; undefined if it can. */
export function whyUnsupported({ minor, text }: KubernetesVersion): string | undefined {
  if (minor >= OLDEST_MINOR) return undefined;
  return `Kubernetes ${text} is too old: KMM and the operator need 1.${OLDEST_MINOR} or later`;
}

/** What is not enforced on a cluster without admission policies, and what to do about it. */
export const UNPROTECTED =
  "nothing there keeps people who may write Onload resources, or delete objects in their namespaces, from unloading drivers on all nodes: give such rights only to people who may administer the nodes. The condition Protected of each resource says the same";

/** The same, of what `manifests install` has printed. */
export const WITHOUT_POLICIES = `${UNPROTECTED}. When the cluster has Kubernetes 1.30 or later, run manifests install again`;
