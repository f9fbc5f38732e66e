import { existsSync, mkdirSync } from "node:fs";
import { basename, join } from "node:path";
import { run } from "../../lib/command.ts";
import type { CommandOptions, CommandResult } from "../../lib/command.ts";
import { requirePackages } from "../../lib/debian.ts";
import type { DebianPackage } from "../../lib/debian.ts";
import { poll } from "../../lib/poll.ts";
import { RunState } from "../../lib/run-state.ts";
import type { RunningProcess } from "../../lib/run-state.ts";
import { tool } from "../../tools/index.ts";
import { startControlPlane } from "../control-plane.ts";
import type { ControlPlane } from "../control-plane.ts";
import { infrastructureGroup } from "../cluster.ts";
import { installCrds } from "../crds.ts";
import { ImageBuilder } from "../images.ts";
import { startKmm } from "../kmm.ts";
import { writeNodeFiles } from "./files.ts";
import { createNetwork } from "./network.ts";
import type { NodeNetwork } from "./network.ts";
import { addStandInNic } from "./stand-ins.ts";
import { startRegistry } from "./registry.ts";

const packages: readonly DebianPackage[] = [
  "openssl",
  "containerd",
  "runc",
  "containernetworking-plugins",
  "iptables",
  "iproute2",
  "busybox-static",
  "buildah",
  "docker-registry",
  "gcc",
  "libc6-dev",
];

/** What the cluster with a real node has beyond it. */
export interface NodeClusterOptions {
  readonly signal?: AbortSignal;
  /** Starts KMM 1.1.0's manager; else only its CRDs are installed. */
  readonly kmm?: boolean;
  /** Labels of the node. */
  readonly labels?: Readonly<Record<string, string>>;
  /** Told what is going on, a line at a time. */
  readonly progress?: (text: string) => void;
}

/** A control plane and one real node. */
export interface NodeCluster extends AsyncDisposable {
  readonly plane: ControlPlane;
  readonly node: TestNode;
  /** Builds images and pushes them to the registry that the node pulls from. */
  readonly images: ImageBuilder;
  stop(): Promise<void>;
}

/** Says in one line why a real node cannot run here, or undefined where it can. */
export function whyNoNode(): string | undefined {
  if (process.platform !== "linux") return "a real node needs Linux";
  if (process.getuid?.() !== 0) return "a real node needs root";
  return undefined;
}

/**
 * Starts a control plane and a real node: containerd, kubelet, kube-proxy, Multus and an image registry. The node has
 * mount, network and process namespaces of its own; nothing of the host is touched. Returns when the node is Ready.
 */
export async function startNodeCluster(options: NodeClusterOptions = {}): Promise<NodeCluster> {
  const reason = whyNoNode();
  if (reason !== undefined) throw new Error(`Cannot start a node: ${reason}`);
  const tell = options.progress ?? (() => {});
  const signal = options.signal === undefined ? {} : { signal: options.signal };
  await requirePackages(packages);
  const programs = { crictl: await tool("crictl"), multus: await tool("multus") };
  await tool("kubelet");
  await tool("kube-proxy");

  const state = await RunState.create();
  try {
    tell("Making the node's network");
    const network = await createNetwork(state);
    tell("Starting the control plane");
    const plane = await startControlPlane({ ...signal, state, address: network.hostAddress });
    if (options.kmm === true) {
      tell("Starting KMM 1.1.0");
      await startKmm(plane, options.signal);
    } else {
      await installCrds(plane);
    }
    tell("Starting the image registry");
    const registry = await startRegistry(state, network.hostAddress);
    const images = new ImageBuilder(state, registry.address);
    const sandboxImage = await images.pause();
    tell("Starting containerd, kubelet and kube-proxy");
    const name = "compute-0";
    const kubelet = await plane.addUser(`system:node:${name}`, ["system:nodes"]);
    const proxy = await plane.addUser("system:kube-proxy", [infrastructureGroup]);
    const multus = await plane.addUser("multus", ["system:masters"]);
    const folder = state.path("node");
    mkdirSync(folder);
    const cgroup = `/onloadctl-${basename(state.folder)}`;
    state.recordCgroup(cgroup);
    writeNodeFiles(folder, {
      name,
      nodeAddress: network.nodeAddress,
      registry: registry.address,
      sandboxImage,
      caPath: plane.caPath,
      cgroup,
      kubeconfigs: { kubelet: kubelet.kubeconfigPath, proxy: proxy.kubeconfigPath, multus: multus.kubeconfigPath },
      programs,
    });
    addStandInNic(folder);
    const node = new TestNode(state, plane, network, name, registry.address, kubelet.kubeconfigPath);
    await node.boot(options.labels ?? {}, options.signal);
    const stop = (): Promise<void> => plane.stop();
    return { plane, node, images, stop, [Symbol.asyncDispose]: stop };
  } catch (error) {
    await state.stop();
    throw error;
  }
}

/** A real node in namespaces of its own. */
export class TestNode {
  readonly name: string;
  readonly network: NodeNetwork;
  /** HOST:PORT of the image registry, for pushes from the host and pulls by the node. */
  readonly registry: string;
  readonly #state: RunState;
  readonly #plane: ControlPlane;
  readonly #kubeconfig: string;
  readonly #services = new Map<string, RunningProcess>();
  #init: RunningProcess | undefined;

  constructor(
    state: RunState,
    plane: ControlPlane,
    network: NodeNetwork,
    name: string,
    registry: string,
    kubeconfig: string,
  ) {
    this.#state = state;
    this.#plane = plane;
    this.network = network;
    this.name = name;
    this.registry = registry;
    this.#kubeconfig = kubeconfig;
  }

  /** Starts everything on the node and waits until it is Ready. */
  async boot(labels: Readonly<Record<string, string>>, signal?: AbortSignal): Promise<void> {
    const folder = this.#state.path("node");
    this.#init = this.#state.start("node", [
      "nsenter",
      `--net=/run/netns/${this.network.namespace}`,
      "unshare",
      "--mount",
      "--pid",
      "--fork",
      // The node ends with this process, however it ends.
      "--kill-child=SIGKILL",
      "bash",
      join(import.meta.dir, "init.sh"),
      folder,
    ]);
    const init = this.#init;
    await poll(() => existsSync(join(folder, "ready")) || !init.alive(), {
      what: "Start of containerd",
      timeoutMs: 60_000,
      signal,
    });
    if (!init.alive()) throw new Error(`Cannot start the node: ${init.logTail()}`);
    await this.#startService("kube-proxy", [await tool("kube-proxy"), "--config=/etc/kubernetes/kube-proxy.yaml"]);
    await this.startKubelet();
    await this.waitReady(signal);
    // By the administrator, because a kubelet may not give itself every label.
    await this.#plane.request("PATCH", `/api/v1/nodes/${this.name}`, {
      body: { metadata: { labels } },
      contentType: "merge",
    });
  }

  /**
   * Runs a program on the node, in all its namespaces, and returns when it has ended.
   * Throws with the end of its standard error when it fails, unless allowFailure is given.
   */
  exec(command: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
    return run([...this.#enter(), ...command], options);
  }

  /** Starts the kubelet; returns at once. */
  async startKubelet(): Promise<void> {
    await this.#startService("kubelet", [
      await tool("kubelet"),
      "--config=/etc/kubernetes/kubelet.yaml",
      `--kubeconfig=${this.#kubeconfig}`,
      `--hostname-override=${this.name}`,
      `--node-ip=${this.network.nodeAddress}`,
    ]);
  }

  /** Ends the kubelet (SIGTERM by default); containers run on, as on any node. */
  async stopKubelet(signal: "TERM" | "KILL" = "TERM"): Promise<void> {
    await this.#endService("kubelet", signal);
  }

  /** Ends the kubelet, starts it again and waits until the API server has heard from it. */
  async restartKubelet(): Promise<void> {
    await this.stopKubelet();
    const before = Date.now();
    await this.startKubelet();
    await this.waitReady(undefined, before);
  }

  /** Waits until the node is Ready by a heartbeat later than the given time (milliseconds since 1970). */
  async waitReady(signal?: AbortSignal, since = 0): Promise<void> {
    let ended: RunningProcess | undefined;
    await poll(
      async () => {
        ended = [...this.#services.values()].find((service) => !service.alive());
        if (ended !== undefined) return true;
        const node = await this.#plane.request<NodeObject>("GET", `/api/v1/nodes/${this.name}`);
        const ready = node.status.conditions.find(({ type }) => type === "Ready");
        const clear = node.spec.taints === undefined;
        return clear && ready?.status === "True" && Date.parse(ready.lastHeartbeatTime) + 1000 > since;
      },
      { what: `Readiness of node ${this.name}`, timeoutMs: 120_000, intervalMs: 200, signal },
    );
    if (ended !== undefined) throw new Error(`${ended.name} exited: ${ended.logTail()}`);
  }

  /** What modprobe's stand-in has done on this node, in order: "load MODULE VERSION" or "unload MODULE VERSION". */
  async moduleJournal(): Promise<string[]> {
    const { stdout } = await this.exec(["sh", "-c", "cat /sys/module/.journal 2>/dev/null || true"]);
    return stdout.split("\n").filter((line) => line !== "");
  }

  /** Removes Onload's device files, as a module that is unloaded behind everybody's back does. */
  async removeDevices(): Promise<void> {
    await this.exec(["rm", "-f", "/dev/onload", "/dev/onload_epoll", "/dev/sfc_char"]);
  }

  /** Makes Onload's device files; they have the numbers of the null device. */
  async addDevices(): Promise<void> {
    for (const device of ["onload", "onload_epoll", "sfc_char"]) {
      await this.exec(["sh", "-c", `[ -e /dev/${device} ] || mknod -m 666 /dev/${device} c 1 3`]);
    }
  }

  #enter(): string[] {
    const pid = this.#init?.pid ?? 0;
    return ["nsenter", `--target=${pid}`, "--mount", "--net", `--pid=/proc/${pid}/ns/pid_for_children`, "--wd=/"];
  }

  async #startService(name: string, command: readonly string[]): Promise<void> {
    await this.exec(["rm", "-f", `/run/${name}.pid`]);
    const service = this.#state.start(name, [
      ...this.#enter(),
      "sh",
      "-c",
      `echo $$ > /run/${name}.pid; exec "$@"`,
      name,
      ...command,
    ]);
    this.#services.set(name, service);
    await poll(async () => (await this.exec(["test", "-s", `/run/${name}.pid`], { allowFailure: true })).code === 0, {
      what: `Start of ${name}`,
    });
  }

  async #endService(name: string, signal: "TERM" | "KILL"): Promise<void> {
    const script = `pid=$(cat /run/${name}.pid); kill -${signal} $pid; while [ -d /proc/$pid ]; do sleep 0.05; done`;
    await this.exec(["sh", "-c", script]);
    this.#services.delete(name);
  }
}

interface NodeObject {
  readonly spec: { readonly taints?: unknown };
  readonly status: {
    readonly conditions: { readonly type: string; readonly status: string; readonly lastHeartbeatTime: string }[];
  };
}
