import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { freePorts } from "./lib/ports.ts";
import { poll } from "./lib/poll.ts";
import type { RunningProcess } from "./lib/run-state.ts";
import { moduleFolder, tool } from "./tools/index.ts";
import { KMM_NAMESPACE, KMM_SERVICE_ACCOUNT } from "./audit-policy.ts";
import type { Cluster } from "./cluster.ts";
import type { ControlPlane } from "./control-plane.ts";
import { installCrds } from "./crds.ts";

/**
 * Installs KMM 1.1.0's CRDs and starts its manager as a process beside the control plane; returns when it is ready.
 * Its admission webhook is not registered: version 1.1 only checks there what its CRD does not.
 */
export async function startKmm(plane: ControlPlane, signal?: AbortSignal): Promise<RunningProcess> {
  const manager = await tool("kmm-manager");
  await installCrds(plane);
  const kubeconfig = await createAccount(plane);

  const state = plane.state;
  const [health = 0, metrics = 0, webhook = 0] = await freePorts(3);
  const certificates = state.path("kmm", "k8s-webhook-server", "serving-certs");
  mkdirSync(certificates, { recursive: true });
  copyFileSync(state.path("pki", "apiserver.crt"), `${certificates}/tls.crt`);
  copyFileSync(state.path("pki", "apiserver.key"), `${certificates}/tls.key`);
  const config = {
    healthProbeBindAddress: `127.0.0.1:${health}`,
    metricsBindAddress: `127.0.0.1:${metrics}`,
    leaderElection: { enabled: false, resourceID: "kmm.sigs.x-k8s.io" },
    webhookPort: webhook,
  };
  writeFileSync(state.path("kmm", "config.yaml"), JSON.stringify(config));

  const running = state.start("kmm-manager", [manager, "--config", state.path("kmm", "config.yaml")], {
    env: {
      KUBECONFIG: kubeconfig,
      // The folder in which it expects its serving certificate.
      TMPDIR: state.path("kmm"),
      OPERATOR_NAMESPACE: KMM_NAMESPACE,
      // Images for builds and signatures in the cluster, which no test uses.
      RELATED_IMAGES_BUILD: "invalid.example/build:none",
      RELATED_IMAGES_SIGN: "invalid.example/sign:none",
    },
  });
  await poll(
    async () => {
      if (!running.alive()) return true;
      return (await fetch(`http://127.0.0.1:${health}/readyz`)).ok;
    },
    { what: "Readiness of KMM's manager", signal },
  );
  if (!running.alive()) throw new Error(`Cannot start KMM's manager: it exited: ${running.logTail()}`);
  return running;
}

/** Makes the manager's ServiceAccount with the role of KMM's own manifests, and returns its kubeconfig. */
async function createAccount(plane: ControlPlane): Promise<string> {
  const kmm = await moduleFolder("kmm", "github.com/kubernetes-sigs/kernel-module-management");
  const role = parse(readFileSync(join(kmm, "config/rbac/role.yaml"), "utf8")) as { rules: unknown[] };
  // The API server enforces permissions of owner references, as OpenShift's does, for which that role is too small.
  const owns = { apiGroups: ["kmm.sigs.x-k8s.io"], resources: ["modules/finalizers"], verbs: ["update"] };
  return await createKmmAccount(plane, KMM_SERVICE_ACCOUNT, [...role.rules, owns]);
}

/** Makes a ServiceAccount in KMM's namespace with rights in the whole cluster. Admission policies know it by both. */
export async function createKmmAccount(plane: Cluster, name: string, rules: readonly unknown[]): Promise<string> {
  const metadata = { name };
  const rbac = "/apis/rbac.authorization.k8s.io/v1";
  await plane.request("POST", "/api/v1/namespaces", { body: { metadata: { name: KMM_NAMESPACE } } });
  await plane.request("POST", `/api/v1/namespaces/${KMM_NAMESPACE}/serviceaccounts`, { body: { metadata } });
  await plane.request("POST", `${rbac}/clusterroles`, { body: { metadata, rules } });
  await plane.bind({ role: name, subject: { kind: "ServiceAccount", namespace: KMM_NAMESPACE, name } });
  return await plane.serviceAccountKubeconfig(KMM_NAMESPACE, name);
}
