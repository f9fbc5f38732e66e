/** The operator as a whole: caches, what makes it look at a resource again, and the loop that does. */
import { randomUUID } from "node:crypto";
import { VERSION } from "../cli/version.ts";
import type { Logger } from "../cli/log.ts";
import { LEASE_NAME, OPERATOR_NAME, PRESENCE_POLICY } from "../api/names.ts";
import { Controller } from "../controller/controller.ts";
import { Manager, type ManagerOptions, type MetricsSecurity } from "../controller/manager.ts";
import { MetricsAccess } from "../controller/metrics-access.ts";
import type { ControllerMetrics } from "../controller/metrics.ts";
import { BucketRateLimiter, ItemExponentialFailureRateLimiter, MaxOfRateLimiter } from "../controller/rate-limiter.ts";
import { reviewAccess } from "../kube/access-review.ts";
import type { Client } from "../kube/client.ts";
import { systemClock } from "../kube/clock.ts";
import { EventRecorder } from "../kube/events.ts";
import { Informer } from "../kube/informer.ts";
import type { Lease } from "../kube/kinds.ts";
import { LeaseFence } from "../kube/lease-fence.ts";
import { LEASES } from "../kube/resource.ts";
import { createCaches } from "./cache/caches.ts";
import { NodePods, podWatcher } from "./cache/node-pods.ts";
import { OutdatedWatch, outdatedText, showOutdated } from "./cache/outdated.ts";
import { OwnImage } from "./own-image.ts";
import type { OperatorEnvironment } from "./plan.ts";
import { OnloadReconciler } from "./reconcile.ts";
import { EventReporter } from "./report/events.ts";
import { RolloutLog } from "./report/rollout-log.ts";
import { OperatorMetrics } from "./report/metrics.ts";
import { isInForce } from "./report/protection.ts";
import { mayOperate, OperatorAccounts } from "./observe/operator-accounts.ts";
import { ALONE, Rivals, trimLease } from "./observe/rivals.ts";
import { allKeys, isIn, keysOfNodeName, watchAll } from "./watch/watches.ts";

/** Resources of different names are reconciled side by side, so many at most. */
const MAX_CONCURRENT_RECONCILES = 4;
/** A rollout that cannot go on is looked at again after this time at the latest. */
const MAX_BACKOFF_MS = 60_000;

/** Said to people, of Leases of others. */
const RIVALS_REMEDY =
  "The older Lease's operator has the resources of namespaces that both have; remove one of the two, or give them different namespaces by --watch-namespaces";

export interface OperatorOptions extends Pick<ManagerOptions, "metricsAddress" | "healthProbeAddress"> {
  client: Client;
  metrics: ControllerMetrics;
  log: Logger;
  /** Namespaces of the Onload resources to look after; empty: all. */
  namespaces: readonly string[];
  leaderElect: boolean;
  /** Namespace of the Lease. */
  leaseNamespace: string;
  /** Name and namespace of our own pod, if we run in one. */
  pod: { name: string | undefined; namespace: string | undefined };
  /** Name of the node that we run on. */
  nodeName: string | undefined;
  /** DEVICE_PLUGIN_IMG. */
  pluginImage: string | undefined;
  /** For metrics by TLS, to those only whom the API server allows it. Left out: plain HTTP, to everybody. */
  metricsCertificate?: MetricsSecurity["certificate"] | undefined;
  /** See OperatorEnvironment. */
  forceEverywhere: boolean;
}

/** Runs until the signal aborts. Throws when a port is taken, or the Lease is lost. */
export async function runOperator(options: OperatorOptions, signal: AbortSignal): Promise<void> {
  const { client, metrics, log, namespaces, pod } = options;
  const caches = createCaches(client, namespaces, log);
  const instance = pod.name ?? `onloadctl-${process.pid}`;
  const identity = `${instance}_${randomUUID()}`;
  const fence = options.leaderElect ? new LeaseFence() : undefined;
  // For everything that writes.
  const writer = fence ? client.fencedBy(fence) : client;
  const events = new EventRecorder({ client: writer, component: OPERATOR_NAME, instance, log });
  let absence: number | undefined;
  const manager = new Manager({
    log,
    metrics,
    metricsAddress: options.metricsAddress,
    metricsSecurity: options.metricsCertificate && {
      certificate: options.metricsCertificate,
      guard: (handler) =>
        new MetricsAccess((token, path) => reviewAccess(client.transport, token, path, signal)).guard(handler),
    },
    healthProbeAddress: options.healthProbeAddress,
    ...(fence
      ? {
          leaderElection: {
            client,
            lease: { namespace: options.leaseNamespace, name: LEASE_NAME },
            identity,
            holder: { version: VERSION, scope: namespaces },
            fence,
            onAbsence: (until) => void (absence = until),
          },
        }
      : {}),
  });
  for (const informer of Object.values(caches)) manager.addInformer(informer);
  manager.addReadyCheck("onload-crd", () =>
    caches.onloads.state === "absent" ? "the CRD onloads.onload.amd.com is not installed" : undefined,
  );
  manager.addRunnable(events);

  const isOurs = isIn(namespaces);
  const enqueue = (keys: readonly string[]): void => {
    for (const key of keys) if (isOurs(key)) controller.enqueue(key);
  };
  const environment: OperatorEnvironment = {
    ownNode: options.nodeName,
    pluginImage: options.pluginImage,
    ownImage: undefined,
    forceEverywhere: options.forceEverywhere,
  };
  const wakeAll = (): void => {
    enqueue(allKeys(caches));
  };
  const ownImage = new OwnImage({ client, pod, log }, (image) => {
    environment.ownImage = image;
    wakeAll();
  });
  const pods = new NodePods(client, podWatcher(client, log), (node) => {
    enqueue(keysOfNodeName(caches, node));
  });
  const rivals = options.leaderElect
    ? new Rivals({
        namespace: options.leaseNamespace,
        identity,
        monotonic: () => systemClock.monotonic(),
        mayOperateIn: (namespace) => accounts.mayOperateIn(namespace),
        onChange: () => {
          tellRivals();
          wakeAll();
        },
      })
    : undefined;
  let toldRivals = "";
  const tellRivals = (): void => {
    const leases = rivals?.others.join(", ") ?? "";
    if (leases === toldRivals) return;
    toldRivals = leases;
    if (leases === "") log.info("No other operator holds a Lease any more");
    else log.warn(`Another operator holds a Lease. ${RIVALS_REMEDY}`, { leases });
  };
  const accounts: OperatorAccounts = new OperatorAccounts({
    namespaces: () => rivals?.namespaces ?? { older: [], younger: [] },
    isGuarded: () => isInForce(caches, PRESENCE_POLICY),
    ask: (namespace, stop) => mayOperate(client.transport, namespace, stop),
    onChange: (namespace, may) => {
      if (!may) log.warn("No operator may run in the namespace of a Lease, so that it is not heeded", { namespace });
      rivals?.look();
    },
  });
  const leases = new Informer<Lease>({
    client,
    log,
    resource: LEASES,
    fieldSelector: `metadata.name=${LEASE_NAME}`,
    transform: trimLease,
  });
  if (rivals) {
    leases.subscribe((change) => rivals.note(change));
    manager.addInformer(leases);
    manager.addRunnable(accounts);
    manager.addReadyNote(() => (toldRivals === "" ? undefined : `Another operator: ${toldRivals}. ${RIVALS_REMEDY}`));
  }
  const followed = rivals ? { ...caches, leases } : caches;
  const reconciler = new OnloadReconciler({
    client: writer,
    caches,
    pods,
    reporter: new EventReporter(
      events,
      new OperatorMetrics(metrics.registry, VERSION),
      new RolloutLog(log, () => systemClock.monotonic()),
    ),
    environment,
    standing: (namespace) => rivals?.standing(namespace) ?? ALONE,
    outdated: () => outdatedText(followed),
    absence: () => absence,
    now: () => systemClock.now(),
    monotonic: () => systemClock.monotonic(),
  });
  const controller = new Controller({
    name: "onload",
    reconcile: (key, stop, logger) => reconciler.reconcile(key, stop, logger),
    maxConcurrentReconciles: MAX_CONCURRENT_RECONCILES,
    rateLimiter: new MaxOfRateLimiter(
      new ItemExponentialFailureRateLimiter(5, MAX_BACKOFF_MS),
      new BucketRateLimiter(10, 100),
    ),
    metrics,
    log,
  });
  watchAll(controller, caches, isOurs);
  caches.nodes.subscribe(({ key, current }) => {
    if (!current) pods.forget(key);
  });
  manager.addController(controller);
  manager.addRunnable(new OutdatedWatch(followed, wakeAll));
  showOutdated(metrics.registry, followed);

  // Known before the first plan if the API server answers, and else as soon as it does.
  if (options.pluginImage === undefined) {
    await ownImage.read(signal);
    manager.addRunnable(ownImage);
  }
  if (caches.onloads.state === "absent") log.warn("The CRD of Onload resources is not installed");
  try {
    await manager.run(signal);
  } finally {
    await pods.close();
  }
}
