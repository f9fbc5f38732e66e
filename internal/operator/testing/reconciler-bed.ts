/** The operator's reconciler at a {@link MemoryCluster} with KMM 1.1, and objects to put there. */
import { Registry } from "../../probes/prom-client.ts";
import { createLogger, type Logger } from "../../cli/log.ts";
import type { CustomResourceDefinition, DaemonSet, Node, Pod } from "../../api/core.ts";
import type { Module } from "../../api/kmm.ts";
import {
  devicePluginName,
  FINALIZER,
  KMM_MODULE_NAME_LABEL,
  KMM_ROLE_LABEL,
  kmm1ModuleLoaderLabel,
  ONLOAD_RESOURCE,
  onloadModuleLabel,
  onloadModuleName,
  PLUGIN_NAME_LABEL,
  pluginLabel,
  VERSION_LABEL,
} from "../../api/names.ts";
import { withDefaults, type Onload, type OnloadSpecInput, type OnloadStatus } from "../../api/onload.ts";
import { MODULES, ONLOADS } from "../../api/resources.ts";
import type { Result } from "../../controller/controller.ts";
import type { EventText } from "../../kube/event.ts";
import { CUSTOM_RESOURCE_DEFINITIONS, DAEMON_SETS, NODES, PODS, SERVICE_ACCOUNTS } from "../../kube/resource.ts";
import type { RawOnload } from "../cache/caches.ts";
import { NodePods } from "../cache/node-pods.ts";
import { formatStepRecord, stepRecordAnnotation } from "../observe/step-record.ts";
import { OnloadReconciler } from "../reconcile.ts";
import { attemptFor } from "../rollout/rollback.ts";
import { EventReporter } from "../report/events.ts";
import { RolloutLog } from "../report/rollout-log.ts";
import { OperatorMetrics } from "../report/metrics.ts";
import { ALONE } from "../observe/rivals.ts";
import { MemoryCluster } from "./memory-cluster.ts";

export const KEY = { namespace: "ns", name: "main" };
/** How metrics name that resource. */
export const LABELS = { onload_namespace: KEY.namespace, onload_name: KEY.name };
/** The resource's Module of onload, and its DaemonSet. */
export const MODULE_REF = { ...KEY, name: onloadModuleName(KEY.name) };
export const PLUGIN_REF = { ...KEY, name: devicePluginName(KEY.name) };
export const START = Date.UTC(2026, 0, 1);

export class ReconcilerBed {
  readonly cluster = new MemoryCluster();
  readonly registry = new Registry();
  readonly events: EventText[] = [];
  readonly environment = {
    ownNode: undefined,
    pluginImage: undefined,
    ownImage: "registry/onloadctl:1" as string | undefined,
    forceEverywhere: false,
  };
  /** Pods that the watches of single nodes know of; undefined: they are up to date. */
  watched: Pod[] | undefined;
  /** Nodes whose pods are watched. */
  readonly watches = new Set<string>();
  now = START;
  /** Milliseconds of the clock that does not go back; undefined: `now`. */
  uptime: number | undefined;
  /** Until when no operator had acted for long. */
  absence: number | undefined;
  /** Why the caches may be far behind. */
  outdated: string | undefined;
  standing = ALONE;
  readonly logged: string[] = [];
  readonly log: Logger = createLogger({ write: (line) => void this.logged.push(line) });
  /** What the log says of the rollout itself. */
  readonly told: string[] = [];
  readonly rolloutLog: Logger = createLogger({ write: (line) => void this.told.push(line), format: "json" });
  #reconciler: OnloadReconciler;

  constructor() {
    this.cluster.put<CustomResourceDefinition>(CUSTOM_RESOURCE_DEFINITIONS, kmmCrd("Module", "Namespaced"));
    this.cluster.put(SERVICE_ACCOUNTS, {
      apiVersion: "v1",
      kind: "ServiceAccount",
      metadata: { namespace: KEY.namespace, name: "sa" },
    });
    this.#reconciler = this.#start();
  }

  #start(): OnloadReconciler {
    const { cluster } = this;
    const pods = new NodePods(
      cluster,
      (node) => {
        this.watches.add(node);
        const list = (): Pod[] => this.watched ?? cluster.podsOn(node);
        const stop = (): boolean => this.watches.delete(node);
        return { hasSynced: true, store: { list }, stop, ended: Promise.resolve() };
      },
      () => undefined,
    );
    const sink = { record: (_: unknown, text: EventText) => void this.events.push(text) };
    this.registry.clear();
    return new OnloadReconciler({
      client: cluster,
      caches: cluster.caches,
      pods,
      reporter: new EventReporter(
        sink,
        new OperatorMetrics(this.registry, "1"),
        new RolloutLog(this.rolloutLog, () => this.uptime ?? this.now),
      ),
      environment: this.environment,
      standing: () => this.standing,
      outdated: () => this.outdated,
      absence: () => this.absence,
      now: () => this.now,
      monotonic: () => this.uptime ?? this.now,
    });
  }

  /** One pass, by default over the resource {@link KEY}. */
  reconcile(key = `${KEY.namespace}/${KEY.name}`, signal = new AbortController().signal): Promise<Result> {
    return this.#reconciler.reconcile(key, signal, this.log);
  }

  /** Passes until one writes nothing that a cache would tell of. */
  async settle(most = 20): Promise<void> {
    for (let i = 0; i < most; i++) {
      const before = this.cluster.version;
      const looks = this.cluster.calls.filter(({ verb }) => verb === "list").length;
      await this.reconcile();
      const looked = this.cluster.calls.filter(({ verb }) => verb === "list").length > looks;
      if (this.cluster.version === before && !looked) return;
    }
    throw new Error("The reconciler does not come to rest");
  }

  /** Another process takes over. */
  restart(): void {
    this.#reconciler = this.#start();
  }

  /** Creates or replaces the resource. */
  putOnload(spec: Partial<OnloadSpecInput> = {}, metadata: Partial<RawOnload["metadata"]> = {}): void {
    const old = this.cluster.object<RawOnload>(ONLOADS, KEY);
    this.cluster.put<RawOnload>(ONLOADS, {
      ...old,
      apiVersion: "onload.amd.com/v1alpha1",
      kind: "Onload",
      metadata: { generation: 1, finalizers: [FINALIZER], ...old?.metadata, ...KEY, ...metadata },
      spec: { selector: { onload: "yes" }, serviceAccountName: "sa", onload: imagesOf("v1"), ...spec },
    });
  }

  /** Somebody asks for another version. */
  upgrade(version: string): void {
    this.cluster.edit<RawOnload>(ONLOADS, KEY, (onload) => {
      onload.metadata.generation = (onload.metadata.generation ?? 0) + 1;
      (onload.spec as OnloadSpecInput).onload = imagesOf(version);
    });
  }

  /** The DaemonSet controller sees the DaemonSet. */
  seeTemplate(): void {
    this.cluster.edit<DaemonSet>(DAEMON_SETS, PLUGIN_REF, (set) => {
      set.status = { observedGeneration: set.metadata.generation } as never;
    });
  }

  /** Somebody deletes the resource. */
  deleteOnload(): void {
    this.cluster.edit<RawOnload>(ONLOADS, KEY, ({ metadata }) => {
      metadata.deletionTimestamp = new Date(this.now).toISOString();
    });
  }

  get onload(): Onload | undefined {
    return this.cluster.object<Onload>(ONLOADS, KEY);
  }

  get status(): OnloadStatus | undefined {
    return this.onload?.status;
  }

  /** `Ready=True AllNodesReady: message`. */
  condition(type: string): string {
    const found = this.status?.conditions?.find((each) => each.type === type);
    return found ? `${type}=${found.status} ${found.reason}: ${found.message}` : `${type} is missing`;
  }

  /** A selected node without anything of ours. */
  putNode(name: string, labels: Record<string, string> = {}, step?: string): void {
    const since = this.now;
    const attempt = this.onload ? attemptFor(withDefaults(this.onload)) : "";
    this.cluster.put<Node>(NODES, {
      apiVersion: "v1",
      kind: "Node",
      metadata: {
        name,
        labels: { onload: "yes", ...labels },
        annotations: step ? { [stepRecordAnnotation(KEY)]: formatStepRecord({ step, since, attempt }) } : {},
      },
      status: {
        conditions: [{ type: "Ready", status: "True" }],
        allocatable: {},
        nodeInfo: { kernelVersion: "5.1.0", bootID: "b" },
      },
    } as Node);
  }

  /** A node that runs a version and offers amd.com/onload. */
  putServingNode(name: string, version = "v1"): void {
    this.putNode(name, { [pluginLabel(KEY)]: version, [onloadModuleLabel(KEY)]: version });
    this.putLoader(name, version);
    this.putPlugin(name, version);
    this.cluster.edit<Node>(NODES, { name }, (node) => (node.status!.allocatable = { [ONLOAD_RESOURCE]: "1" }));
  }

  /** A node whose plugin has gone, with its module still loaded. */
  putEmptiedNode(name: string, version = "v1"): void {
    this.putNode(name, { [onloadModuleLabel(KEY)]: version }, "UnlabelPlugin");
    this.putLoader(name, version);
  }

  /** KMM 1.1's pod that holds the module on a node. */
  putLoader(node: string, version: string, status: Pod["status"] = READY): void {
    this.#putPod(`loader-${node}`, node, status, {
      [KMM_MODULE_NAME_LABEL]: onloadModuleName(KEY.name),
      [KMM_ROLE_LABEL]: "module-loader",
      [kmm1ModuleLoaderLabel(KEY.namespace, onloadModuleName(KEY.name))]: version,
    });
  }

  /** A pod of the device plugin, made from the DaemonSet's present template. */
  putPlugin(node: string, version: string): void {
    const labels = { [PLUGIN_NAME_LABEL]: PLUGIN_REF.name, [VERSION_LABEL]: version };
    const template = this.cluster.object<DaemonSet>(DAEMON_SETS, PLUGIN_REF)?.spec.template;
    this.#putPod(`plugin-${node}`, node, READY, labels, template?.metadata.annotations);
  }

  /** A pod that holds amd.com/onload. */
  putHolder(name: string, node: string): Pod {
    return this.cluster.put<Pod>(PODS, {
      apiVersion: "v1",
      kind: "Pod",
      metadata: {
        namespace: "apps",
        name,
        ownerReferences: [{ apiVersion: "apps/v1", kind: "ReplicaSet", name: "r", uid: "r", controller: true }],
      },
      spec: { nodeName: node, containers: [{ name: "c", resources: { limits: { [ONLOAD_RESOURCE]: 1 } } }] },
      status: { phase: "Running" },
    } as Pod);
  }

  /** The Module as the cluster has it. */
  get module(): Module | undefined {
    return this.cluster.object<Module>(MODULES, MODULE_REF);
  }

  get daemonSet(): DaemonSet | undefined {
    return this.cluster.object<DaemonSet>(DAEMON_SETS, PLUGIN_REF);
  }

  labels(node: string): Record<string, string> {
    return this.cluster.object<Node>(NODES, { name: node })?.metadata.labels ?? {};
  }

  /** Names of the pods that {@link putHolder} has put and that are left. */
  holders(): string[] {
    return this.cluster
      .podsOn()
      .filter(({ metadata }) => metadata.namespace === "apps")
      .map(({ metadata }) => metadata.name);
  }

  /** The values of a metric's series that have all of some labels. */
  async metric(name: string, labels: Record<string, string> = {}): Promise<number[]> {
    const values = (await this.registry.getSingleMetric(name)?.get())?.values ?? [];
    return values
      .filter((each) => Object.entries(labels).every(([key, value]) => each.labels[key] === value))
      .map(({ value }) => value);
  }

  #putPod(
    name: string,
    node: string,
    status: Pod["status"],
    labels: Record<string, string>,
    annotations: Record<string, string> = {},
  ): void {
    this.cluster.put<Pod>(PODS, {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { namespace: KEY.namespace, name, labels, annotations },
      spec: { nodeName: node },
      status,
    } as Pod);
  }
}

const READY = { phase: "Running", conditions: [{ type: "Ready", status: "True" }] } as Pod["status"];

/** A pod whose container fails again and again. */
export function crashing(restarts: number): Pod["status"] {
  const lastState = { terminated: { exitCode: 1 } };
  const state = { waiting: { reason: "CrashLoopBackOff" } };
  return {
    phase: "Running",
    conditions: [{ type: "Ready", status: "False" }],
    containerStatuses: [{ name: "loader", restartCount: restarts, state, lastState }],
  } as Pod["status"];
}

/** spec.onload for a version. */
export function imagesOf(version: string): OnloadSpecInput["onload"] {
  const kernelMappings = [{ regexp: ".*", kernelModuleImage: "registry/module" }];
  return { kernelMappings, userImage: `registry/user:${version}`, version };
}

/** A CRD of KMM, as far as the operator reads it. */
export function kmmCrd(kind: string, scope: "Cluster" | "Namespaced"): CustomResourceDefinition {
  const plural = `${kind.toLowerCase()}s`;
  const group = "kmm.sigs.x-k8s.io";
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `${plural}.${group}` },
    spec: { group, scope, names: { kind, plural }, versions: [{ name: "v1beta1", served: true, storage: true }] },
  } as CustomResourceDefinition;
}
