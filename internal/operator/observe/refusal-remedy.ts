/** What a person can do about a pod that the API server refuses. Pure. */

/** What refuses pods, by the words of Kubernetes and OpenShift, and what to do; the first that fits counts. */
const REMEDIES: readonly (readonly [RegExp, (namespace: string) => string])[] = [
  [
    /exceeded quota|must specify .* for:|status unknown for quota/i,
    (namespace) => `raise that ResourceQuota of namespace "${namespace}", or remove it`,
  ],
  [
    // Where a priority class may be used only under a quota, as GKE does with system-node-critical.
    /insufficient quota to match these scopes/i,
    (namespace) =>
      `create a ResourceQuota in namespace "${namespace}" whose scopeSelector names that PriorityClass and that has room for the pods`,
  ],
  [
    /violates PodSecurity/i,
    (namespace) =>
      `allow privileged pods there: kubectl label --overwrite namespace ${namespace} pod-security.kubernetes.io/enforce=privileged`,
  ],
  [
    /security context constraint/i,
    () =>
      "let spec.serviceAccountName use the SCC privileged: run `onloadctl manifests openshift | kubectl apply -f -`, and bind that ClusterRole to the ServiceAccount",
  ],
  [
    /PriorityClass/,
    () => "create that PriorityClass; those named system-* are the API server's own, which makes them when it starts",
  ],
  [/service ?account/i, () => "create that ServiceAccount, or correct spec.serviceAccountName"],
  [
    /failed calling webhook|conversion webhook/i,
    () => "bring that webhook's service back, or make its configuration leave the namespace out",
  ],
  [
    /webhook|ValidatingAdmissionPolicy|denied/i,
    (namespace) => `make that policy admit the privileged pods of namespace "${namespace}"`,
  ],
  [
    // The admission plugins PodNodeSelector and PodTolerationRestriction; OpenShift has one of its own for projects.
    /node label selector/i,
    (namespace) =>
      `let that selector fit the nodes of spec.selector, or take it away: kubectl annotate --overwrite namespace ${namespace} scheduler.alpha.kubernetes.io/node-selector= (on OpenShift openshift.io/node-selector=)`,
  ],
  [
    /tolerations .* whitelist/i,
    (namespace) =>
      `let the tolerations that namespace "${namespace}" admits have those of a DaemonSet and of spec.tolerations: its annotation scheduler.alpha.kubernetes.io/tolerationsWhitelist`,
  ],
  [
    /because it is being terminated/i,
    (namespace) =>
      `delete the Onload resources in namespace "${namespace}", and make them again once the namespace is back`,
  ],
  [
    /(?:minimum|maximum) .* usage per|limit to request ratio/i,
    () => "correct that LimitRange, or spec.devicePlugin.resources",
  ],
];

/**
 * What to do about a refusal.
 *
 * @param text what the API server says
 * @param namespace of the pod
 */
export function remedyForRefusal(text: string, namespace: string): string {
  const found = REMEDIES.find(([words]) => words.test(text));
  return found ? found[1](namespace) : "see what refuses it in the API server";
}
