import { infrastructureGroup } from "./cluster.ts";

/** Logs one line for each finished request of the programs under test; see Cluster.auditEvents. */
export function auditPolicy(): unknown {
  const left = {
    userGroups: ["system:masters", "system:nodes", "system:serviceaccounts:kube-system", infrastructureGroup],
  };
  return {
    apiVersion: "audit.k8s.io/v1",
    kind: "Policy",
    omitStages: ["RequestReceived"],
    rules: [
      { level: "None", ...left },
      { level: "None", users: ["system:anonymous", "system:apiserver"] },
      { level: "Metadata" },
    ],
  };
}
