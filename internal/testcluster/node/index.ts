import { mkdirSync } from "node:fs";
import { basename } from "node:path";
import { requirePackages } from "../lib/debian.ts";
import type { DebianPackage } from "../lib/debian.ts";
import { RunState } from "../lib/run-state.ts";
import { tool } from "../tools/index.ts";
import { startControlPlane } from "../control-plane.ts";
import type { ControlPlane } from "../control-plane.ts";
import { infrastructureGroup } from "../cluster.ts";
import { installCrds } from "../crds.ts";
import { ImageBuilder } from "../images.ts";
import { startKmm } from "../kmm.ts";
import { writeNodeFiles } from "./files.ts";
import { createNetwork } from "./network.ts";
import { addStandInNic } from "./stand-ins.ts";
import { startRegistry } from "./registry.ts";
import { TestNode } from "./test-node.ts";

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

/** Options of a cluster with a real node. */
export interface NodeClusterOptions {
  readonly signal?: AbortSignal;
  /** Starts KMM 1.1.0's manager; else only its CRDs are installed. */
  readonly kmm?: boolean;
  /** Labels of the node. */
  readonly labels?: Readonly<Record<string, string>>;
  /** Called with one line about each step. */
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

/** Says in one line why a real node cannot run here, or undefined if it can. */
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
