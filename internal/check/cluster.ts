/** What is judged of a cluster, whatever Onload resources there are. Pure. */
import { counted } from "../cli/counted.ts";
import type {
  AdmissionPolicy,
  CustomResourceDefinition,
  DeepReadonly,
  Deployment,
  KubeObject,
  PolicyBinding,
} from "../api/core.ts";
import { kmmCapabilities } from "../api/kmm.ts";
import { ONLOAD_GROUP, ONLOAD_PLURAL } from "../api/names.ts";
import type { OnloadStatus } from "../api/onload.ts";
import { CONDITION, REASON } from "../api/reasons.ts";
import { firstFew } from "../cli/first-few.ts";
import { printable } from "../cli/printable.ts";
import { CUSTOM_RESOURCE_DEFINITIONS } from "../kube/resource.ts";
import { Store } from "../kube/store.ts";
import { FIRST_MINOR_WITH_POLICIES, OLDEST_MINOR } from "../manifests/kubernetes-version.ts";
import type { RawOnload } from "../operator/cache/caches.ts";
import { crdProblem } from "../operator/observe/crd.ts";
import { PROTECTED_CRDS, protection } from "../operator/report/protection.ts";
import { KMM_DEPLOYMENTS, kmmRefusal } from "../operator/view/kmm-operator.ts";
import { remedyOf, type Serving } from "../operator/view/serving.ts";
import { finderOf, type Finding } from "./findings.ts";
import type { Read } from "./read.ts";
import { kmmSeries } from "./versions.ts";

/** Longest message that is quoted, in characters. */
const MAX_MESSAGE = 1000;

/** What GET /version says. */
export interface ServerVersion {
  gitVersion?: unknown;
  major?: unknown;
  minor?: unknown;
}

/** The version of the API server. */
export function judgeVersion(read: Read<ServerVersion>): Finding {
  const finding = finderOf("API server");
  if ("problem" in read) return finding("unknown", read.problem);
  const { gitVersion, major, minor } = read.value;
  const name = `Kubernetes ${String(gitVersion)}`;
  // Some distributions write `27+`.
  const number = parseInt(String(minor), 10);
  if (parseInt(String(major), 10) !== 1 || Number.isNaN(number)) {
    return finding("unknown", `${name}: its version cannot be compared`);
  }
  if (number < OLDEST_MINOR) return finding("failed", `${name} is too old: 1.${OLDEST_MINOR} or later is needed`);
  if (number >= FIRST_MINOR_WITH_POLICIES) return finding("ok", name);
  return finding(
    "warning",
    `${name} has no admission policies (1.${FIRST_MINOR_WITH_POLICIES} and later): install with --no-admission-policies, and let only administrators write Onload resources`,
  );
}

/** CRDs of KMM and of Onload. */
export function judgeCrds(read: Read<readonly CustomResourceDefinition[]>): Finding[] {
  const [kmm, onload] = [finderOf("KMM"), finderOf("CRD of Onload")];
  if ("problem" in read) return [kmm("unknown", read.problem), onload("unknown", read.problem)];
  return [kmmFinding(read.value), onloadFinding(read.value)];

  function onloadFinding(crds: readonly CustomResourceDefinition[]): Finding {
    const crd = crds.find(({ metadata }) => metadata.name === `${ONLOAD_PLURAL}.${ONLOAD_GROUP}`);
    if (!crd) {
      return onload(
        "warning",
        "It is not installed yet: onloadctl manifests install --image=IMAGE | kubectl apply --server-side --force-conflicts -f -",
      );
    }
    const store = new Store<CustomResourceDefinition>();
    store.set(crd);
    const problem = crdProblem({ crds: { store } });
    return problem ? onload("failed", problem.message) : onload("ok", "It has all that this version needs");
  }

  function kmmFinding(crds: readonly CustomResourceDefinition[]): Finding {
    const found = kmmCapabilities(crds);
    if (!found) return kmm("failed", "It is not installed: Onload needs KMM 1.1 or later (https://kmm.sigs.k8s.io)");
    if (!found.nodeModulesConfig) {
      return kmm("ok", "KMM 1.1: it loads nothing on cordoned nodes, and does not look for images beforehand");
    }
    return kmm("ok", `KMM ${kmmSeries(found)}`);
  }
}

/** KMM's operator, without which nothing is loaded or unloaded. */
export function judgeKmmOperator(read: Read<readonly Deployment[]>): Finding {
  const finding = finderOf("KMM's operator");
  if ("problem" in read) return finding("unknown", read.problem);
  if (read.value.length === 0) {
    return finding("unknown", `No Deployment is called ${KMM_DEPLOYMENTS.join(" or ")}; see whether KMM runs`);
  }
  const isReady = ({ status }: Deployment): boolean => (status?.readyReplicas ?? 0) > 0;
  const text = firstFew(read.value, 3, ({ metadata, spec, status }) => {
    const image = spec?.template?.spec?.containers?.[0]?.image ?? "no image";
    const pods = `${status?.readyReplicas ?? 0} of ${counted(spec?.replicas ?? 1, "pod is", "pods are")} ready`;
    return `${metadata.namespace}/${metadata.name}: ${pods}, ${image}`;
  });
  const ready = read.value.filter(isReady);
  if (ready.length > 1) return finding("failed", `${text}; only one KMM may run: they undo each other's work`);
  if (ready.length === 1) return finding("ok", text);
  const refusal = kmmRefusal(read.value);
  if (refusal !== undefined) return finding("failed", refusal);
  const [{ metadata }] = read.value as [Deployment];
  return finding(
    "failed",
    `${text}; see \`kubectl describe deployment ${metadata.name} -n ${metadata.namespace}\`, and the logs of its pods`,
  );
}

/** The admission policies. @param objects some of what they protect, by what it is */
export function judgePolicies(
  policies: Read<readonly AdmissionPolicy[]>,
  bindings: Read<readonly PolicyBinding[]>,
  objects: Record<string, Read<readonly KubeObject[]>> = {},
): Finding {
  const finding = finderOf("Admission policies");
  if ("problem" in policies) return finding("unknown", policies.problem);
  if ("problem" in bindings) return finding("unknown", bindings.problem);
  const stores = { policies: storeOf(policies.value), policyBindings: storeOf(bindings.value) };
  const found = Object.values(objects).flatMap((each) => ("value" in each ? each.value : []));
  const isOther = ({ kind, metadata }: KubeObject): boolean =>
    kind === CUSTOM_RESOURCE_DEFINITIONS.kind && !PROTECTED_CRDS.includes(metadata.name);
  const { status, message } = protection(
    stores,
    found.filter((each) => !isOther(each)),
  );
  // Of Modules, DaemonSets and namespaces, which are not read here, the operator tells it.
  const told = status === "True" ? found.flatMap(openedOf) : [];
  return finding(status === "True" && told.length === 0 ? "ok" : "warning", told[0] ?? message);
}

/** What the status of a resource says of a way that a person has opened for deletions. */
function openedOf(object: KubeObject): string[] {
  const { conditions = [] } = ((object as RawOnload).status ?? {}) as OnloadStatus;
  return conditions.flatMap(({ type, status, reason, message }) =>
    type === CONDITION.Protected && status === "False" && reason === REASON.DeletionAllowed
      ? [printable(message, MAX_MESSAGE)]
      : [],
  );
}

function storeOf<T extends KubeObject>(objects: readonly T[]): { store: Store<T> } {
  const store = new Store<T>();
  for (const object of objects) store.set(object as DeepReadonly<T>);
  return { store };
}

/** Whether an operator acts. @param rivals what is known of several that act for the same namespaces */
export function judgeServing(serving: Serving, rivals: readonly string[] = []): Finding {
  const finding = finderOf("Operator");
  if (rivals.length > 0) return finding("failed", rivals.join("; "));
  const remedy = remedyOf(serving);
  const message = remedy === "" ? serving.message : `${serving.message}; ${remedy}`;
  if (serving.state === "acts") return finding("ok", message);
  if (serving.state === "unknown") return finding("unknown", message);
  // Before an install there is none.
  return finding(serving.state === "none" ? "warning" : "failed", message);
}
