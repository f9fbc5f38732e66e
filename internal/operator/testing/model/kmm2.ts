/**
 * KMM 2.5 and 2.6, from its sources: a list of images for each Module, a NodeModulesConfig for each node, worker pods
 * that load and unload, and the labels of nodes. A cordon means nothing here, because the operator's Modules tolerate
 * every taint; a Module that does not is a violation.
 */
import { isDeepStrictEqual } from "node:util";
import type { Node, Pod } from "../../../api/core.ts";
import type { Module, NodeModule, NodeModulesConfig } from "../../../api/kmm.ts";
import { isFinished, keyOf, matches } from "./api.ts";
import { givesUpAt, imageOf, kernelOf } from "./images.ts";
import { type Loads, LOADS } from "./kubelet.ts";
import { modulesIn } from "./kmm1.ts";
import {
  devicePluginLabel,
  type Driver,
  KMM_IMAGE_OWNER,
  KMM_MODULE_NAME,
  KMM_WORKER_ACTION,
  readyLabel,
  versionLabel,
  versionReadyLabel,
  workerLabel,
  parseKey,
} from "./names.ts";
import { isNodeReady, type World } from "./world.ts";

const API_VERSION = "kmm.sigs.x-k8s.io/v1beta1";
const FINALIZER = "kmm.node.kubernetes.io/module-finalizer";
/** On a worker pod: the entry that it loads or unloads. */
const ENTRY = "model/entry";

export class Kmm2 {
  readonly #world: World;
  #pulls = 0;

  constructor(world: World) {
    this.#world = world;
  }

  /** Finalizers and lists of images. */
  reconcile(): boolean {
    let acted = false;
    for (const module of this.#world.api.list("modules")) acted = this.#reconcileModule(module) || acted;
    for (const config of this.#world.api.list("moduleimagesconfigs")) acted = this.#pull(keyOf(config)) || acted;
    return acted;
  }

  #reconcileModule(module: Module): boolean {
    const { api } = this.#world;
    const key = keyOf(module);
    const { finalizers = [], deletionTimestamp, namespace = "", name } = module.metadata;
    if (deletionTimestamp !== undefined) {
      const used = api
        .list("nodemodulesconfigs")
        .some(({ spec, status }) =>
          [...(spec?.modules ?? []), ...(status?.modules ?? [])].some((each) => isOf(each, module)),
        );
      if (used || !finalizers.includes(FINALIZER)) return false;
      api.mergePatch("modules", key, { metadata: { finalizers: finalizers.filter((each) => each !== FINALIZER) } });
      for (const pod of api.list("pods")) {
        if (pod.metadata.namespace === namespace && pod.metadata.labels?.[KMM_IMAGE_OWNER] === name)
          api.remove("pods", keyOf(pod));
      }
      api.remove("moduleimagesconfigs", key);
      return true;
    }
    let acted = false;
    if (!finalizers.includes(FINALIZER)) {
      api.mergePatch("modules", key, { metadata: { finalizers: [...finalizers, FINALIZER] } });
      acted = true;
    }
    const tolerated = module.spec.tolerations?.some((each) => each.operator === "Exists" && !each.key && !each.effect);
    if (!tolerated) this.#world.violate(`Module ${key} does not tolerate every taint: a cordon would unload it`);
    if (this.#givesUp(module)) return acted;
    const images = new Map<string, string>();
    for (const node of api.list("nodes")) {
      const image = matches(module.spec.selector, node.metadata.labels ?? {})
        ? imageOf(module, kernelOf(node), 2)
        : undefined;
      if (image !== undefined) images.set(image, kernelOf(node));
    }
    const spec = { images: [...images].map(([image, kernelVersion]) => ({ image, kernelVersion })) };
    const config = api.get("moduleimagesconfigs", key);
    if (!config) {
      api.create("moduleimagesconfigs", {
        apiVersion: API_VERSION,
        kind: "ModuleImagesConfig",
        metadata: { namespace, name },
        spec,
      });
      return true;
    }
    if (isDeepStrictEqual(config.spec, spec)) return acted;
    api.update("moduleimagesconfigs", key, (old) => ({ ...old, spec }));
    return true;
  }

  /** An error at one node ends the reconcile of the Module before any NodeModulesConfig is written. */
  #givesUp(module: Module): boolean {
    const nodes = this.#world.api.list("nodes");
    return nodes.some(
      (node) => matches(module.spec.selector, node.metadata.labels ?? {}) && givesUpAt(module, kernelOf(node), 2),
    );
  }

  /** An image that has no state is pulled, however long that takes. */
  #pull(key: string): boolean {
    const { api } = this.#world;
    const config = api.get("moduleimagesconfigs", key);
    if (!config) return false;
    const { namespace = "", name } = config.metadata;
    const wanted = (config.spec?.images ?? []).map(({ image }) => image);
    const states = config.status?.imagesStates ?? [];
    const pods = api
      .list("pods")
      .filter(({ metadata }) => metadata.namespace === namespace && metadata.labels?.[KMM_IMAGE_OWNER] === name);
    let acted = false;
    for (const pod of pods) {
      const image = pod.spec?.containers?.[0]?.image ?? "";
      if (!isFinished(pod) && wanted.includes(image)) continue;
      const known = states.some((each) => each.image === image);
      if (isFinished(pod) && wanted.includes(image) && !known) {
        const imagesStates = [...states, { image, status: "Exists" as const }];
        api.update("moduleimagesconfigs", key, (old) => ({ ...old, status: { imagesStates } }));
        return true;
      }
      api.remove("pods", keyOf(pod));
      acted = true;
    }
    const [node] = api.list("nodes").filter(isNodeReady);
    for (const image of wanted) {
      const known =
        states.some((each) => each.image === image) || pods.some((pod) => pod.spec?.containers?.[0]?.image === image);
      if (known || !node) continue;
      api.create("pods", {
        apiVersion: "v1",
        kind: "Pod",
        metadata: { namespace, name: `${name}-pull-pod-${++this.#pulls}`, labels: { [KMM_IMAGE_OWNER]: name } },
        spec: { nodeName: node.metadata.name, containers: [{ name: "main", image }] },
        status: { phase: "Pending" },
      });
      acted = true;
    }
    return acted;
  }

  /** What a node is to have: entries follow the worker labels, which follow the version labels through unloading. */
  configure(name: string): boolean {
    const { api } = this.#world;
    const node = api.get("nodes", name);
    if (!node) return false;
    const config = api.get("nodemodulesconfigs", name);
    const before = config?.spec?.modules ?? [];
    let after = before;
    for (const module of api.list("modules")) after = this.#change(after, module, node);
    const gone = after.filter((entry) => !api.get("modules", `${entry.namespace}/${entry.name}`));
    if (gone.length > 0) after = after.filter((entry) => !gone.includes(entry));
    if (isDeepStrictEqual(before, after)) return false;
    if (!config) {
      api.create("nodemodulesconfigs", {
        apiVersion: API_VERSION,
        kind: "NodeModulesConfig",
        metadata: { name },
        spec: { modules: after },
      });
      return true;
    }
    api.update("nodemodulesconfigs", name, (old) => ({ ...old, spec: { modules: after } }));
    return true;
  }

  #change(modules: NodeModule[], module: Module, node: Node): NodeModule[] {
    const { namespace = "", name, deletionTimestamp } = module.metadata;
    const labels = node.metadata.labels ?? {};
    const { container } = module.spec.moduleLoader;
    if (deletionTimestamp === undefined && this.#givesUp(module)) return modules;
    const image = imageOf(module, kernelOf(node), 2);
    const label = labels[workerLabel(namespace, name)];
    const without = modules.filter((each) => !isOf(each, module));
    if (deletionTimestamp !== undefined || !matches(module.spec.selector, labels)) return without;
    if (image === undefined || label === undefined) return without;
    const states = this.#world.api.get("moduleimagesconfigs", keyOf(module))?.status?.imagesStates ?? [];
    if (label !== container.version || !states.some((each) => each.image === image)) return modules;
    const { version, imagePullPolicy = "IfNotPresent", inTreeModulesToRemove, modprobe } = container;
    const config = {
      kernelVersion: kernelOf(node),
      containerImage: image,
      imagePullPolicy,
      ...(inTreeModulesToRemove ? { inTreeModulesToRemove } : {}),
      modprobe: { dirName: "/opt", ...modprobe },
    };
    const entry: NodeModule = { namespace, name, version, config };
    const at = modules.findIndex((each) => isOf(each, module));
    return at < 0 ? [...modules, entry] : modules.with(at, entry);
  }

  /** What a worker pod of a node has done is noted in the status; gives whether there was one. */
  note(name: string): boolean {
    const { api } = this.#world;
    const node = api.get("nodes", name);
    const config = api.get("nodemodulesconfigs", name);
    return node !== undefined && config !== undefined && this.#record(config, node, this.#workersOn(name));
  }

  #workersOn(name: string): Pod[] {
    return this.#world.api.podsOn(name).filter(({ metadata }) => KMM_WORKER_ACTION in (metadata.labels ?? {}));
  }

  /** Worker pods of a node: they are made, and what they have done is noted. */
  work(name: string): boolean {
    if (this.note(name)) return true;
    const { api } = this.#world;
    const node = api.get("nodes", name);
    const config = api.get("nodemodulesconfigs", name);
    if (!node || !config) return false;
    const pods = this.#workersOn(name);
    const wanted = config.spec?.modules ?? [];
    const loaded = config.status?.modules ?? [];
    let acted = false;
    for (const entry of wanted) {
      const is = loaded.find((each) => isEntry(each, entry));
      acted = this.#towards(entry, is, podOf(entry, pods), node) || acted;
    }
    for (const entry of loaded) {
      if (!wanted.some((each) => isEntry(each, entry))) acted = this.#away(entry, podOf(entry, pods), node) || acted;
    }
    for (const pod of pods) {
      const known = [...wanted, ...loaded].some((each) => each.name === pod.metadata.labels?.[KMM_MODULE_NAME]);
      if (!known && pod.metadata.deletionTimestamp === undefined) {
        api.delete("pods", keyOf(pod));
        acted = true;
      }
    }
    return acted;
  }

  #record(config: NodeModulesConfig, node: Node, pods: Pod[]): boolean {
    const { api } = this.#world;
    const [done] = pods.filter(isFinished);
    if (!done) return false;
    const entry = JSON.parse(done.metadata.annotations?.[ENTRY] ?? "{}") as NodeModule;
    const others = (config.status?.modules ?? []).filter((each) => !isEntry(each, entry));
    const bootId = node.status?.nodeInfo?.bootID ?? "";
    const modules = done.metadata.labels?.[KMM_WORKER_ACTION] === "Load" ? [...others, { ...entry, bootId }] : others;
    api.update("nodemodulesconfigs", config.metadata.name, (old) => ({ ...old, status: { modules } }));
    api.remove("pods", keyOf(done));
    return true;
  }

  #towards(entry: NodeModule, is: NodeModule | undefined, pod: Pod | undefined, node: Node): boolean {
    if (pod) {
      const restarted = (pod.status?.containerStatuses?.[0]?.restartCount ?? 0) > 0;
      const stale =
        pod.metadata.labels?.[KMM_WORKER_ACTION] === "Load" &&
        pod.metadata.annotations?.[ENTRY] !== JSON.stringify(entry);
      if (!restarted || !stale || pod.metadata.deletionTimestamp !== undefined) return false;
      this.#world.api.delete("pods", keyOf(pod));
      return true;
    }
    if (!is) return this.#make("Load", entry, node);
    if (!isDeepStrictEqual(is.config, entry.config)) {
      if (is.config?.kernelVersion !== entry.config?.kernelVersion) return this.#make("Load", entry, node);
      this.#world.reload(this.#world.machines.get(node.metadata.name)!, driverOf(is), `${is.namespace}/${is.name}`);
      return this.#make("Unload", is, node);
    }
    return isRebooted(node, is) && this.#make("Load", entry, node);
  }

  #away(is: NodeModule, pod: Pod | undefined, node: Node): boolean {
    const { api } = this.#world;
    if (isRebooted(node, is)) {
      const modules = (api.get("nodemodulesconfigs", node.metadata.name)?.status?.modules ?? []).filter(
        (each) => !isEntry(each, is),
      );
      api.update("nodemodulesconfigs", node.metadata.name, (old) => ({ ...old, status: { modules } }));
      return true;
    }
    if (!pod) return this.#make("Unload", is, node);
    if (pod.metadata.labels?.[KMM_WORKER_ACTION] === "Unload" || pod.metadata.deletionTimestamp !== undefined)
      return false;
    api.delete("pods", keyOf(pod));
    return true;
  }

  #make(action: "Load" | "Unload", entry: NodeModule, node: Node): boolean {
    const { namespace, name, version = "" } = entry;
    const module = this.#world.api.get("modules", `${namespace}/${name}`);
    const driver = driverOf(entry);
    const loads: Loads = { driver, version, image: entry.config?.containerImage ?? "", by: `${namespace}/${name}` };
    this.#world.api.create("pods", {
      apiVersion: "v1",
      kind: "Pod",
      metadata: {
        namespace,
        name: `kmm-worker-${node.metadata.name}-${name}`,
        labels: { [KMM_MODULE_NAME]: name, [KMM_WORKER_ACTION]: action },
        annotations: { [ENTRY]: JSON.stringify(entry), [LOADS]: JSON.stringify(loads) },
      },
      spec: {
        nodeName: node.metadata.name,
        ...(module ? { serviceAccountName: module.spec.moduleLoader.serviceAccountName ?? "default" } : {}),
        containers: [{ name: "main", image: loads.image }],
      },
      status: { phase: "Pending" },
    });
    return true;
  }

  /** A node's labels: those that lead from version to version, and those that say what is loaded. */
  label(name: string): boolean {
    const node = this.#world.api.get("nodes", name);
    if (!node) return false;
    const labels = node.metadata.labels ?? {};
    const config = this.#world.api.get("nodemodulesconfigs", name);
    const [wanted, loaded] = [config?.spec?.modules ?? [], config?.status?.modules ?? []];
    const change: Record<string, string | null> = {};
    for (const module of modulesIn(labels)) {
      const { namespace, name: moduleName } = parseKey(module);
      Object.assign(change, versionStep(labels, namespace, moduleName));
    }
    for (const entry of wanted) {
      const is = loaded.find((each) => isEntry(each, entry));
      const label = readyLabel(entry.namespace, entry.name);
      if (!is || label in labels || !isDeepStrictEqual(is.config, entry.config)) continue;
      change[label] = "";
      change[versionReadyLabel(entry.namespace, entry.name)] = is.version ?? "";
    }
    for (const label of Object.keys(labels)) {
      const [, namespace = "", module] = /^kmm\.node\.kubernetes\.io\/([^.]+)\.([^.]+)\.ready$/.exec(label) ?? [];
      if (
        module === undefined ||
        [...wanted, ...loaded].some((each) => each.namespace === namespace && each.name === module)
      )
        continue;
      change[label] = null;
      if (versionReadyLabel(namespace, module) in labels) change[versionReadyLabel(namespace, module)] = null;
    }
    if (Object.keys(change).length === 0) return false;
    this.#world.setLabels(name, change);
    return true;
  }
}

/** The device plugin's label goes before the worker's and comes after it; the worker's comes once nothing is loaded. */
function versionStep(
  labels: Readonly<Record<string, string>>,
  namespace: string,
  module: string,
): Record<string, string | null> {
  const wanted = labels[versionLabel(namespace, module)];
  const worker = workerLabel(namespace, module);
  const plugin = devicePluginLabel(namespace, module);
  const [isWorker, isPlugin] = [labels[worker], labels[plugin]];
  if (isWorker !== undefined && isWorker !== wanted) return { [isPlugin === undefined ? worker : plugin]: null };
  if (wanted === undefined) return {};
  if (isWorker === undefined) return readyLabel(namespace, module) in labels ? {} : { [worker]: wanted };
  return isPlugin === undefined ? { [plugin]: wanted } : {};
}

function podOf(entry: NodeModule, pods: readonly Pod[]): Pod | undefined {
  return pods.find(
    ({ metadata }) => metadata.namespace === entry.namespace && metadata.labels?.[KMM_MODULE_NAME] === entry.name,
  );
}

function driverOf({ config }: NodeModule): Driver {
  return (config as { modprobe: { moduleName: Driver } }).modprobe.moduleName;
}

function isRebooted(node: Node, { bootId }: NodeModule): boolean {
  return isNodeReady(node) && bootId !== node.status?.nodeInfo?.bootID;
}

function isOf(entry: NodeModule, { metadata }: Module): boolean {
  return entry.namespace === metadata.namespace && entry.name === metadata.name;
}

function isEntry(a: NodeModule, b: NodeModule): boolean {
  return a.namespace === b.namespace && a.name === b.name;
}
