/**
 * Names that the operator shares with Kubernetes, KMM and the original operator, written down anew: a typo on the
 * operator's side is a label that nobody in the model reads.
 */

export interface Key {
  namespace: string;
  name: string;
}

export type Driver = "onload" | "sfc";

export const RESOURCE = "amd.com/onload";
export const FINALIZER = "onload.amd.com/node-cleanup";
export const RETRY = "onload.amd.com/retry";
/** On the device plugin's pods. */
export const PLUGIN_NAME = "onload.amd.com/name";
export const TEMPLATE = "onload.amd.com/template";

export const KMM_MODULE_NAME = "kmm.node.kubernetes.io/module.name";
export const KMM_ROLE = "kmm.node.kubernetes.io/role";
export const KMM_WORKER_ACTION = "kmm.node.kubernetes.io/worker-action";
export const KMM_IMAGE_OWNER = "kmm.node.kubernetes.io/image-owner";
export const KMM_KERNEL = "kmm.node.kubernetes.io/kernel-version.full";

export function keyText({ namespace, name }: Key): string {
  return `${namespace}/${name}`;
}

/** The key that {@link keyText} wrote. */
export function parseKey(text: string): Key {
  const [namespace = "", name = ""] = text.split("/");
  return { namespace, name };
}

export function moduleName(name: string, driver: Driver): string {
  return driver === "onload" ? `${name}-module` : `${name}-sfcmod`;
}

export function pluginDaemonSet(name: string): string {
  return `${name}-onload-device-plugin-ds`;
}

export function pluginLabel({ namespace, name }: Key): string {
  return `onload.amd.com/${namespace}.${name}`;
}

/** Namespace of the applications' pods. */
export const APPS = "apps";
/** On a pod or its namespace, with value `true`: it may be taken away by force. */
export const CONSENT = "onload.amd.com/allow-force-drain";
/** On a resource: which change of the selector a person confirms. */
export const CONFIRM = "onload.amd.com/confirm-generation";

/** Annotations in which the operator keeps the last step on a node, and a failure there. */
export function ownAnnotations(key: Key): string[] {
  return [`${pluginLabel(key)}.step`, `${pluginLabel(key)}.failure`];
}

/** A label whose changes wake KMM 1.1, and which means nothing else. */
export function reminderLabel({ namespace, name }: Key): string {
  return `reminder.onload.amd.com/${namespace}.${name}`;
}

/** Asks KMM for a version of a Module. */
export function versionLabel(namespace: string, module: string): string {
  return `kmm.node.kubernetes.io/version-module.${namespace}.${module}`;
}

/** KMM 1.1: puts the module-loader pod on the node. */
export function loaderLabel(namespace: string, module: string): string {
  return `beta.kmm.node.kubernetes.io/version-module-loader.${namespace}.${module}`;
}

/** KMM 1.1 and 2: puts the pod of a Module's own device plugin on the node. */
export function devicePluginLabel(namespace: string, module: string): string {
  return `beta.kmm.node.kubernetes.io/version-device-plugin.${namespace}.${module}`;
}

/** KMM 2: puts the entry into the node's NodeModulesConfig. */
export function workerLabel(namespace: string, module: string): string {
  return `beta.kmm.node.kubernetes.io/version-worker-pod.${namespace}.${module}`;
}

/** The operator's own label by which a Module is loaded with KMM 1.1. */
export function loadLabel(namespace: string, module: string): string {
  return `latch.onload.amd.com/${namespace}.${module}`;
}

export function readyLabel(namespace: string, module: string): string {
  return `kmm.node.kubernetes.io/${namespace}.${module}.ready`;
}

export function versionReadyLabel(namespace: string, module: string): string {
  return `kmm.node.kubernetes.io/${namespace}.${module}.version.ready`;
}

/** All labels that the operator may set on a node for a resource. */
export function ownLabels(key: Key): string[] {
  const modules = (["onload", "sfc"] as const).flatMap((driver) => {
    const module = moduleName(key.name, driver);
    return [versionLabel, loaderLabel, devicePluginLabel, loadLabel].map((label) => label(key.namespace, module));
  });
  return [pluginLabel(key), reminderLabel(key), ...modules];
}
