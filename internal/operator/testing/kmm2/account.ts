/** The ServiceAccount of KMM 2's manager. */
import { createKmmAccount, type Cluster } from "../../../testcluster/index.ts";

const of = (apiGroup: string, resources: string[], verbs: string[]): object => ({
  apiGroups: [apiGroup],
  resources,
  verbs,
});
const KMM = "kmm.sigs.x-k8s.io";
const READ = ["get", "list", "watch"];
const WRITE = ["create", "delete", "patch"];

/** v2.6.0, config/rbac/role.yaml, less builds, hubs and preflight validations. */
const RULES = [
  of("apps", ["daemonsets"], [...READ, ...WRITE]),
  of("", ["configmaps", "secrets", "serviceaccounts"], READ),
  of("", ["namespaces", "nodes"], [...READ, "patch"]),
  of("", ["pods"], [...READ, ...WRITE]),
  of(KMM, ["moduleimagesconfigs/status", "modules/status"], ["get", "patch", "update"]),
  of(KMM, ["moduleimagesconfigs", "nodemodulesconfigs"], [...READ, ...WRITE]),
  of(KMM, ["modules"], [...READ, "patch", "update"]),
  of(KMM, ["nodemodulesconfigs/status"], ["patch"]),
];

/** Makes it, with the name and the role of KMM 2's own manifests, and returns its kubeconfig. */
export function createKmm2Account(cluster: Cluster): Promise<string> {
  return createKmmAccount(cluster, "kmm-operator-controller", RULES);
}
