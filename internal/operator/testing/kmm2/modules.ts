/** Modules -> which images are needed, and which modules each node is to have (KMM's Module controller). */
import { isDeepStrictEqual } from "node:util";
import type { DeepReadonly, Node } from "../../../api/core.ts";
import type { Module } from "../../../api/kmm.ts";
import { KMM_API_VERSION } from "../../../api/names.ts";
import { MODULE_IMAGES_CONFIGS, MODULES, NODE_MODULES_CONFIGS } from "../../../api/resources.ts";
import { imageName } from "./image-name.ts";
import { workerLabel } from "./labels.ts";
import { isOf, isTolerated, refOf, type Entry, type View, type Write } from "./view.ts";

const FINALIZER = "kmm.node.kubernetes.io/module-finalizer";

export function decideModules(view: View): Write[] {
  return [...view.modules.flatMap((module) => own(module, view)), ...specs(view)];
}

/** The Module's finalizer and its list of images. */
function own(module: DeepReadonly<Module>, view: View): Write[] {
  const { finalizers = [], deletionTimestamp, resourceVersion: version } = module.metadata;
  const has = finalizers.includes(FINALIZER);
  const patch = (next: string[]): Write[] => [
    { verb: "patch", resource: MODULES, ref: refOf(module), patch: { metadata: { finalizers: next } }, version },
  ];
  if (deletionTimestamp !== undefined) {
    const used = view.configs.some(({ spec, status }) =>
      [...(spec?.modules ?? []), ...(status?.modules ?? [])].some((entry) => isOf(entry, module)),
    );
    return has && !used ? patch(finalizers.filter((each) => each !== FINALIZER)) : [];
  }
  return [...(has ? [] : patch([...finalizers, FINALIZER])), ...(givesUp(module, view) ? [] : imagesOf(module, view))];
}

function imagesOf(module: DeepReadonly<Module>, view: View): Write[] {
  const images = new Map<string, { image: string; kernelVersion: string }>();
  for (const node of targets(module, view)) {
    const kernelVersion = kernelOf(node);
    const image = imageName(module, kernelVersion);
    if (image !== undefined && !images.has(image)) images.set(image, { image, kernelVersion });
  }
  const spec = { images: [...images.values()], tolerations: module.spec.tolerations ?? [] };
  const ref = refOf(module);
  const now = view.images.find(({ metadata }) => isDeepStrictEqual(refOf({ ...module, metadata }), ref));
  if (isDeepStrictEqual(now?.spec, spec)) return [];
  if (now) return [{ verb: "patch", resource: MODULE_IMAGES_CONFIGS, ref, patch: { spec } }];
  const owner = {
    apiVersion: KMM_API_VERSION,
    kind: "Module",
    name: ref.name,
    uid: module.metadata.uid!,
    controller: true,
  };
  const metadata = { ...ref, ownerReferences: [owner] };
  const object = { apiVersion: KMM_API_VERSION, kind: "ModuleImagesConfig", metadata, spec };
  return [{ verb: "create", resource: MODULE_IMAGES_CONFIGS, object }];
}

/**
 * Whether the reconcile of the Module ends before any node is looked at (v2.6.0, internal/controllers/module_reconciler.go,
 * handleMIC): a kernel that the Module has a mapping for has too few parts, or an expression does not parse.
 */
function givesUp(module: DeepReadonly<Module>, view: View): boolean {
  return targets(module, view).some((node) => {
    try {
      imageName(module, kernelOf(node));
      return false;
    } catch {
      return true;
    }
  });
}

function targets(module: DeepReadonly<Module>, view: View): DeepReadonly<Node>[] {
  return view.nodes.filter((node) => {
    const labels = node.metadata.labels ?? {};
    const selected = Object.entries(module.spec.selector).every(([key, value]) => labels[key] === value);
    return selected && isTolerated(node, module.spec.tolerations ?? []);
  });
}

/** One NodeModulesConfig for each node, with an entry for each module that it is to have. */
function specs(view: View): Write[] {
  return view.nodes.flatMap((node): Write[] => {
    const { name, uid } = node.metadata;
    const config = view.configs.find(({ metadata }) => metadata.name === name);
    const before = (config?.spec?.modules ?? []) as DeepReadonly<Entry>[];
    let after = before;
    for (const module of view.modules) after = change(after, module, node, view);
    if (isDeepStrictEqual(before, after)) return [];
    const spec = { modules: after };
    const version = config?.metadata.resourceVersion;
    if (config) return [{ verb: "patch", resource: NODE_MODULES_CONFIGS, ref: { name }, patch: { spec }, version }];
    const metadata = { name, ownerReferences: [{ apiVersion: "v1", kind: "Node", name, uid: uid! }] };
    const object = { apiVersion: KMM_API_VERSION, kind: "NodeModulesConfig", metadata, spec };
    return [{ verb: "create", resource: NODE_MODULES_CONFIGS, object }];
  });
}

/** What one Module changes of a node's list. While its version is another than the node's, nothing. */
function change(
  modules: DeepReadonly<Entry>[],
  module: DeepReadonly<Module>,
  node: DeepReadonly<Node>,
  view: View,
): DeepReadonly<Entry>[] {
  const without = modules.filter((entry) => !isOf(entry, module));
  if (module.metadata.deletionTimestamp === undefined && givesUp(module, view)) return modules;
  const image = imageName(module, kernelOf(node));
  if (module.metadata.deletionTimestamp !== undefined || !targets(module, view).includes(node)) return without;
  const label = node.metadata.labels?.[workerLabel(refOf(module))];
  const { container, serviceAccountName = "default" } = module.spec.moduleLoader;
  if (image === undefined || label === undefined) return without;
  if (label !== container.version || !exists(image, module, view)) return modules;
  const { inTreeModulesToRemove, imagePullPolicy = "IfNotPresent", modprobe, version } = container;
  const config = {
    kernelVersion: kernelOf(node),
    containerImage: image,
    imagePullPolicy,
    insecurePull: false,
    ...(inTreeModulesToRemove ? { inTreeModulesToRemove } : {}),
    modprobe: { dirName: "/opt", ...modprobe },
  };
  const { namespace = "", name } = module.metadata;
  const tolerations = module.spec.tolerations ?? [];
  const entry: DeepReadonly<Entry> = { namespace, name, serviceAccountName, version, tolerations, config };
  const at = modules.findIndex((each) => isOf(each, module));
  return at < 0 ? [...modules, entry] : modules.with(at, entry);
}

function exists(image: string, module: DeepReadonly<Module>, view: View): boolean {
  const list = view.images.find(({ metadata }) =>
    isOf({ namespace: metadata.namespace ?? "", name: metadata.name }, module),
  );
  return list?.status?.imagesStates?.some((state) => state.image === image && state.status === "Exists") ?? false;
}

function kernelOf(node: DeepReadonly<Node>): string {
  return (node.status?.nodeInfo?.kernelVersion ?? "").replace(/\+$/, "");
}
