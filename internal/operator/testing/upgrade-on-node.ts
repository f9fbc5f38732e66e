/**
 * The operator in its pod on a real node, with KMM 1.1.0 and one Onload resource, and a Deployment whose pod holds
 * amd.com/onload. Stand-ins are only modprobe, the device files, the NIC and Onload's own files.
 */
import { sharedNodeCluster, type AuditEvent, type NodeCluster } from "../../testcluster/index.ts";
import { builtExecutable } from "../../testcluster/lib/built.ts";
import { output } from "../../testcluster/lib/command.ts";
import { poll } from "../../testcluster/lib/poll.ts";
import type { Node } from "../../api/core.ts";
import { ONLOAD_RESOURCE } from "../../api/names.ts";
import type { Onload, OnloadSpecInput } from "../../api/onload.ts";
import type { Client } from "../../kube/client.ts";
import { connect } from "../../kube/connect.ts";
import { ONLOADS } from "../../api/resources.ts";
import { NODES } from "../../kube/resource.ts";
import { Trader } from "./trader.ts";

export const OPERATOR_NAMESPACE = "onload-operator-system";
const OPERATOR = "onload-operator-controller-manager";
const DEPLOYMENT = `/apis/apps/v1/namespaces/${OPERATOR_NAMESPACE}/deployments/${OPERATOR}`;
/** The Onload resource's name. */
const NAME = "onload";
/** Long, because tests share a small machine; nothing waits for it that goes well. */
export const PATIENCE_MS = 150_000;

export class UpgradeOnNode {
  readonly cluster: NodeCluster;
  readonly client: Client;
  readonly key: { namespace: string; name: string };
  readonly trader: Trader;
  readonly operatorImage: string;
  readonly #executable: string;

  private constructor(cluster: NodeCluster, client: Client, namespace: string, trader: Trader, program: string[]) {
    this.cluster = cluster;
    this.client = client;
    this.key = { namespace, name: NAME };
    this.trader = trader;
    [this.operatorImage = "", this.#executable = ""] = program;
  }

  /** Installs the operator and the images of `versions`; the first one is rolled out, and the Deployment's pod runs. */
  static async install(versions: readonly [string, ...string[]]): Promise<UpgradeOnNode> {
    const cluster = await sharedNodeCluster();
    const { images, plane, node } = cluster;
    const executable = await builtExecutable();
    const image = await images.onloadctl(executable);
    const env = { KUBECONFIG: plane.kubeconfigPath };
    const manifests = await output([executable, "manifests", "install", `--image=${image}`], { env });
    const namespace = await plane.createNamespace("up");
    const client = await connect({ kubeconfig: plane.kubeconfigPath });
    const trader = new Trader(cluster, namespace, await images.app());
    const onNode = new UpgradeOnNode(cluster, client, namespace, trader, [image, executable]);
    // Another test file may have removed an operator of its own a moment ago.
    await poll(
      async () =>
        !(await plane.kubectl(["get", "namespace", "-o", "name"])).includes(`namespace/${OPERATOR_NAMESPACE}`),
      { what: "The end of a former operator's namespace", timeoutMs: PATIENCE_MS },
    );
    await plane.apply(manifests);
    for (const version of versions) await onNode.buildImages(version);
    await onNode.operatorAvailable();
    await plane.kubectl(["create", "serviceaccount", "-n", namespace, "onload"]);
    await plane.kubectl(["label", "node", node.name, `onload-test=${namespace}`]);
    await onNode.apply(versions[0]);
    await onNode.ready(versions[0]);
    await trader.deploy();
    await trader.runsWith(versions[0]);
    return onNode;
  }

  /** Builds the stand-ins for the module image and the user image of a version. */
  async buildImages(version: string): Promise<void> {
    await this.cluster.images.onloadModule(version);
    await this.cluster.images.onloadUser(version);
  }

  /** Waits until the operator's Deployment is available. */
  async operatorAvailable(): Promise<void> {
    await poll(async () => (await this.cluster.plane.request("GET", DEPLOYMENT)).status?.availableReplicas > 0, {
      what: "Availability of the operator",
      timeoutMs: PATIENCE_MS,
    });
  }

  /** Sets how many pods of the operator run, and waits for the last one's end if that is none. */
  async scaleOperator(replicas: number): Promise<void> {
    const { plane } = this.cluster;
    await plane.kubectl(["scale", "-n", OPERATOR_NAMESPACE, `deployment/${OPERATOR}`, `--replicas=${replicas}`]);
    if (replicas > 0) return this.operatorAvailable();
    await poll(async () => (await plane.kubectl(["get", "pods", "-n", OPERATOR_NAMESPACE, "-o", "name"])) === "", {
      what: "The end of the operator's pod",
      timeoutMs: PATIENCE_MS,
    });
  }

  /** Kills the operator's process in its pod with signal 9, from the node; gives the container's id. */
  async killOperator(): Promise<string> {
    const { node } = this.cluster;
    const inspect = async (what: string, id: string, template: string): Promise<string> =>
      (await node.exec(["crictl", what, "--output=go-template", `--template=${template}`, id])).stdout.trim();
    const id = (await node.exec(["crictl", "ps", "--name=^manager$", "--quiet"])).stdout.trim().split("\n")[0]!;
    await node.exec(["kill", "-9", await inspect("inspect", id, "{{.info.pid}}")]);
    return id;
  }

  /** Applies the Onload resource as a person would who edits the version and how to upgrade. */
  async apply(
    version: string,
    upgrade: OnloadSpecInput["upgrade"] = {},
    imagePullPolicy: "Always" | "IfNotPresent" = "IfNotPresent",
  ): Promise<void> {
    const { registry } = this.cluster.node;
    const kernelModuleImage = `${registry}/onload-module:${version}-\${KERNEL_FULL_VERSION}`;
    const spec: OnloadSpecInput = {
      selector: { "onload-test": this.key.namespace },
      serviceAccountName: "onload",
      onload: {
        version,
        imagePullPolicy,
        userImage: `${registry}/onload-user:${version}`,
        kernelMappings: [{ regexp: "^.*$", kernelModuleImage }],
      },
      upgrade,
    };
    const body = { apiVersion: "onload.amd.com/v1alpha1", kind: "Onload", metadata: this.key, spec };
    await this.cluster.plane.apply(JSON.stringify(body));
  }

  async onload(): Promise<Onload> {
    return (await this.client.get<Onload>(ONLOADS, this.key))!;
  }

  /**
   * Waits until the status speaks of the present spec and fits; gives the resource.
   *
   * @param fits whether it does; conditions are given as `TYPE=STATUS REASON`
   */
  async statusThat(what: string, fits: (onload: Onload, conditions: string[]) => boolean | undefined): Promise<Onload> {
    return poll(
      async () => {
        const onload = await this.onload();
        const { conditions = [], observedGeneration } = onload.status ?? {};
        const texts = conditions.map(({ type, status, reason }) => `${type}=${status} ${reason}`);
        if (observedGeneration === onload.metadata.generation && fits(onload, texts)) return onload;
        throw new Error(JSON.stringify(onload.status));
      },
      { what, timeoutMs: PATIENCE_MS, intervalMs: 100 },
    );
  }

  /** Waits until the node is done with a version. */
  async ready(version: string): Promise<Onload> {
    return this.statusThat(
      `Readiness of ${version}`,
      ({ status }, conditions) => status?.version === version && conditions.includes("Ready=True AllNodesReady"),
    );
  }

  /** Waits until the operator has taken a step on the node last. */
  async stepTaken(step: string): Promise<void> {
    await poll(async () => (await this.lastStep()).startsWith(`${step} `), {
      what: `Step ${step}`,
      timeoutMs: PATIENCE_MS,
      intervalMs: 25,
    });
  }

  /** The node annotation with the last step. */
  async lastStep(): Promise<string> {
    const { annotations = {} } = (await this.node()).metadata;
    return Object.entries(annotations).find(([key]) => key.endsWith(`${this.key.namespace}.${NAME}.step`))?.[1] ?? "";
  }

  async node(): Promise<Node> {
    return (await this.client.get<Node>(NODES, { name: this.cluster.node.name }))!;
  }

  async allocatable(): Promise<number> {
    return Number((await this.node()).status?.allocatable?.[ONLOAD_RESOURCE] ?? 0);
  }

  /** Events about the resource, as `REASON NOTE`, oldest first. */
  async events(): Promise<string[]> {
    const path = `/apis/events.k8s.io/v1/namespaces/${this.key.namespace}/events`;
    const { items } = await this.cluster.plane.request<{
      items: { reason: string; note: string; eventTime: string; regarding: { kind: string } }[];
    }>("GET", path);
    return items
      .filter(({ regarding }) => regarding.kind === "Onload")
      .sort((a, b) => (a.eventTime ?? "").localeCompare(b.eventTime ?? ""))
      .map(({ reason, note }) => `${reason} ${note}`);
  }

  /** A kubeconfig by which a process outside the cluster is the operator. */
  operatorKubeconfig(): Promise<string> {
    return this.cluster.plane.serviceAccountKubeconfig(OPERATOR_NAMESPACE, OPERATOR);
  }

  /** What the operator in its pod has asked of the API server, so far. */
  requests(): AuditEvent[] {
    return this.cluster.plane.auditEvents(`system:serviceaccount:${OPERATOR_NAMESPACE}:${OPERATOR}`);
  }

  /** Removes everything as a person does, who is told when the node is clean. */
  async uninstall(): Promise<void> {
    const { plane, node } = this.cluster;
    await this.trader.remove();
    const env = { KUBECONFIG: plane.kubeconfigPath };
    await output([this.#executable, "uninstall", "--yes", "--crd", "--timeout=2m"], { env });
    await plane.kubectl(["delete", "namespace", this.key.namespace, "--wait=false"]);
    await plane.kubectl(["label", "node", node.name, "onload-test-"]);
    this.client.transport.close();
  }
}
