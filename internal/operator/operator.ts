/** The operator as a whole: caches, what makes it look at a resource again, and the loop that does. */
import { randomUUID } from "node:crypto";
import type { Logger } from "../cli/log.ts";
import type { Pod } from "../api/core.ts";
import { KMM_GROUP, OPERATOR_NAME } from "../api/names.ts";
import { Controller } from "../controller/controller.ts";
import { Manager } from "../controller/manager.ts";
import type { ControllerMetrics } from "../controller/metrics.ts";
import { BucketRateLimiter, ItemExponentialFailureRateLimiter, MaxOfRateLimiter } from "../controller/rate-limiter.ts";
import type { Client } from "../kube/client.ts";
import { EventRecorder } from "../kube/events.ts";
import { PODS } from "../kube/resource.ts";
import { createCaches, type Caches } from "./cache/caches.ts";
import { keysOfKmmPod, keysOfNode, keysOfObject, keysOfPlugin, keysOfPullPod } from "./watch/keys.ts";
import { OperatorMetrics } from "./report/metrics.ts";
import { NodePods, podWatcher } from "./cache/node-pods.ts";
import { observeClaims } from "./observe/cluster.ts";
import { concerns } from "./observe/node.ts";
import { nameOf, selects } from "./observe/ownership.ts";
import { OnloadReconciler } from "./reconcile.ts";
import { Teller } from "./report/events.ts";

/** Resources of different names are reconciled side by side. */
const CONCURRENCY = 4;
/** A rollout that cannot go on is looked at again at least this often. */
const LONGEST_BACKOFF_MS = 60_000;

export interface OperatorOptions {
  client: Client;
  metrics: ControllerMetrics;
  log: Logger;
  /** Namespaces of the Onload resources to look after; empty: all. */
  namespaces: readonly string[];
  metricsBindAddress: string;
  healthProbeBindAddress: string;
  leaderElect: boolean;
  /** Namespace of the Lease. */
  leaseNamespace: string;
  /** Name and namespace of our own pod, where we run in one. */
  pod: { name: string | undefined; namespace: string | undefined };
  /** Name of the node that we run on. */
  nodeName: string | undefined;
  /** DEVICE_PLUGIN_IMG. */
  pluginImage: string | undefined;
}

/** Runs until the signal aborts. Throws when a port is taken, or the Lease is lost. */
export async function runOperator(options: OperatorOptions, signal: AbortSignal): Promise<void> {
  const { client, metrics, log, namespaces, pod } = options;
  const caches = createCaches(client, namespaces, log);
  const instance = pod.name ?? `onloadctl-${process.pid}`;
  const events = new EventRecorder({ client, component: OPERATOR_NAME, instance, log });
  const manager = new Manager({
    log,
    metrics,
    metricsBindAddress: options.metricsBindAddress,
    healthProbeBindAddress: options.healthProbeBindAddress,
    ...(options.leaderElect
      ? {
          leaderElection: {
            client,
            lease: { namespace: options.leaseNamespace, name: OPERATOR_NAME },
            identity: `${instance}_${randomUUID()}`,
          },
        }
      : {}),
  });
  for (const informer of Object.values(caches)) manager.addInformer(informer);
  manager.addReadyCheck("onload-crd", () =>
    caches.onloads.state === "absent" ? "the CRD onloads.onload.amd.com is not installed" : undefined,
  );
  manager.addRunnable(events);

  const pods = new NodePods(client, podWatcher(client, log), (node) => enqueueNode(node));
  const reconciler = new OnloadReconciler({
    client,
    caches,
    pods,
    teller: new Teller(events, new OperatorMetrics(metrics.registry)),
    environment: {
      ownNode: options.nodeName,
      pluginImage: options.pluginImage,
      ownImage: await ownImage(client, pod, log, signal),
    },
    now: Date.now,
  });
  const controller = new Controller({
    name: "onload",
    reconcile: (key, stop, logger) => reconciler.reconcile(key, stop, logger),
    maxConcurrentReconciles: CONCURRENCY,
    rateLimiter: new MaxOfRateLimiter(
      new ItemExponentialFailureRateLimiter(5, LONGEST_BACKOFF_MS),
      new BucketRateLimiter(10, 100),
    ),
    metrics,
    log,
  });
  watchAll(controller, caches);
  caches.nodes.subscribe(({ key, current }) => {
    if (!current) pods.forget(key);
  });
  manager.addController(controller);

  function enqueueNode(name: string): void {
    const node = caches.nodes.store.get(name);
    if (!node) return;
    for (const claim of observeClaims(caches)) {
      if (concerns(node, claim, selects(claim.selector, node.metadata.labels ?? {}))) controller.enqueue(nameOf(claim));
    }
  }

  if (caches.onloads.state === "absent") log.warn("The CRD of Onload resources is not installed");
  try {
    await manager.run(signal);
  } finally {
    await pods.close();
  }
}

function watchAll(controller: Controller, caches: Caches): void {
  const all = (): string[] => observeClaims(caches).map(nameOf);
  // Which resource keeps a node depends on all of them.
  controller.watch(caches.onloads, ({ key, old, current }) => {
    const claim = (onload: typeof current): string =>
      JSON.stringify([(onload?.spec as { selector?: unknown })?.selector, onload?.metadata.deletionTimestamp]);
    return claim(old) === claim(current) ? [key] : [key, ...all()];
  });
  controller.watch(caches.nodes, (change) => keysOfNode(change, observeClaims(caches)));
  controller.watch(caches.plugins, keysOfPlugin);
  controller.watch(caches.kmmPods, keysOfKmmPod);
  controller.watch(caches.pullPods, keysOfPullPod);
  controller.watch(caches.modules, keysOfObject);
  controller.watch(caches.moduleImagesConfigs, keysOfObject);
  controller.watch(caches.daemonSets, keysOfObject);
  controller.watch(caches.nodeModulesConfigs, ({ key }) => {
    const node = caches.nodes.store.get(key);
    return node ? keysOfNode({ key, old: undefined, current: node }, observeClaims(caches)) : [];
  });
  controller.watch(caches.machineConfigs, all);
  controller.watch(caches.crds, ({ old, current }) => ((current ?? old)?.spec.group.endsWith(KMM_GROUP) ? all() : []));
}

/** The image of our own pod, which also has the device plugin in it; undefined outside of a pod. */
async function ownImage(
  client: Client,
  { name, namespace }: OperatorOptions["pod"],
  log: Logger,
  signal: AbortSignal,
): Promise<string | undefined> {
  if (!name || !namespace) return undefined;
  try {
    const pod = await client.get<Pod>(PODS, { namespace, name }, { signal });
    const containers = pod?.spec?.containers ?? [];
    return (containers.find((container) => container.name === "manager") ?? containers[0])?.image;
  } catch (error) {
    signal.throwIfAborted();
    log.warn("Could not read the operator's own pod", { error });
    return undefined;
  }
}
