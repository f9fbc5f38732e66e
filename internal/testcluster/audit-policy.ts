import { infrastructureGroup } from "./cluster.ts";

/** Where KMM's own manifests install its manager, and the ServiceAccount that it runs as there. */
export const KMM_NAMESPACE = "kmm-operator-system";
export const KMM_SERVICE_ACCOUNT = "kmm-operator-controller-manager";
/** Name of the user that KMM's manager runs as. */
export const KMM_USER = `system:serviceaccount:${KMM_NAMESPACE}:${KMM_SERVICE_ACCOUNT}`;

/**
 * Logs one line for each finished request of the programs under test, and for each PATCH of a node by KMM. The number of
 * those PATCHes limits the speed of a rollout. See Cluster.auditEvents.
 */
export function auditPolicy(): unknown {
  const left = {
    userGroups: [
      "system:masters",
      "system:nodes",
      "system:serviceaccounts:kube-system",
      `system:serviceaccounts:${KMM_NAMESPACE}`,
      infrastructureGroup,
    ],
  };
  return {
    apiVersion: "audit.k8s.io/v1",
    kind: "Policy",
    omitStages: ["RequestReceived"],
    rules: [
      {
        level: "Metadata",
        users: [KMM_USER],
        verbs: ["patch"],
        resources: [{ group: "", resources: ["nodes"] }],
      },
      { level: "None", ...left },
      { level: "None", users: ["system:anonymous", "system:apiserver"] },
      { level: "Metadata" },
    ],
  };
}
