import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Cluster } from "./cluster.ts";
import { startControlPlane } from "./control-plane.ts";
import { installCrds } from "./crds.ts";
import { startNodeCluster } from "./node/index.ts";
import type { NodeCluster } from "./node/index.ts";

/** Names the folder of a cluster that the caller started for all test files; see scripts/test. */
export const sharedClusterVariable = "ONLOADCTL_TEST_CLUSTER";

let shared: Promise<Cluster> | undefined;

/**
 * Returns the control plane that all test files share: the one named by the environment, else one that this process
 * starts and that ends with it. It has etcd, kube-apiserver, kube-controller-manager and kube-scheduler, the CRDs of
 * KMM and of Multus, and no nodes. Tests keep apart by namespaces (createNamespace) and unique node names, and never
 * stop it; one that kills the API server, or needs KMM's manager or kwok, starts its own with startControlPlane.
 */
export function sharedControlPlane(): Promise<Cluster> {
  shared ??= connect();
  return shared;
}

async function connect(): Promise<Cluster> {
  const folder = process.env[sharedClusterVariable];
  if (folder !== undefined) return attachCluster(folder);
  return await startShared();
}

/** Starts a control plane prepared for sharing. */
export async function startShared(): ReturnType<typeof startControlPlane> {
  const plane = await startControlPlane();
  await installCrds(plane);
  writeFileSync(join(plane.folder, "cluster.json"), JSON.stringify({ server: plane.server }));
  return plane;
}

/** Uses a cluster that another process started, by its folder. */
function attachCluster(folder: string): Cluster {
  const { server } = JSON.parse(readFileSync(join(folder, "cluster.json"), "utf8")) as { server: string };
  return new Cluster(folder, server);
}

let sharedNode: Promise<NodeCluster> | undefined;

/**
 * Returns the control plane with a real node that all files of one test process share; it ends with the process. KMM
 * 1.1.0 runs in it. A test leaves the node as it found it: labels, pods, and the kubelet running.
 */
export function sharedNodeCluster(): Promise<NodeCluster> {
  sharedNode ??= startNodeCluster({ kmm: true });
  return sharedNode;
}
