/**
 * Every name that onloadctl shares with the API server, with KMM or with the original operator. Names inside the device
 * plugin's pod are in plugin-pod.ts.
 *
 * The names are those of the original, so that a cluster can change over while its nodes are labelled and its pods run.
 */
import type { DeepReadonly, KubeObject } from "./core.ts";

/** API group, version and kind of the Onload resource. */
export const ONLOAD_GROUP = "onload.amd.com";
export const ONLOAD_VERSION = "v1alpha1";
export const ONLOAD_KIND = "Onload";
export const ONLOAD_PLURAL = "onloads";

/** API group and version of KMM's resources. */
export const KMM_GROUP = "kmm.sigs.x-k8s.io";
export const KMM_VERSION = "v1beta1";
export const KMM_API_VERSION = `${KMM_GROUP}/${KMM_VERSION}`;

/** Drivers of NICs through which Onload reaches hardware. Of a NIC with another driver, such as vfio-pci, it has no use. */
export const ONLOAD_DRIVERS: ReadonlySet<string> = new Set(["sfc", "xilinx_efct"]);

/** The extended resource that pods ask for. */
export const ONLOAD_RESOURCE = "amd.com/onload";

/** Field manager of everything that is applied. */
export const FIELD_MANAGER = "onloadctl";

/** Finalizer that keeps an Onload resource until every node is clean. */
export const FINALIZER = `${ONLOAD_GROUP}/node-cleanup`;

/** On a pod of the device plugin: a digest of the template that it was made from. */
export const TEMPLATE_ANNOTATION = `${ONLOAD_GROUP}/template`;

/**
 * The taint of a cordoned node. A controller adds and removes it a moment after spec.unschedulable has changed
 * (k8s.io/kubernetes, pkg/controller/nodelifecycle).
 */
export const UNSCHEDULABLE_TAINT = "node.kubernetes.io/unschedulable";

/** The taints of a node that is not Ready, which its condition tells too. */
export const NOT_READY_TAINTS: readonly string[] = ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"];

/** On an Onload resource: any new value makes the operator try failed nodes again. */
export const RETRY_ANNOTATION = `${ONLOAD_GROUP}/retry`;
/** On a pod or its namespace, with value `true`: spec.upgrade.drain.force may take such pods away. */
export const FORCE_ANNOTATION = "onload.amd.com/allow-force-drain";
/** On an Onload resource: which change of spec.selector a person confirms, in the words of the status. */
export const CONFIRM_ANNOTATION = "onload.amd.com/confirm-generation";

/** On the leader's Lease: what its holder says of itself; see kube/lease-holder.ts. */
export const HOLDER_ANNOTATION = `${ONLOAD_GROUP}/holder`;
/** On the leader's Lease: until when nobody had led for long, the last time; see kube/lease-absence.ts. */
export const ABSENCE_ANNOTATION = `${ONLOAD_GROUP}/nobody-led-until`;

/** On a pod of the device plugin and on its DaemonSet: the Onload version that its files are of. */
export const VERSION_LABEL = `${ONLOAD_GROUP}/version`;

/** On a pod of the device plugin: the name of its DaemonSet. Part of the DaemonSet's selector, as in the original. */
export const PLUGIN_NAME_LABEL = `${ONLOAD_GROUP}/name`;

/** Kubernetes' recommended label for the program that manages an object. */
export const MANAGED_BY_LABEL = "app.kubernetes.io/managed-by";
/** Kubernetes' recommended label for the application that an object belongs to: `onload` for all of ours. */
export const PART_OF_LABEL = "app.kubernetes.io/part-of";
/** Kubernetes' recommended label for the purpose of an object within its application. */
export const COMPONENT_LABEL = "app.kubernetes.io/component";

/**
 * The operator's name: value of app.kubernetes.io/managed-by on what it makes, which the original's selectors rely on,
 * and component of its events.
 */
export const OPERATOR_NAME = "onload-operator";

/** Name of the operator's Lease: that of the original operator, so that of the two only one acts. */
export const LEASE_NAME = "daabde26.amd.com";

/** The operator's ServiceAccount, in our manifests as in the original's, whatever its namespace is. */
export const OPERATOR_SERVICE_ACCOUNT = "onload-operator-controller-manager";

/** Labels of the operator's Deployment and pods, in our manifests as in the original's, as a selector. */
export const OPERATOR_SELECTOR = `${PART_OF_LABEL}=onload,control-plane=controller-manager`;

/** Namespace of the operator in the manifests, unless a person chooses another. */
export const OPERATOR_NAMESPACE = "onload-operator-system";

/** On an object that a policy protects, with the value "true": it may be deleted all the same. */
export const ALLOW_DELETION_ANNOTATION = `${ONLOAD_GROUP}/allow-deletion`;

/** The admission policies that protect nodes, and their bindings. Their texts are in internal/manifests/admission. */
export const PROTECTING_POLICIES: readonly string[] = [
  "deploy",
  "namespaces",
  "objects",
  "drivers",
  "driver-evictions",
  "node-labels",
  "node-modules",
  "own-nodes",
  "own-objects",
  "crd-deletion",
].map((name) => `${OPERATOR_NAME}-${name}`);

/** The admission policy by which nobody but operators and who may install them writes a Lease of an operator, and its binding. */
export const PRESENCE_POLICY = `${OPERATOR_NAME}-presence`;

/** Paths of metrics and probes, of the operator and of the device plugin. */
export const METRICS_PATH = "/metrics";
/** Where the device plugin tells programs what it knows of the pods that hold Onload, as JSON. */
export const ACCELERATION_PATH = "/acceleration";
/** The query of that path by which it looks at once, if it may, and does not tell what it saw before. */
export const LOOK_NOW_QUERY = "look=now";
export const HEALTHZ_PATH = "/healthz";
export const READYZ_PATH = "/readyz";

/** Namespace and name of an Onload resource, from which the names below are made. */
export interface OnloadKey {
  namespace: string;
  name: string;
}

/** The key of an Onload resource. */
export function onloadKeyOf({ metadata }: Pick<DeepReadonly<KubeObject>, "metadata">): OnloadKey {
  return { namespace: metadata.namespace ?? "", name: metadata.name };
}

/** The Module that loads the onload driver. */
export function onloadModuleName(name: string): string {
  return `${name}-module`;
}

/** The Module that loads the sfc driver, if a kernel mapping asks for it. */
export function sfcModuleName(name: string): string {
  return `${name}-sfcmod`;
}

/** The DaemonSet of the device plugin. */
export function devicePluginName(name: string): string {
  return `${name}-onload-device-plugin-ds`;
}

/** Node label that puts the device plugin on a node; its value is the Onload version. */
export function pluginLabel({ namespace, name }: OnloadKey): string {
  return `${ONLOAD_GROUP}/${namespace}.${name}`;
}

/** Node label by which KMM loads the version of a Module that is its value. Without it KMM unloads the module. */
export function moduleVersionLabel(namespace: string, moduleName: string): string {
  return `kmm.node.kubernetes.io/version-module.${namespace}.${moduleName}`;
}

/** The version labels of both Modules of an Onload resource. */
export function onloadModuleLabel({ namespace, name }: OnloadKey): string {
  return moduleVersionLabel(namespace, onloadModuleName(name));
}
export function sfcModuleLabel({ namespace, name }: OnloadKey): string {
  return moduleVersionLabel(namespace, sfcModuleName(name));
}

/**
 * Node labels that KMM 1.1 makes from {@link moduleVersionLabel}, with the same value. The first puts its module-loader
 * pod on the node, the second the pod of the Module's device plugin. Our Modules have no device plugin.
 */
export function kmm1ModuleLoaderLabel(namespace: string, moduleName: string): string {
  return `beta.kmm.node.kubernetes.io/version-module-loader.${namespace}.${moduleName}`;
}
export function kmm1DevicePluginLabel(namespace: string, moduleName: string): string {
  return `beta.kmm.node.kubernetes.io/version-device-plugin.${namespace}.${moduleName}`;
}

/** Node label that KMM sets (to "") once a Module is loaded. During a change it can still mean the old version. */
export function moduleReadyLabel(namespace: string, moduleName: string): string {
  return `kmm.node.kubernetes.io/${namespace}.${moduleName}.ready`;
}

/** Node label that KMM 2.5 and later set to the version that is loaded. */
export function moduleVersionReadyLabel(namespace: string, moduleName: string): string {
  return `kmm.node.kubernetes.io/${namespace}.${moduleName}.version.ready`;
}

/** On nodes, and in the selectors of KMM 1.1's module-loader pods: the kernel version, as far as a label can hold it. */
export const KMM_KERNEL_LABEL = "kmm.node.kubernetes.io/kernel-version.full";

/** Label on KMM's module-loader pods (1.1) and worker pods (2.x): the Module's name. */
export const KMM_MODULE_NAME_LABEL = "kmm.node.kubernetes.io/module.name";
/** Label on KMM 1.1's module-loader pods and DaemonSets, with value `module-loader`. */
export const KMM_ROLE_LABEL = "kmm.node.kubernetes.io/role";
/** Label on KMM 2.x's worker pods: `Load` or `Unload`. */
export const KMM_WORKER_ACTION_LABEL = "kmm.node.kubernetes.io/worker-action";

/** Label on the pods with which KMM 2.4 and later find out whether an image exists: the Module's name. */
export const KMM_IMAGE_OWNER_LABEL = "kmm.node.kubernetes.io/image-owner";

/** The purpose of an object that the operator makes: value of app.kubernetes.io/component. */
export type Component = "module" | "device-plugin";

/** Labels of every object that the operator makes for an Onload resource. */
export function objectLabels({ namespace, name }: OnloadKey, component: Component): Record<string, string> {
  return {
    [MANAGED_BY_LABEL]: OPERATOR_NAME,
    [PART_OF_LABEL]: "onload",
    "app.kubernetes.io/instance": `onload-${namespace}-${name}`,
    [COMPONENT_LABEL]: component,
  };
}

/** Labels of the device plugin's pods. They are the DaemonSet's selector, which cannot change once it exists. */
export function devicePluginSelector(key: OnloadKey): Record<string, string> {
  return { ...objectLabels(key, "device-plugin"), [PLUGIN_NAME_LABEL]: devicePluginName(key.name) };
}

/**
 * How many characters namespace and name of an Onload resource may have together. KMM documents 39 for namespace and
 * Module name, in all its versions, and `-module` or `-sfcmod` takes seven.
 */
export const MAX_NAMESPACE_AND_NAME = 32;
