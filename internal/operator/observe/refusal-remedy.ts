/** What a person can do about a pod that the API server refuses. Pure. */

interface Refusal {
  /** The words of Kubernetes' or OpenShift's own code: no more than these, because names and policies have any words. */
  words: RegExp;
  remedy: (namespace: string) => string;
}

const REFUSALS = {
  policy: {
    words:
      /admission webhook "[^"]*" denied the request|policy '[^']*' (?:with binding '[^']*' )?denied request|denied by policy|image policy webhook backend denied|rejected by webhook backend/i,
    remedy: (namespace) => `make that policy admit the privileged pods of namespace "${namespace}"`,
  },
  webhook: {
    words: /failed calling webhook|conversion webhook for/,
    remedy: () => "bring that webhook's service back, or make its configuration leave the namespace out",
  },
  right: {
    words: /User "[^"]*" cannot create resource/,
    remedy: (namespace) =>
      `let that user create pods in namespace "${namespace}"; what binds Kubernetes' own controllers is made again when the API server starts`,
  },
  quota: {
    words: /exceeded quota: /,
    remedy: (namespace) => `raise that ResourceQuota of namespace "${namespace}", or remove it`,
  },
  quotaOfUnset: {
    // A quota of requests or limits refuses every pod that sets none, however much it has left.
    words: /failed quota: /,
    remedy: (namespace) =>
      `create a LimitRange in namespace "${namespace}" that gives containers a default for what they must specify, or remove that ResourceQuota`,
  },
  quotaNotCounted: {
    words: /status unknown for quota: /,
    remedy: () => "wait until that ResourceQuota has a status; kube-controller-manager writes it",
  },
  quotaOfResource: {
    // Where a resource may be used only under a quota.
    words: /insufficient quota to consume: /,
    remedy: (namespace) =>
      `create a ResourceQuota in namespace "${namespace}" that names these resources and has room for the pods`,
  },
  quotaOfScope: {
    // Where a priority class may be used only under a quota, as GKE does with system-node-critical.
    words: /insufficient quota to match these scopes: /,
    remedy: (namespace) =>
      `create a ResourceQuota in namespace "${namespace}" whose scopeSelector names that PriorityClass and that has room for the pods`,
  },
  podSecurity: {
    words: /violates PodSecurity "/,
    remedy: (namespace) =>
      `allow privileged pods there: kubectl label --overwrite namespace ${namespace} pod-security.kubernetes.io/enforce=privileged`,
  },
  scc: {
    words: /unable to validate against any security context constraint/,
    remedy: (namespace) =>
      `let the ServiceAccount NAME of spec.serviceAccountName use the SCC privileged: onloadctl manifests openshift -n ${namespace} --service-account=NAME | kubectl apply -f -`,
  },
  priorityClass: {
    words: /no PriorityClass with name /,
    remedy: () =>
      "create that PriorityClass; those named system-* are the API server's own, which makes them when it starts",
  },
  account: {
    words: /error looking up service account |serviceaccount "[^"]*" not found/,
    remedy: () => "create that ServiceAccount, or correct spec.serviceAccountName",
  },
  nodeSelector: {
    // The admission plugin PodNodeSelector; OpenShift has one of its own for projects.
    words: /pod node label selector (?:labels )?conflict/,
    remedy: (namespace) =>
      `let that selector fit the nodes of spec.selector, or take it away: kubectl annotate --overwrite namespace ${namespace} scheduler.alpha.kubernetes.io/node-selector= (on OpenShift openshift.io/node-selector=)`,
  },
  tolerations: {
    // The admission plugin PodTolerationRestriction.
    words: /pod tolerations .{0,80}conflict with its \S+ whitelist/,
    remedy: (namespace) =>
      `let the tolerations that namespace "${namespace}" admits have those of a DaemonSet and of spec.tolerations: its annotation scheduler.alpha.kubernetes.io/tolerationsWhitelist`,
  },
  namespaceEnds: {
    words: /because it is being terminated/,
    remedy: (namespace) =>
      `delete the Onload resources in namespace "${namespace}", and make them again once the namespace is back`,
  },
  limits: {
    words: /(?:minimum|maximum) \S+ usage per |max limit to request ratio per /,
    remedy: () => "correct that LimitRange, or spec.devicePlugin.resources",
  },
} satisfies Record<string, Refusal>;

/** What refuses pods. */
export type RefusalCause = keyof typeof REFUSALS;

/**
 * What refuses a pod; undefined if it is something else.
 *
 * @param text what the API server says
 */
export function causeOfRefusal(text: string): RefusalCause | undefined {
  const found = Object.entries(REFUSALS).flatMap(([cause, { words }]) => {
    const at = words.exec(text)?.index;
    return at === undefined ? [] : { cause: cause as RefusalCause, at };
  });
  // What a policy or webhook says stands behind the API server's own words.
  return found.toSorted((a, b) => a.at - b.at)[0]?.cause;
}

/**
 * What to do about a pod of Onload that is refused.
 *
 * @param text what the API server says
 * @param namespace of the pod
 */
export function remedyForRefusal(text: string, namespace: string): string {
  const cause = causeOfRefusal(text);
  return cause === undefined ? "see what refuses it in the API server" : REFUSALS[cause].remedy(namespace);
}

/**
 * What to do about a pod of an operator that is refused: it needs no privileges, and names what was installed with it.
 *
 * @param text what the API server says
 * @param deployment whose pod it is
 */
export function remedyForOperator(text: string, deployment: { namespace: string; name: string }): string {
  const { namespace, name } = deployment;
  switch (causeOfRefusal(text)) {
    case "policy":
      return `make that policy admit the pods of Deployment "${namespace}/${name}"`;
    case "podSecurity":
    case "scc":
    case "account":
      return "install it again: its Deployment and ServiceAccount are not as they were installed";
    case "namespaceEnds":
      return "install it again once the namespace is back";
    case "nodeSelector":
    case "tolerations":
      return `correct those annotations of namespace "${namespace}"`;
    case "limits":
      return `correct that LimitRange of namespace "${namespace}"`;
    default:
      return remedyForRefusal(text, namespace);
  }
}
