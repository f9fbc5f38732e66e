import { mkdirSync, writeFileSync } from "node:fs";
import { freePorts } from "./lib/ports.ts";
import { poll } from "./lib/poll.ts";
import { requirePackages } from "./lib/debian.ts";
import { RunState } from "./lib/run-state.ts";
import type { RunningProcess } from "./lib/run-state.ts";
import { tool } from "./tools/index.ts";
import { auditPolicy } from "./audit-policy.ts";
import { Cluster, infrastructureGroup, issueUser, userFiles } from "./cluster.ts";
import { CertificateAuthority, createSigningKey } from "./pki.ts";

/** Options of a control plane. */
export interface ControlPlaneOptions {
  readonly signal?: AbortSignal;
  /** The state folder to use; a new one by default. */
  readonly state?: RunState;
  /** Address that the API server listens on and advertises; loopback by default. */
  readonly address?: string;
  /** Runs kube-controller-manager (default true): DaemonSets, ReplicaSets, garbage collection, service accounts. */
  readonly controllerManager?: boolean;
  /** Runs kube-scheduler (default true). */
  readonly scheduler?: boolean;
  /** false: the API server knows no admission policies, like one before Kubernetes 1.30 (default true). */
  readonly admissionPolicies?: boolean;
}

type Component = "kube-controller-manager" | "kube-scheduler";

const withoutAdmissionPolicies = [
  "--disable-admission-plugins=ValidatingAdmissionPolicy",
  `--runtime-config=${["validatingadmissionpolicies", "validatingadmissionpolicybindings"].map((plural) => `admissionregistration.k8s.io/v1/${plural}=false`).join(",")}`,
];
const serviceRange = "10.96.0.0/16";
const admins = "system:masters";

/** A control plane that this process started. Get one with startControlPlane. */
export class ControlPlane extends Cluster implements AsyncDisposable {
  readonly state: RunState;
  readonly #etcdUrl: string;
  readonly #etcd: RunningProcess;
  readonly #startApiServer: () => RunningProcess;
  #apiServer: RunningProcess;

  constructor(
    state: RunState,
    server: string,
    etcdUrl: string,
    etcd: RunningProcess,
    startApiServer: () => RunningProcess,
  ) {
    super(state.folder, server);
    this.state = state;
    this.#etcdUrl = etcdUrl;
    this.#etcd = etcd;
    this.#startApiServer = startApiServer;
    this.#apiServer = startApiServer();
  }

  /** Waits until the API server answers that it is ready; throws with the end of its log if it has exited. */
  async waitReady(signal?: AbortSignal): Promise<void> {
    let exited: RunningProcess | undefined;
    await poll(
      async () => {
        exited = [this.#etcd, this.#apiServer].find((program) => !program.alive());
        if (exited !== undefined) return true;
        return (await this.request<string>("GET", "/readyz")) === "ok";
      },
      { what: "Readiness of kube-apiserver", timeoutMs: 120_000, signal },
    );
    if (exited !== undefined) throw new Error(`Cannot start ${exited.name}: it exited: ${exited.logTail()}`);
  }

  /** Ends the API server at once, as a crash would. */
  async killApiServer(): Promise<void> {
    this.#apiServer.signal("SIGKILL");
    await this.#apiServer.exited;
  }

  /** Starts the API server again on the same port, after ending it if it still runs, and waits until it is ready. */
  async restartApiServer(): Promise<void> {
    if (this.#apiServer.alive()) await this.killApiServer();
    this.#apiServer = this.#startApiServer();
    await this.waitReady();
  }

  /**
   * Compacts the whole history in etcd. A watch that resumes from an earlier version gets 410 Gone, at the latest after
   * a restart of the API server, whose watch cache is empty then.
   */
  async compactEtcd(): Promise<void> {
    const range = await this.#askEtcd("/v3/kv/range", { key: btoa("\0") });
    const { revision } = (range as { header: { revision: string } }).header;
    await this.#askEtcd("/v3/kv/compaction", { revision, physical: true });
  }

  async #askEtcd(path: string, body: unknown): Promise<unknown> {
    const response = await fetch(`${this.#etcdUrl}${path}`, { method: "POST", body: JSON.stringify(body) });
    if (!response.ok) throw new Error(`Cannot ask etcd for ${path}: ${response.status} ${await response.text()}`);
    return await response.json();
  }

  /** Ends everything that runs in the state folder, and removes it. */
  async stop(): Promise<void> {
    this.close();
    await this.state.stop();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

/** Starts etcd, kube-apiserver, kube-controller-manager and kube-scheduler and waits until the API server is ready. */
export async function startControlPlane(options: ControlPlaneOptions = {}): Promise<ControlPlane> {
  await requirePackages(["openssl"]);
  // Tools are built first, because nothing has to be cleaned up if a build fails.
  await tool("etcd");
  await tool("kube-apiserver");
  const components: Component[] = [];
  if (options.controllerManager !== false) components.push("kube-controller-manager");
  if (options.scheduler !== false) components.push("kube-scheduler");
  for (const component of components) await tool(component);
  options.signal?.throwIfAborted();

  if (options.state !== undefined) return await startIn(options.state, options, components);
  for (let attempt = 1; ; attempt += 1) {
    const state = await RunState.create();
    try {
      return await startIn(state, options, components);
    } catch (error) {
      await state.stop();
      // Another program has taken a port since it was chosen.
      if (attempt === 3 || !(error as Error).message.includes("address already in use")) throw error;
    }
  }
}

async function startIn(
  state: RunState,
  options: ControlPlaneOptions,
  components: readonly Component[],
): Promise<ControlPlane> {
  const address = options.address ?? "127.0.0.1";
  const [port = 0] = await freePorts(1, address);
  const [client = 0, peer = 0] = await freePorts(2);
  const server = `https://${address}:${port}`;
  await preparePki(state, server, address);
  const etcdUrl = `http://127.0.0.1:${client}`;
  const etcd = state.start("etcd", etcdCommand(await tool("etcd"), state, etcdUrl, `http://127.0.0.1:${peer}`));
  const command = apiServerCommand(await tool("kube-apiserver"), state, etcdUrl, address, port);
  if (options.admissionPolicies === false) command.push(...withoutAdmissionPolicies);
  const plane = new ControlPlane(state, server, etcdUrl, etcd, () => state.start("kube-apiserver", command));
  await plane.waitReady(options.signal);
  for (const component of components) {
    state.start(component, componentCommand(await tool(component), component, state));
  }
  if (options.controllerManager !== false) await waitForDefaultServiceAccount(plane, options.signal);
  return plane;
}

async function preparePki(state: RunState, server: string, address: string): Promise<void> {
  mkdirSync(state.path("pki"));
  const authority = new CertificateAuthority(state.path("pki"));
  await authority.create();
  const serviceAddress = "10.96.0.1";
  const hosts = [...new Set([address, "127.0.0.1", serviceAddress]), "localhost", "kubernetes.default.svc"];
  await Promise.all([
    authority.issue("apiserver", { name: "kube-apiserver", hosts }),
    authority.issue("kubelet-client", { name: "kube-apiserver-kubelet-client", groups: [admins] }),
    createSigningKey(state.path("pki", "sa.key"), state.path("pki", "sa.pub")),
    issueUser(state.folder, server, authority, "admin", [admins]),
    ...["kube-controller-manager", "kube-scheduler"].map((name) =>
      issueUser(state.folder, server, authority, `system:${name}`, [infrastructureGroup]),
    ),
  ]);
  writeFileSync(state.path("audit-policy.json"), JSON.stringify(auditPolicy()));
}

function etcdCommand(etcd: string, state: RunState, url: string, peerUrl: string): string[] {
  return [
    etcd,
    "--unsafe-no-fsync",
    "--log-level=warn",
    `--data-dir=${state.path("etcd")}`,
    `--listen-client-urls=${url}`,
    `--advertise-client-urls=${url}`,
    `--listen-peer-urls=${peerUrl}`,
  ];
}

function apiServerCommand(
  apiserver: string,
  state: RunState,
  etcdUrl: string,
  address: string,
  port: number,
): string[] {
  const pki = (file: string): string => state.path("pki", file);
  return [
    apiserver,
    `--etcd-servers=${etcdUrl}`,
    `--bind-address=${address}`,
    `--advertise-address=${address}`,
    `--secure-port=${port}`,
    `--tls-cert-file=${pki("apiserver.crt")}`,
    `--tls-private-key-file=${pki("apiserver.key")}`,
    `--client-ca-file=${pki("ca.crt")}`,
    "--authorization-mode=Node,RBAC",
    // The second plugin is enabled as on OpenShift: changing the owners of an object needs the right to delete it.
    "--enable-admission-plugins=NodeRestriction,OwnerReferencesPermissionEnforcement",
    "--allow-privileged=true",
    `--service-cluster-ip-range=${serviceRange}`,
    "--service-account-issuer=https://kubernetes.default.svc",
    `--service-account-key-file=${pki("sa.pub")}`,
    `--service-account-signing-key-file=${pki("sa.key")}`,
    "--kubelet-preferred-address-types=InternalIP",
    `--kubelet-client-certificate=${pki("kubelet-client.crt")}`,
    `--kubelet-client-key=${pki("kubelet-client.key")}`,
    `--audit-policy-file=${state.path("audit-policy.json")}`,
    `--audit-log-path=${state.path("audit.log")}`,
    "--profiling=false",
  ];
}

function componentCommand(program: string, name: Component, state: RunState): string[] {
  const kubeconfig = userFiles(state.folder, `system:${name}`).kubeconfigPath;
  const common = [
    program,
    `--kubeconfig=${kubeconfig}`,
    "--leader-elect=false",
    // They listen on no port, because nothing reads their metrics.
    "--secure-port=0",
    // With the default of 20 requests per second, a test of 100 nodes would measure only this limit.
    "--kube-api-qps=500",
    "--kube-api-burst=1000",
  ];
  if (name === "kube-scheduler") return common;
  return [
    ...common,
    `--service-account-private-key-file=${state.path("pki", "sa.key")}`,
    `--root-ca-file=${state.path("pki", "ca.crt")}`,
    "--use-service-account-credentials=true",
  ];
}

/** Waits for the default service account of a namespace, without which pods are refused there. */
async function waitForDefaultServiceAccount(plane: ControlPlane, signal?: AbortSignal): Promise<void> {
  await poll(() => plane.request("GET", "/api/v1/namespaces/default/serviceaccounts/default"), {
    what: "The default service account",
    signal,
  });
}
