import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { poll } from "./lib/poll.ts";
import { freePorts } from "./lib/ports.ts";
import type { RunningProcess } from "./lib/run-state.ts";
import { moduleFolder, tool } from "./tools/index.ts";
import type { ControlPlane } from "./control-plane.ts";

/** What fake nodes look like. */
export interface FakeNodeOptions {
  /** Names are PREFIX-0, PREFIX-1, ...; "fake" by default. */
  readonly prefix?: string;
  readonly labels?: Readonly<Record<string, string>>;
  /** As uname -r would say; KMM matches it against its kernel mappings. */
  readonly kernelVersion?: string;
  /** Added to cpu, memory and pods. */
  readonly allocatable?: Readonly<Record<string, string>>;
}

/** Where fake pods run and what they look like. */
export interface FakePodOptions {
  readonly namespace: string;
  /** Names are PREFIX-0, PREFIX-1, ...; "fake" by default. */
  readonly prefix?: string;
  /** The pods are spread evenly over these nodes. */
  readonly nodes: readonly string[];
  readonly labels?: Readonly<Record<string, string>>;
  readonly limits?: Readonly<Record<string, string>>;
}

/** A running kwok. It keeps fake nodes Ready, makes pods on them Running, and removes pods that are being deleted. */
export interface Kwok {
  readonly process: RunningProcess;
  /** Makes nodes and returns their names when all are Ready. */
  createNodes(count: number, options?: FakeNodeOptions): Promise<string[]>;
  /** Makes pods and returns their names when all are Running. */
  createPods(count: number, options: FakePodOptions): Promise<string[]>;
}

/** kwok touches only nodes with this annotation, so that it can run beside a real node. */
const fakeAnnotation = "kwok.x-k8s.io/node";

/** Many fake nodes and pods change at once, and kwok renews the leases of the nodes, as kubelets do. */
const kwokOptions = {
  apiVersion: "config.kwok.x-k8s.io/v1alpha1",
  kind: "KwokConfiguration",
  options: { nodePlayStageParallelism: 16, podPlayStageParallelism: 16, nodeLeaseDurationSeconds: 40 },
};

/**
 * Ends a pod that is being deleted, as a kubelet does: without touching its finalizers. kwok's own stage takes them away,
 * and with them KMM's hold on a module-loader pod, which lasts until the node's `.ready` label has gone.
 */
const podDelete = {
  apiVersion: "kwok.x-k8s.io/v1alpha1",
  kind: "Stage",
  metadata: { name: "pod-delete" },
  spec: {
    resourceRef: { apiGroup: "v1", kind: "Pod" },
    selector: { matchExpressions: [{ key: ".metadata.deletionTimestamp", operator: "Exists" }] },
    next: { delete: true },
  },
};

/** Additions to the stages that the module of kwok contains. */
export interface KwokOptions {
  /** Further resources of kwok (Stage, ClusterLogs), as YAML documents. */
  readonly resources?: readonly string[];
}

/** Starts kwok with the stages that its module contains. */
export async function startKwok(plane: ControlPlane, options: KwokOptions = {}): Promise<Kwok> {
  const kwok = await tool("kwok");
  const stages = join(await moduleFolder("kwok", "sigs.k8s.io/kwok"), "kustomize/stage");
  const files = [
    "node/fast/node-initialize.yaml",
    "node/heartbeat/node-heartbeat.yaml",
    "pod/fast/pod-ready.yaml",
    "pod/fast/pod-complete.yaml",
  ];
  const config = plane.state.path("kwok.yaml");
  writeFileSync(
    config,
    [
      JSON.stringify(kwokOptions),
      JSON.stringify(podDelete),
      ...files.map((file) => readFileSync(join(stages, file), "utf8")),
      ...(options.resources ?? []),
    ].join("\n---\n"),
  );
  // It plays kubelets: admission policies know those by their group.
  const user = await plane.addUser("kwok", ["system:masters", "system:nodes"]);
  // The API server asks kwok for logs at this port, as it asks a kubelet.
  const [port = 0] = await freePorts(1);
  const process = plane.state.start("kwok", [
    kwok,
    `--kubeconfig=${user.kubeconfigPath}`,
    `--config=${config}`,
    "--manage-all-nodes=false",
    `--manage-nodes-with-annotation-selector=${fakeAnnotation}=fake`,
    "--node-ip=127.0.0.1",
    `--node-port=${port}`,
    `--server-address=127.0.0.1:${port}`,
    `--tls-cert-file=${plane.state.path("pki", "apiserver.crt")}`,
    `--tls-private-key-file=${plane.state.path("pki", "apiserver.key")}`,
  ]);

  return {
    process,
    createNodes: (count, options = {}) => createNodes(plane, process, count, options),
    createPods: (count, options) => createPods(plane, process, count, options),
  };
}

async function createNodes(
  plane: ControlPlane,
  kwok: RunningProcess,
  count: number,
  options: FakeNodeOptions,
): Promise<string[]> {
  const { prefix = "fake", kernelVersion = "5.14.0-427.el9.x86_64" } = options;
  const names = Array.from({ length: count }, (_, index) => `${prefix}-${index}`);
  const resources = { cpu: "64", memory: "256Gi", pods: "250", ...options.allocatable };
  await Promise.all(
    names.map((name) =>
      plane.request("POST", "/api/v1/nodes", {
        body: {
          metadata: {
            name,
            annotations: { [fakeAnnotation]: "fake" },
            labels: { "kubernetes.io/hostname": name, "kubernetes.io/os": "linux", ...options.labels },
          },
          status: {
            allocatable: resources,
            capacity: resources,
            nodeInfo: { kernelVersion, bootID: crypto.randomUUID(), architecture: "amd64", operatingSystem: "linux" },
          },
        },
      }),
    ),
  );
  const wanted = new Set(names);
  await poll(
    async () => {
      if (!kwok.alive()) return true;
      const list = await plane.request<NodeList>("GET", "/api/v1/nodes?resourceVersion=0");
      const ready = list.items.filter(
        (node) =>
          wanted.has(node.metadata.name) &&
          node.status.conditions?.some(({ type, status }) => type === "Ready" && status === "True") === true &&
          // The controller manager removes this taint a moment after the node is Ready.
          node.spec?.taints === undefined,
      );
      return ready.length === count;
    },
    { what: `Readiness of ${count} fake nodes`, timeoutMs: 120_000, intervalMs: 200 },
  );
  if (!kwok.alive()) throw new Error(`kwok exited: ${kwok.logTail()}`);
  return names;
}

async function createPods(
  plane: ControlPlane,
  kwok: RunningProcess,
  count: number,
  options: FakePodOptions,
): Promise<string[]> {
  const { namespace, prefix = "fake", nodes } = options;
  const path = `/api/v1/namespaces/${namespace}/pods`;
  const names = Array.from({ length: count }, (_, index) => `${prefix}-${index}`);
  await Promise.all(
    names.map((name, index) =>
      plane.request("POST", path, {
        body: {
          metadata: { name, labels: options.labels ?? {} },
          spec: {
            nodeName: nodes[index % nodes.length],
            // Good for every namespace, whatever level of Pod Security it enforces.
            securityContext: { runAsNonRoot: true, seccompProfile: { type: "RuntimeDefault" } },
            containers: [
              {
                name: "main",
                image: "example.com/fake:1",
                securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] } },
                ...(options.limits === undefined ? {} : { resources: { limits: options.limits } }),
              },
            ],
          },
        },
      }),
    ),
  );
  await poll(
    async () => {
      if (!kwok.alive()) return true;
      // Lists only the pods that do not run yet, because a list of thousands would be much work for the API server.
      const rest = await plane.request<{ items: unknown[] }>("GET", `${path}?fieldSelector=status.phase!=Running`);
      return rest.items.length === 0;
    },
    { what: `Start of ${count} fake pods`, timeoutMs: 300_000, intervalMs: 500 },
  );
  if (!kwok.alive()) throw new Error(`kwok exited: ${kwok.logTail()}`);
  return names;
}

interface NodeList {
  readonly items: {
    readonly metadata: { readonly name: string };
    readonly spec?: { readonly taints?: unknown };
    readonly status: { readonly conditions?: { readonly type: string; readonly status: string }[] };
  }[];
}
