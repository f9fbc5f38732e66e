/**
 * The kustomize trees of this folder as texts in the executable. A test keeps the list complete; text imports work
 * in every runtime that onloadctl runs in, which reading a folder of a compiled program does not.
 */
import admission from "./admission/kustomization.yaml" with { type: "text" };
import nameLength from "./admission/name-length.yaml" with { type: "text" };
import crd from "./crd/kustomization.yaml" with { type: "text" };
import onloads from "./crd/onload.amd.com_onloads.yaml" with { type: "text" };
import all from "./default/kustomization.yaml" with { type: "text" };
import deployment from "./manager/deployment.yaml" with { type: "text" };
import manager from "./manager/kustomization.yaml" with { type: "text" };
import namespace from "./manager/namespace.yaml" with { type: "text" };
import openshift from "./openshift/kustomization.yaml" with { type: "text" };
import privilegedScc from "./openshift/privileged-scc.yaml" with { type: "text" };
import rbac from "./rbac/kustomization.yaml" with { type: "text" };
import leaderElectionRole from "./rbac/leader-election-role.yaml" with { type: "text" };
import managerRole from "./rbac/manager-role.yaml" with { type: "text" };
import serviceAccount from "./rbac/service-account.yaml" with { type: "text" };
import userRoles from "./rbac/user-roles.yaml" with { type: "text" };
import sampleOnload from "./samples/onload/kustomization.yaml" with { type: "text" };
import sampleNamespace from "./samples/onload/namespace.yaml" with { type: "text" };
import sampleResource from "./samples/onload/onload_v1alpha1_onload.yaml" with { type: "text" };
import sampleServiceAccount from "./samples/onload/service-account.yaml" with { type: "text" };
import samplePod from "./samples/pod/kustomization.yaml" with { type: "text" };
import pod from "./samples/pod/pod.yaml" with { type: "text" };
import profiles from "./samples/profiles/kustomization.yaml" with { type: "text" };
import latency from "./samples/profiles/latency.yaml" with { type: "text" };

/** Texts by their path below internal/manifests. */
export const FILES: Readonly<Record<string, string>> = {
  "admission/kustomization.yaml": admission,
  "admission/name-length.yaml": nameLength,
  "crd/kustomization.yaml": crd,
  "crd/onload.amd.com_onloads.yaml": onloads,
  "default/kustomization.yaml": all,
  "manager/deployment.yaml": deployment,
  "manager/kustomization.yaml": manager,
  "manager/namespace.yaml": namespace,
  "openshift/kustomization.yaml": openshift,
  "openshift/privileged-scc.yaml": privilegedScc,
  "rbac/kustomization.yaml": rbac,
  "rbac/leader-election-role.yaml": leaderElectionRole,
  "rbac/manager-role.yaml": managerRole,
  "rbac/service-account.yaml": serviceAccount,
  "rbac/user-roles.yaml": userRoles,
  "samples/onload/kustomization.yaml": sampleOnload,
  "samples/onload/namespace.yaml": sampleNamespace,
  "samples/onload/onload_v1alpha1_onload.yaml": sampleResource,
  "samples/onload/service-account.yaml": sampleServiceAccount,
  "samples/pod/kustomization.yaml": samplePod,
  "samples/pod/pod.yaml": pod,
  "samples/profiles/kustomization.yaml": profiles,
  "samples/profiles/latency.yaml": latency,
};
