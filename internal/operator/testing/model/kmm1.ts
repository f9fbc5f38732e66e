/**
 * KMM 1.1, from its sources (v1.1.0): a DaemonSet of module-loader pods for each kernel and version of a Module, labels
 * of nodes, and the collection of DaemonSets that nobody needs.
 */
import { isDeepStrictEqual } from "node:util";
import type { DaemonSet, DeepReadonly, Node } from "../../../api/core.ts";
import type { Module } from "../../../api/kmm.ts";
import { isFinished, keyOf, type Kind, matches, type Stored } from "./api.ts";
import { isOwned, selects } from "./daemonsets.ts";
import { givesUpAt, imageOf, kernelOf } from "./images.ts";
import { isReady, LOADS, type Loads, loadsOf } from "./kubelet.ts";
import {
  devicePluginLabel,
  type Driver,
  KMM_KERNEL,
  KMM_MODULE_NAME,
  KMM_ROLE,
  loaderLabel,
  readyLabel,
  versionLabel,
  parseKey,
} from "./names.ts";
import { isNodeReady, isTainted, type World } from "./world.ts";

export class Kmm1 {
  readonly #world: World;
  /** Modules to look at, by key. */
  readonly #queue = new Set<string>();

  constructor(world: World) {
    this.#world = world;
    world.api.subscribe((kind, key, old, current) => this.#notice(kind, key, old, current));
  }

  /** What wakes the Module's controller: the Module, its DaemonSets, and labels of nodes that it selects. */
  #notice(kind: Kind, key: string, old: Stored | undefined, current: Stored | undefined): void {
    if (kind === "modules") this.#queue.add(key);
    if (kind === "daemonsets") {
      const { namespace, labels } = (current ?? old)!.metadata;
      const module = labels?.[KMM_MODULE_NAME];
      if (module !== undefined) this.#queue.add(`${namespace}/${module}`);
    }
    if (kind !== "nodes" || !current) return;
    if (old && isDeepStrictEqual(old.metadata.labels, current.metadata.labels)) return;
    for (const module of this.#world.api.list("modules")) {
      const seen = [old, current].some((node) => node && matches(module.spec.selector, node.metadata.labels ?? {}));
      if (seen) this.#queue.add(keyOf(module));
    }
  }

  /** Looks at the Modules that were woken. */
  reconcile(): boolean {
    let acted = false;
    const woken = [...this.#queue];
    this.#queue.clear();
    for (const key of woken) {
      const module = this.#world.api.get("modules", key);
      if (module && !module.metadata.deletionTimestamp) acted = this.#reconcileModule(module) || acted;
      if (!module) acted = this.#collectOwned(key) || acted;
    }
    return acted;
  }

  #reconcileModule(module: Module): boolean {
    const { api } = this.#world;
    const nodes = api.list("nodes").filter((node) => isTarget(module, node));
    // Its program ends, and so it does again whenever it has been started.
    if (nodes.some((node) => givesUpAt(module, kernelOf(node), 1))) {
      return false;
    }
    const kernels = new Map<string, string>();
    for (const node of nodes) {
      const kernel = kernelOf(node);
      const image = imageOf(module, kernel, 1);
      if (image !== undefined) kernels.set(kernel, image);
    }
    let acted = false;
    for (const [kernel, image] of kernels) acted = this.#handle(module, kernel, image) || acted;
    const { version } = module.spec.moduleLoader.container;
    for (const daemonSet of this.#of(keyOf(module))) {
      const label = loaderLabel(module.metadata.namespace ?? "", module.metadata.name);
      const older = daemonSet.metadata.labels?.[label] !== version;
      const unused = !api.list("nodes").some((node) => selects(daemonSet, node));
      const invalid = !kernels.has(kernelOfSet(daemonSet));
      if (!(older && unused) && !invalid) continue;
      if (invalid) this.#noteLoss(module, daemonSet);
      api.delete("daemonsets", keyOf(daemonSet));
      acted = true;
    }
    return acted;
  }

  /**
   * A person's cordon, a node that is down, or a reboot into another kernel makes KMM take drivers away, all at once and
   * in no order: nobody else can be blamed for that, even if the node has come back by the time the pods end.
   */
  #noteLoss(module: Module, daemonSet: DaemonSet): void {
    for (const node of this.#world.api.list("nodes")) {
      const { labels = {} } = node.metadata;
      const isServed = isSchedulable(node) && labels[KMM_KERNEL] === kernelOfSet(daemonSet);
      if (!matches(module.spec.selector, labels) || isServed) continue;
      for (const pod of this.#world.api.podsOn(node.metadata.name)) {
        if (isOwned(pod, daemonSet) && pod.metadata.uid !== undefined) this.#world.lostToKmm.add(pod.metadata.uid);
      }
    }
  }

  /** The DaemonSet of the present version for a kernel. */
  #handle(module: Module, kernel: string, image: string): boolean {
    const { namespace = "", name, uid = "" } = module.metadata;
    const { container } = module.spec.moduleLoader;
    const version = loaderLabel(namespace, name);
    const labels = {
      [KMM_MODULE_NAME]: name,
      [KMM_ROLE]: "module-loader",
      [KMM_KERNEL]: kernel,
      [version]: container.version,
    };
    const nodeSelector = { ...module.spec.selector, [KMM_KERNEL]: kernel, [version]: container.version };
    const loads: Loads = {
      driver: container.modprobe.moduleName as Driver,
      version: container.version,
      image,
      by: keyOf(module),
    };
    const spec: DaemonSet["spec"] = {
      selector: { matchLabels: labels },
      template: {
        metadata: { labels, annotations: { [LOADS]: JSON.stringify(loads) } },
        spec: {
          containers: [
            { name: "module-loader", image, imagePullPolicy: container.imagePullPolicy, modprobe: container.modprobe },
          ],
          nodeSelector,
          serviceAccountName: module.spec.moduleLoader.serviceAccountName,
          imagePullSecrets: module.spec.imageRepoSecret ? [module.spec.imageRepoSecret] : undefined,
          inTree: container.inTreeModuleToRemove,
        },
      },
    };
    const dsName = `${name}-${kernel}-${container.version}`.toLowerCase();
    const live = this.#world.api.get("daemonsets", `${namespace}/${dsName}`);
    if (live && isDeepStrictEqual(live.spec, spec)) return false;
    if (live) {
      this.#checkReload(live);
      this.#world.api.update("daemonsets", keyOf(live), (old) => ({ ...old, spec }));
      return true;
    }
    const owner = { apiVersion: "kmm.sigs.x-k8s.io/v1beta1", kind: "Module", name, uid, controller: true };
    this.#world.api.create("daemonsets", {
      apiVersion: "apps/v1",
      kind: "DaemonSet",
      metadata: { namespace, name: dsName, labels, ownerReferences: [owner] },
      spec,
    });
    return true;
  }

  /** A template that changes under pods which have loaded something reloads it in place. */
  #checkReload(daemonSet: DaemonSet): void {
    for (const { metadata } of this.#world.api.list("nodes")) {
      const pod = this.#world.api.podsOn(metadata.name).find((each) => isOwned(each, daemonSet));
      if (pod && isReady(pod) && selects(daemonSet, this.#world.api.get("nodes", metadata.name)!)) {
        const { driver, by } = loadsOf(pod);
        this.#world.reload(this.#world.machines.get(metadata.name)!, driver, by);
      }
    }
  }

  #of(module: string): DaemonSet[] {
    return this.#world.api
      .list("daemonsets")
      .filter(({ metadata }) => `${metadata.namespace}/${metadata.labels?.[KMM_MODULE_NAME]}` === module);
  }

  /** The Module is gone, and with it what it owned. */
  #collectOwned(module: string): boolean {
    const owned = this.#of(module);
    for (const daemonSet of owned) this.#world.api.delete("daemonsets", keyOf(daemonSet));
    return owned.length > 0;
  }

  /** One step of a node's labels: those that follow the version label, and those that say what is loaded. */
  label(name: string): boolean {
    const node = this.#world.api.get("nodes", name);
    if (!node) return false;
    const labels = node.metadata.labels ?? {};
    const change: Record<string, string | null> = {};
    const loaders = this.#world.api.podsOn(name).filter(({ metadata }) => KMM_ROLE in (metadata.labels ?? {}));
    for (const module of modulesIn(labels)) {
      const { namespace, name: moduleName } = parseKey(module);
      const has = loaders.some(
        ({ metadata }) => metadata.namespace === namespace && metadata.labels?.[KMM_MODULE_NAME] === moduleName,
      );
      Object.assign(change, versionStep(labels, namespace, moduleName, has));
    }
    for (const pod of loaders) {
      const { namespace = "", deletionTimestamp } = pod.metadata;
      const moduleName = pod.metadata.labels?.[KMM_MODULE_NAME] ?? "";
      const label = readyLabel(namespace, moduleName);
      const ready = isReady(pod) && deletionTimestamp === undefined && !isFinished(pod);
      if (ready && labels[label] === undefined) change[label] = "";
      if (!ready && labels[label] !== undefined && !loaders.some((each) => isSame(each, pod) && isReady(each))) {
        change[label] = null;
      }
    }
    for (const label of Object.keys(labels)) {
      const [, namespace, module] = /^kmm\.node\.kubernetes\.io\/([^.]+)\.([^.]+)\.ready$/.exec(label) ?? [];
      if (namespace === undefined) continue;
      const has = loaders.some(
        ({ metadata }) => metadata.namespace === namespace && metadata.labels?.[KMM_MODULE_NAME] === module,
      );
      if (!has) change[label] = null;
    }
    if (Object.keys(change).length === 0) return false;
    this.#world.setLabels(name, change);
    return true;
  }
}

/** KMM 1.1's table of what follows from the three version labels of a module on a node. */
function versionStep(
  labels: Readonly<Record<string, string>>,
  namespace: string,
  module: string,
  hasLoader: boolean,
): Record<string, string | null> {
  const wanted = labels[versionLabel(namespace, module)];
  const loader = loaderLabel(namespace, module);
  const plugin = devicePluginLabel(namespace, module);
  const [isLoader, isPlugin] = [labels[loader], labels[plugin]];
  if (wanted === undefined) {
    if (isLoader !== undefined) return { [isPlugin === undefined ? loader : plugin]: null };
    return {};
  }
  if (isLoader === undefined) return isPlugin === undefined && !hasLoader ? { [loader]: wanted } : {};
  if (isLoader === wanted) return isPlugin === undefined && !hasLoader ? { [plugin]: wanted } : {};
  return { [isPlugin === undefined ? loader : plugin]: null };
}

function isSame(a: { metadata: { namespace?: string; labels?: Record<string, string> } }, b: typeof a): boolean {
  return (
    a.metadata.namespace === b.metadata.namespace &&
    a.metadata.labels?.[KMM_MODULE_NAME] === b.metadata.labels?.[KMM_MODULE_NAME]
  );
}

/** `namespace/Module` of all version labels. */
export function modulesIn(labels: Readonly<Record<string, string>>): Set<string> {
  const prefix =
    /^(?:beta\.)?kmm\.node\.kubernetes\.io\/version-(?:module|module-loader|device-plugin|worker-pod)\.([^.]+)\.([^.]+)$/;
  const found = Object.keys(labels).flatMap((label) => {
    const match = prefix.exec(label);
    return match ? [`${match[1]}/${match[2]}`] : [];
  });
  return new Set(found);
}

/** KMM 1.1 leaves out nodes with any taint NoSchedule: that of a cordon, and that of a node which is not Ready. */
function isSchedulable(node: DeepReadonly<Node>): boolean {
  return !node.spec?.unschedulable && !isTainted(node) && isNodeReady(node);
}

function isTarget(module: DeepReadonly<Module>, node: DeepReadonly<Node>): boolean {
  return matches(module.spec.selector, node.metadata.labels ?? {}) && isSchedulable(node);
}

function kernelOfSet({ metadata }: DaemonSet): string {
  return metadata.labels?.[KMM_KERNEL] ?? "";
}
