import { mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sharedNodeCluster } from "../../testcluster/index.ts";
import type { NodeCluster } from "../../testcluster/index.ts";
import { builtExecutable } from "../../testcluster/lib/built.ts";
import { output, run, type CommandResult } from "../../testcluster/lib/command.ts";
import { poll } from "../../testcluster/lib/poll.ts";
import { tool } from "../../testcluster/tools/index.ts";

const OPERATOR = "/apis/apps/v1/namespaces/onload-operator-system/deployments/onload-operator-controller-manager";
const RESOURCE = "amd.com/onload";

/** A pod of a test, beyond its name. */
export interface PodOptions {
  /** How many amd.com/onload its container asks for. */
  devices?: number;
  command?: string[];
  annotations?: Record<string, string>;
  /** Default: the test application. */
  image?: string;
  env?: { name: string; value: string }[];
  /** Lets programs gain rights by their files' modes. */
  allowPrivilegeEscalation?: boolean;
  /** Bypasses the scheduler, as the original's readme does. */
  onNode?: boolean;
  /** false: the pod has a user namespace of its own. */
  hostUsers?: boolean;
  /** Default: its container is not started again. */
  restartPolicy?: "Always";
}

/** The operator in its pod on the real node, and an Onload resource in a namespace of its own. */
export class OnloadOnNode {
  readonly cluster: NodeCluster;
  readonly namespace: string;
  readonly app: string;
  readonly executable: string;

  private constructor(cluster: NodeCluster, namespace: string, app: string, executable: string) {
    this.cluster = cluster;
    this.namespace = namespace;
    this.app = app;
    this.executable = executable;
  }

  /** Installs the operator from its image and an Onload resource, and waits until the node offers devices. */
  static async install(version: string, maxPodsPerNode: number): Promise<OnloadOnNode> {
    const cluster = await sharedNodeCluster();
    const executable = await builtExecutable();
    const image = await cluster.images.onloadctl(executable);
    await cluster.images.onloadModule(version);
    const namespace = await cluster.plane.createNamespace("onload");
    const env = { KUBECONFIG: cluster.plane.kubeconfigPath };
    const manifests = await output([executable, "manifests", "install", `--image=${image}`], { env });
    const onload = new OnloadOnNode(cluster, namespace, await cluster.images.app(), executable);
    await cluster.plane.apply(manifests);
    await poll(async () => (await cluster.plane.request("GET", OPERATOR)).status?.availableReplicas > 0, {
      what: "Availability of the operator",
      timeoutMs: 120_000,
    });
    await cluster.plane.request("PATCH", onload.#nodePath, {
      body: { metadata: { labels: { "onload-test": namespace } } },
      contentType: "merge",
    });
    await cluster.plane.apply(
      JSON.stringify({ apiVersion: "v1", kind: "ServiceAccount", metadata: { name: "onload", namespace } }),
    );
    await onload.apply(version, await cluster.images.onloadUser(version), maxPodsPerNode);
    await onload.waitForAllocatable(maxPodsPerNode);
    return onload;
  }

  /** Applies the Onload resource. */
  async apply(version: string, userImage: string, maxPodsPerNode: number, controlPlane?: object): Promise<void> {
    const kernelModuleImage = `${this.cluster.node.registry}/onload-module:${version}-\${KERNEL_FULL_VERSION}`;
    await this.cluster.plane.apply(
      JSON.stringify({
        apiVersion: "onload.amd.com/v1alpha1",
        kind: "Onload",
        metadata: { name: "onload", namespace: this.namespace },
        spec: {
          selector: { "onload-test": this.namespace },
          serviceAccountName: "onload",
          onload: { version, userImage, kernelMappings: [{ regexp: "^.*$", kernelModuleImage }], controlPlane },
          devicePlugin: { maxPodsPerNode, stackMetrics: true },
        },
      }),
    );
  }

  /** Problems in the status of the Onload resource. */
  async problems(): Promise<{ reason: string; message: string }[]> {
    const path = `/apis/onload.amd.com/v1alpha1/namespaces/${this.namespace}/onloads/onload`;
    return (await this.cluster.plane.request("GET", path)).status?.problems ?? [];
  }

  /** Deletes the Onload resource and waits until the operator has cleaned the node. */
  async delete(): Promise<void> {
    const which = ["-n", this.namespace, "onload", "--ignore-not-found", "--timeout=120s"];
    await this.cluster.plane.kubectl(["delete", "onload", ...which]);
  }

  /** Removes the Onload resource, the operator and everything else, as a person does. */
  async uninstall(): Promise<void> {
    const { plane } = this.cluster;
    const env = { KUBECONFIG: plane.kubeconfigPath };
    await output([this.executable, "uninstall", "--yes", "--crd", "--timeout=2m"], { env });
    await plane.kubectl(["delete", "namespace", this.namespace, "--wait=false"]);
    await plane.request("PATCH", this.#nodePath, {
      body: { metadata: { labels: { "onload-test": null } } },
      contentType: "merge",
    });
  }

  /** Runs our own executable as the administrator. */
  async onloadctl(...args: string[]): Promise<CommandResult> {
    return await run([this.executable, ...args], { env: this.environment, allowFailure: true });
  }

  /** The environment of our own executable. */
  get environment(): Record<string, string> {
    return { KUBECONFIG: this.cluster.plane.kubeconfigPath, NO_COLOR: "1" };
  }

  get #nodePath(): string {
    return `/api/v1/nodes/${this.cluster.node.name}`;
  }

  /** Capacity and allocatable of amd.com/onload, as the node's status has them; 0 if it has none. */
  async resource(): Promise<{ capacity: number; allocatable: number }> {
    const { status } = await this.cluster.plane.request("GET", this.#nodePath);
    return { capacity: Number(status.capacity[RESOURCE] ?? 0), allocatable: Number(status.allocatable[RESOURCE] ?? 0) };
  }

  /** Waits until the node's status has that many allocatable devices. */
  async waitForAllocatable(count: number): Promise<void> {
    await poll(async () => (await this.resource()).allocatable === count, {
      what: `${count} allocatable ${RESOURCE}`,
      timeoutMs: 120_000,
      intervalMs: 100,
    });
  }

  /** The line of `kubectl describe node` with the resource in one of its sections. */
  async describeNode(section: "Capacity" | "Allocatable" | "Allocated resources"): Promise<string> {
    const text = await this.cluster.plane.kubectl(["describe", "node", this.cluster.node.name]);
    const start = text.indexOf(`\n${section}:`);
    return /\n\s+amd\.com\/onload:?\s+(.*)/.exec(text.slice(start))?.[1]?.trim() ?? "";
  }

  /** Starts a pod of the test application under the restricted policy; see internal/testcluster/images/app. */
  async startPod(name: string, options: PodOptions = {}): Promise<void> {
    const { annotations = {}, onNode = false, hostUsers, restartPolicy = "Never" } = options;
    const node = onNode ? { nodeName: this.cluster.node.name } : {};
    await this.cluster.plane.request("POST", `/api/v1/namespaces/${this.namespace}/pods`, {
      body: {
        metadata: { name, annotations, labels: { test: "app" } },
        spec: {
          ...this.#podSpec(options),
          restartPolicy,
          ...node,
          ...(hostUsers === false ? { hostUsers } : {}),
        },
      },
    });
  }

  /** Applies a Deployment of one pod of the test application, and waits until its rollout is done. */
  async deploy(name: string, options: PodOptions, spec: object = {}): Promise<void> {
    const labels = { test: "app", app: name };
    const template = { metadata: { labels }, spec: this.#podSpec(options) };
    const metadata = { name, namespace: this.namespace };
    await this.cluster.plane.apply(
      JSON.stringify({
        apiVersion: "apps/v1",
        kind: "Deployment",
        metadata,
        spec: { replicas: 1, selector: { matchLabels: labels }, template, ...spec },
      }),
    );
    await this.rolledOut(name);
  }

  /** Waits until the rollout of a Deployment is done. */
  async rolledOut(name: string): Promise<void> {
    const which = [`deployment/${name}`, "-n", this.namespace];
    await this.cluster.plane.kubectl(["rollout", "status", ...which, "--timeout=90s"]);
  }

  #podSpec({ devices = 1, command = ["/test", "--stay"], ...options }: PodOptions): object {
    const { image = this.app, env = [], allowPrivilegeEscalation = false } = options;
    return {
      terminationGracePeriodSeconds: 1,
      securityContext: { runAsNonRoot: true, seccompProfile: { type: "RuntimeDefault" } },
      containers: [
        {
          name: "test",
          image,
          command,
          env,
          resources: { limits: { [RESOURCE]: devices } },
          securityContext: { allowPrivilegeEscalation, capabilities: { drop: ["ALL"] } },
        },
      ],
    };
  }

  /** Waits for a phase of a pod, and returns the pod. */
  // oxlint-disable-next-line typescript/no-explicit-any -- the shape of a pod
  async waitForPod(name: string, phase: string, timeoutMs = 60_000): Promise<any> {
    return await poll(
      async () => {
        const pod = await this.cluster.plane.request("GET", `/api/v1/namespaces/${this.namespace}/pods/${name}`);
        return pod.status.phase === phase ? pod : undefined;
      },
      { what: `Pod ${name} in phase ${phase}`, timeoutMs },
    );
  }

  /** Deletes pods of the test application and waits until they are gone. */
  async deletePods(...names: string[]): Promise<void> {
    const which = names.length > 0 ? names : ["--selector=test=app"];
    await this.cluster.plane.kubectl(["delete", "pod", "-n", this.namespace, ...which, "--timeout=180s"]);
  }

  /** The device plugin's pod that is not being deleted. */
  // oxlint-disable-next-line typescript/no-explicit-any -- the shape of a pod
  async pluginPod(): Promise<any> {
    const selector = encodeURIComponent("app.kubernetes.io/component=device-plugin");
    const path = `/api/v1/namespaces/${this.namespace}/pods?labelSelector=${selector}`;
    return await poll(
      async () => {
        const { items } = await this.cluster.plane.request("GET", path);
        // oxlint-disable-next-line typescript/no-explicit-any -- the shape of a pod
        return items.find((pod: any) => pod.metadata.deletionTimestamp === undefined);
      },
      { what: "The device plugin's pod" },
    );
  }

  /** Waits until a plugin in another container than before is ready: the kubelet listens to it. */
  async waitForPlugin(before: string): Promise<void> {
    await poll(
      async () => {
        const statuses: { name: string; ready: boolean; containerID?: string }[] =
          (await this.pluginPod()).status.containerStatuses ?? [];
        const plugin = statuses.find(({ name }) => name === "device-plugin");
        return plugin?.ready && plugin.containerID !== before;
      },
      { what: "A new plugin's readiness", timeoutMs: 90_000 },
    );
  }

  /**
   * Waits until the plugin has sent its devices to the kubelet since a time, in milliseconds since 1970. What the Node object
   * says may be from before, and a pod that comes sooner is refused by a kubelet that knows no devices yet.
   */
  async waitForList(since: number): Promise<void> {
    const series = /^onload_deviceplugin_last_list_and_watch_timestamp_seconds (\S+)$/m;
    await poll(async () => Number(series.exec(await this.served("/metrics"))?.[1]) * 1000 > since, {
      what: "A list of devices for the kubelet",
      timeoutMs: 90_000,
    });
  }

  /** Kills the process of a container of the plugin's pod with signal 9, from the node. */
  async killContainer(name: string): Promise<void> {
    await this.cluster.node.exec(["kill", "-9", await this.containerPid(name)]);
  }

  /** The process of a container of the plugin's pod, as the node numbers it. */
  async containerPid(name: string): Promise<string> {
    return String((await this.inspect(await this.containerId(name))).pid);
  }

  /**
   * What the container runtime has made of a container: its process, and the specification that it was started by.
   *
   * @param id RUNTIME://ID
   */
  // oxlint-disable-next-line typescript/no-explicit-any -- the runtime specification
  async inspect(id: string): Promise<{ pid: number; runtimeSpec: any }> {
    const command = ["crictl", "inspect", "--output=json", id.slice("containerd://".length)];
    return JSON.parse((await this.cluster.node.exec(command)).stdout).info;
  }

  /** The id of a container of the plugin's pod, RUNTIME://ID. */
  async containerId(name: string): Promise<string> {
    const pod = await this.pluginPod();
    // oxlint-disable-next-line typescript/no-explicit-any -- the shape of a pod
    return pod.status.containerStatuses.find((status: any) => status.name === name)?.containerID ?? "";
  }

  /** The image of a container of the plugin's pod. */
  async imageOf(name: string): Promise<string> {
    const { spec } = await this.pluginPod();
    return spec.containers.find((container: { name: string }) => container.name === name).image;
  }

  /** The folder of Onload's files on the node that new containers get. */
  async currentFolder(): Promise<string> {
    return (await this.cluster.node.exec(["readlink", "-f", "/opt/onload/current"])).stdout.trim();
  }

  /**
   * Runs a command line as a person would, with our program and kubectl in the PATH.
   *
   * @returns what it prints; throws if it ends with an error
   */
  async shell(line: string): Promise<string> {
    const folder = await mkdtemp(join(tmpdir(), "onloadctl-path-"));
    try {
      await symlink(this.executable, join(folder, "onloadctl"));
      await symlink(await tool("kubectl"), join(folder, "kubectl"));
      const env = { ...this.environment, PATH: `${folder}:${process.env["PATH"]}` };
      return await output(["bash", "-euc", line], { env });
    } finally {
      await rm(folder, { recursive: true });
    }
  }

  /**
   * Shows the container onload-worker other descriptors of a pod's process than it has: links as Onload's driver makes them,
   * which a kernel without it does not. Everything else that it sees of the process is real.
   *
   * @param links from descriptor 0 on
   */
  async showDescriptors(podName: string, links: readonly string[]): Promise<void> {
    const pod = await this.waitForPod(podName, "Running");
    const { pid } = await this.inspect(pod.status.containerStatuses[0].containerID);
    const worker = await this.containerPid("onload-worker");
    const folder = `/fd-${pid}`;
    const inside = `/proc/${worker}/root`;
    await this.cluster.node.exec([
      "sh",
      "-euc",
      `if [ ! -d ${inside}${folder} ]; then
        mkdir ${inside}${folder}
        cp /bin/busybox ${inside}/busybox
        nsenter --target ${worker} --mount /busybox mount -o bind ${folder} /proc/${pid}/fd
      fi
      rm -f ${inside}${folder}/*
      ${links.map((link, number) => `ln -s '${link}' ${inside}${folder}/${number}`).join("\n")}`,
    ]);
  }

  /** What the device plugin serves at a path of its port for metrics. */
  async served(path: string): Promise<string> {
    const { hostIP } = (await this.pluginPod()).status;
    const response = await fetch(`http://${hostIP}:9470${path}`);
    return await response.text();
  }

  /** Digest of the library as a process of the pod sees it, by the mount in its own root folder. */
  async libraryInside(podName: string): Promise<{ sha256: string; inode: string }> {
    const pod = await this.waitForPod(podName, "Running");
    const id = pod.status.containerStatuses[0].containerID.slice("containerd://".length);
    const { node } = this.cluster;
    const { stdout } = await node.exec(["crictl", "inspect", "--output=go-template", "--template={{.info.pid}}", id]);
    const path = `/proc/${stdout.trim()}/root/opt/onload/usr/lib64/libonload.so`;
    const sum = (await node.exec(["sha256sum", path])).stdout.split(" ")[0]!;
    return { sha256: sum, inode: (await node.exec(["stat", "-c", "%d:%i", path])).stdout.trim() };
  }
}
