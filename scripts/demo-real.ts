import { parse } from "yaml";
import { startNodeCluster } from "../internal/testcluster/index.ts";
import type { NodeCluster } from "../internal/testcluster/index.ts";
import { output } from "../internal/testcluster/lib/command.ts";
import { poll } from "../internal/testcluster/lib/poll.ts";
import { progress } from "../internal/testcluster/lib/progress.ts";
import { showUpgrade } from "./demo-upgrade.ts";
import { Watcher } from "./demo-watch.ts";

/** What the demo leaves running. */
export interface Shown {
  readonly kubeconfigPath: string;
  /** Commands that show more. */
  readonly commands: readonly string[];
  /** What could not be shown here, if anything. */
  readonly leftOut?: string;
  stop(): Promise<void>;
}

const version = "9.2.0";
const operatorNamespace = "onload-operator-system";

/** Goes from nothing to a pod that has Onload on a real node, and on to the next version. Throws if any step fails. */
export async function showOnRealNode(executable: string, signal: AbortSignal): Promise<Shown> {
  const cluster = await startNodeCluster({
    kmm: true,
    labels: { "node-role.kubernetes.io/worker": "" },
    signal,
    progress,
  });
  try {
    progress("Simulated here: modprobe, the device files, the NIC, and Onload's own files. Everything else is real.");
    progress("KMM's operator runs beside this cluster, not in it: onloadctl check cannot find its Deployment.");
    progress(`Node ${cluster.node.name} is Ready:`);
    console.log(await cluster.plane.kubectl(["get", "nodes", "-o", "wide"]));
    const operatorImage = await buildImages(cluster, executable);
    await installOperator(cluster, executable, operatorImage, signal);
    const sample = await applySample(cluster, executable);
    const watcher = new Watcher(cluster.plane);
    await watcher.untilReady(signal);
    await showState(cluster);
    await runPod(cluster, signal);
    await showUpgrade(cluster, executable, sample, [version, "9.2.1"], watcher, signal);
  } catch (error) {
    if (!signal.aborted) await showDiagnostics(cluster);
    await cluster.stop();
    throw error;
  }
  return {
    kubeconfigPath: cluster.plane.kubeconfigPath,
    commands: [
      "onloadctl status --watch",
      "onloadctl doctor",
      "onloadctl plan --delete",
      "kubectl logs deployment/trader          # a pod that uses Onload; delete it, evict it, scale it",
      "kubectl get onload -n onload-runtime onload -o wide",
      "kubectl get modules,daemonsets,pods -n onload-runtime",
      "kubectl events -n onload-runtime",
      `kubectl logs -n ${operatorNamespace} deployment/onload-operator-controller-manager`,
      `kubectl describe node ${cluster.node.name}`,
    ],
    stop: () => cluster.stop(),
  };
}

async function buildImages({ images, node }: NodeCluster, executable: string): Promise<string> {
  progress(
    `onloadctl build-images all --onload=TREE --registry=${node.registry} --push, of a simulated source tree of Onload:`,
  );
  const snippet = await images.onload(executable, version);
  console.log(snippet);
  progress(`The application's image: ${await images.app()}`);
  const { spec } = parse(snippet) as { spec: { devicePlugin: { devicePluginImage: string } } };
  return spec.devicePlugin.devicePluginImage;
}

async function installOperator(
  { plane }: NodeCluster,
  executable: string,
  image: string,
  signal: AbortSignal,
): Promise<void> {
  progress(`onloadctl manifests install --image=${image} | kubectl apply --server-side -f -`);
  const install = [executable, "manifests", "install", `--image=${image}`, `--kubeconfig=${plane.kubeconfigPath}`];
  await plane.apply(await output(install));
  const path = `/apis/apps/v1/namespaces/${operatorNamespace}/deployments/onload-operator-controller-manager`;
  await poll(async () => (await plane.request("GET", path)).status?.availableReplicas > 0, {
    what: "Availability of the operator's Deployment",
    timeoutMs: 120_000,
    signal,
  });
  progress("The operator runs in its pod:");
  console.log(await plane.kubectl(["get", "pods", "-n", operatorNamespace, "-o", "wide"]));
}

/** Applies the sample with this cluster's registry, and with a regular expression that fits any kernel. */
async function applySample({ plane, node }: NodeCluster, executable: string): Promise<string> {
  progress("onloadctl manifests sample namespace | kubectl apply --server-side -f -");
  await plane.apply(await output([executable, "manifests", "sample", "namespace"]));
  const sample = await output([executable, "manifests", "sample", "onload"]);
  const adapted = sample
    .replaceAll("registry.example.com", node.registry)
    .replaceAll(/regexp: .*/g, () => "regexp: '^.*$'");
  progress(`onloadctl manifests sample, with registry ${node.registry}, any kernel | kubectl apply --server-side -f -`);
  await plane.apply(adapted);
  return adapted;
}

async function showState({ plane, node }: NodeCluster): Promise<void> {
  progress("Onload is Ready:");
  console.log(await plane.kubectl(["get", "onload", "-A"]));
  console.log(await plane.kubectl(["get", "modules,daemonsets,pods", "-n", "onload-runtime"]));
  const { metadata, status } = await plane.request("GET", `/api/v1/nodes/${node.name}`);
  console.log(`\nLabels of node ${node.name}:`);
  for (const [key, value] of Object.entries(metadata.labels as Record<string, string>)) {
    if (/onload|kmm/.test(key)) console.log(`  ${key}=${value}`);
  }
  console.log(`Allocatable amd.com/onload: ${status.allocatable["amd.com/onload"]}`);
}

/** The pod of the original's readme, with this cluster's image and a macvlan network behind its annotation. */
async function runPod({ plane, node }: NodeCluster, signal: AbortSignal): Promise<void> {
  const network = {
    cniVersion: "0.3.1",
    type: "macvlan",
    master: "eth0",
    mode: "bridge",
    ipam: { type: "static", addresses: [{ address: "192.0.2.10/24" }] },
  };
  const pod = {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "test", namespace: "default", annotations: { "k8s.v1.cni.cncf.io/networks": "ipvlan-sf0" } },
    spec: {
      restartPolicy: "Never",
      securityContext: { runAsNonRoot: true, seccompProfile: { type: "RuntimeDefault" } },
      containers: [
        {
          name: "test",
          image: `${node.registry}/test:latest`,
          imagePullPolicy: "Always",
          command: ["/test"],
          resources: { limits: { "amd.com/onload": 1 } },
          securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] } },
        },
      ],
      nodeName: node.name,
    },
  };
  const attachment = {
    apiVersion: "k8s.cni.cncf.io/v1",
    kind: "NetworkAttachmentDefinition",
    metadata: { name: "ipvlan-sf0", namespace: "default" },
    spec: { config: JSON.stringify(network) },
  };
  progress("Running the application's pod, which asks for amd.com/onload: 1");
  await plane.apply(JSON.stringify({ apiVersion: "v1", kind: "List", items: [attachment, pod] }));
  const phase = await poll(
    async () => {
      const { status } = await plane.request("GET", "/api/v1/namespaces/default/pods/test");
      return ["Succeeded", "Failed"].includes(status.phase) ? (status.phase as string) : undefined;
    },
    { what: "End of pod test", timeoutMs: 60_000, signal },
  );
  console.log("\nWhat the pod sees:");
  for (const line of (await plane.kubectl(["logs", "test"])).split("\n")) console.log(`  ${line}`);
  // Its program exits with 0 only if the environment, every device file and the library are there.
  if (phase !== "Succeeded") throw new Error("the pod does not have all of Onload; see above");
  const { metadata } = await plane.request("GET", "/api/v1/namespaces/default/pods/test");
  const networks = JSON.parse(metadata.annotations["k8s.v1.cni.cncf.io/network-status"] ?? "[]") as { name: string }[];
  console.log(`  networks: ${networks.map(({ name }) => name).join(", ")}`);
  if (!networks.some(({ name }) => name.includes("ipvlan-sf0")))
    throw new Error("the pod lacks the network ipvlan-sf0");
}

/** What a reader needs if the demo fails. */
async function showDiagnostics({ plane }: NodeCluster): Promise<void> {
  for (const args of [
    ["get", "pods", "-A", "-o", "wide"],
    ["get", "onload", "-A", "-o", "yaml"],
    ["get", "events", "-A", "--sort-by=.lastTimestamp"],
    ["logs", "-n", operatorNamespace, "deployment/onload-operator-controller-manager", "--tail=50"],
  ]) {
    console.error(`$ kubectl ${args.join(" ")}`);
    console.error(await plane.kubectl(args).catch((error: Error) => error.message));
  }
}
