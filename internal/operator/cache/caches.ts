/** What the operator follows on the API server. */
import type { Logger } from "../../cli/log.ts";
import { SFC_MACHINE_CONFIG_LABELS } from "../../api/boot-status.ts";
import type {
  AdmissionPolicy,
  CustomResourceDefinition,
  DaemonSet,
  KubeObject,
  Node,
  Pod,
  PolicyBinding,
} from "../../api/core.ts";
import type { MachineConfigPool } from "../../api/machine-config-pool.ts";
import type { Module, ModuleImagesConfig, NodeModulesConfig } from "../../api/kmm.ts";
import {
  COMPONENT_LABEL,
  KMM_IMAGE_OWNER_LABEL,
  KMM_MODULE_NAME_LABEL,
  PART_OF_LABEL,
  PLUGIN_NAME_LABEL,
} from "../../api/names.ts";
import type { Client } from "../../kube/client.ts";
import { Informer, type InformerOptions } from "../../kube/informer.ts";
import { joinKey } from "../../kube/object.ts";
import {
  MACHINE_CONFIG_POOLS,
  MACHINE_CONFIGS,
  MODULE_IMAGES_CONFIGS,
  MODULES,
  NODE_MODULES_CONFIGS,
  ONLOADS,
} from "../../api/resources.ts";
import {
  CUSTOM_RESOURCE_DEFINITIONS,
  DAEMON_SETS,
  NAMESPACES,
  NODES,
  PODS,
  VALIDATING_ADMISSION_POLICIES,
  VALIDATING_ADMISSION_POLICY_BINDINGS,
} from "../../kube/resource.ts";
import { NODE_INDEXES, OPENED_INDEX } from "./indexes.ts";
import {
  trimAdmissionPolicy,
  trimCrd,
  trimDaemonSet,
  trimModule,
  trimNamespace,
  trimPolicyBinding,
  trimNode,
  trimNodeModulesConfig,
  trimPod,
  trimPool,
  trimPodWithImages,
  trimToLabels,
  withoutManagedFields,
} from "./trim.ts";

/** An Onload resource as the API server sends it. */
export type RawOnload = KubeObject & { spec?: unknown; status?: unknown };

/** How often to ask for kinds that may come later (KMM 2) but in most clusters never do (KMM 1.1, OpenShift). */
const ABSENT_RETRY_MS = 30_000;

export interface Caches {
  onloads: Informer<RawOnload>;
  nodes: Informer<Node, keyof typeof NODE_INDEXES>;
  /** Pods of device plugins. */
  plugins: Informer<Pod, "node">;
  /** KMM's module-loader pods (1.1) and worker pods (2.x). */
  kmmPods: Informer<Pod, "node">;
  /** Pods by which KMM (2.4 and later) looks for images, indexed by `namespace/Module`. */
  pullPods: Informer<Pod, "module">;
  daemonSets: Informer<DaemonSet>;
  modules: Informer<Module>;
  /** KMM 2.x only. */
  nodeModulesConfigs: Informer<NodeModulesConfig, keyof typeof OPENED_INDEX>;
  /** KMM 2.4 and later only. */
  moduleImagesConfigs: Informer<ModuleImagesConfig>;
  /** OpenShift only: MachineConfigs by which nodes load sfc themselves at boot. */
  machineConfigs: Informer<KubeObject>;
  /** OpenShift only: which nodes get which MachineConfigs. */
  machineConfigPools: Informer<MachineConfigPool>;
  crds: Informer<CustomResourceDefinition>;
  /** Whether a namespace is being deleted, and whether its pods may be taken away by force. */
  namespaces: Informer<KubeObject>;
  /** Kubernetes 1.30 and later: bindings of our admission policies, which have the names of their policies. */
  policyBindings: Informer<PolicyBinding>;
  /** These policies. */
  policies: Informer<AdmissionPolicy>;
}

/** What reading needs of the caches. */
export type Stores = { [K in keyof Caches]: Pick<Caches[K], "store"> };
/** What reconciling needs of the caches: it also tells them what the API server answered. */
export type ReconcilerCaches = { [K in keyof Caches]: Pick<Caches[K], "store" | "observe"> };

/**
 * @param namespaces those of the Onload resources to look after; empty: all
 * @param claimants namespaces of all Onload resources that may have a node; empty: all. Whose a node is depends on every
 *   resource of the cluster, also on those that another operator looks after.
 */
export function createCaches(
  client: Client,
  namespaces: readonly string[],
  log: Logger,
  claimants: readonly string[] = [],
): Caches {
  const common = { client, log };
  const ours = { ...common, namespaces };
  const admission = { ...common, labelSelector: `${PART_OF_LABEL}=onload`, absentRetryMs: ABSENT_RETRY_MS };
  const onNode = { node: (pod: { spec?: { nodeName?: string } }) => (pod.spec?.nodeName ? [pod.spec.nodeName] : []) };
  const pods = (labelSelector: string, transform: (pod: Pod) => Pod): Informer<Pod, "node"> =>
    new Informer<Pod, "node">({
      ...ours,
      resource: PODS,
      labelSelector,
      transform,
      indexes: onNode,
    } as InformerOptions<Pod, "node">);
  return {
    onloads: new Informer<RawOnload>({
      ...common,
      namespaces: claimants,
      resource: ONLOADS,
      transform: (onload) => ({ ...onload, metadata: withoutManagedFields(onload.metadata) }),
    }),
    nodes: new Informer<Node, keyof typeof NODE_INDEXES>({
      ...common,
      resource: NODES,
      transform: trimNode,
      indexes: NODE_INDEXES,
    }),
    plugins: pods(PLUGIN_NAME_LABEL, trimPod),
    kmmPods: pods(KMM_MODULE_NAME_LABEL, trimPodWithImages),
    pullPods: new Informer<Pod, "module">({
      ...ours,
      resource: PODS,
      labelSelector: KMM_IMAGE_OWNER_LABEL,
      transform: trimPodWithImages,
      indexes: {
        module: ({ metadata }) => [joinKey(metadata.namespace ?? "", metadata.labels?.[KMM_IMAGE_OWNER_LABEL] ?? "")],
      },
    }),
    daemonSets: new Informer<DaemonSet>({
      ...ours,
      resource: DAEMON_SETS,
      labelSelector: `${PART_OF_LABEL}=onload,${COMPONENT_LABEL}=device-plugin`,
      transform: trimDaemonSet,
    }),
    modules: new Informer<Module>({ ...ours, resource: MODULES, transform: trimModule }),
    nodeModulesConfigs: new Informer<NodeModulesConfig, "opened">({
      ...common,
      resource: NODE_MODULES_CONFIGS,
      transform: trimNodeModulesConfig,
      indexes: OPENED_INDEX,
      absentRetryMs: ABSENT_RETRY_MS,
    }),
    moduleImagesConfigs: new Informer<ModuleImagesConfig>({
      ...ours,
      resource: MODULE_IMAGES_CONFIGS,
      transform: (config) => ({ ...config, metadata: withoutManagedFields(config.metadata) }),
      absentRetryMs: ABSENT_RETRY_MS,
    }),
    machineConfigs: new Informer<KubeObject>({
      ...common,
      resource: MACHINE_CONFIGS,
      labelSelector: Object.entries(SFC_MACHINE_CONFIG_LABELS)
        .map(([label, value]) => `${label}=${value}`)
        .join(","),
      transform: trimToLabels,
      absentRetryMs: ABSENT_RETRY_MS,
    }),
    machineConfigPools: new Informer<MachineConfigPool>({
      ...common,
      resource: MACHINE_CONFIG_POOLS,
      transform: trimPool,
      absentRetryMs: ABSENT_RETRY_MS,
    }),
    crds: new Informer<CustomResourceDefinition>({
      ...common,
      resource: CUSTOM_RESOURCE_DEFINITIONS,
      transform: trimCrd,
      pageSize: 20,
    }),
    namespaces: new Informer<KubeObject>({ ...common, resource: NAMESPACES, transform: trimNamespace }),
    policyBindings: new Informer<PolicyBinding>({
      ...admission,
      resource: VALIDATING_ADMISSION_POLICY_BINDINGS,
      transform: trimPolicyBinding,
    }),
    policies: new Informer<AdmissionPolicy>({
      ...admission,
      resource: VALIDATING_ADMISSION_POLICIES,
      transform: trimAdmissionPolicy,
    }),
  };
}
