/** What is to be in the cluster for one Onload resource: its Modules and DaemonSet. Pure. */
import { createHash } from "node:crypto";
import type { DaemonSet, DeepReadonly } from "../../api/core.ts";
import type { Module } from "../../api/kmm.ts";
import type { Onload } from "../../api/onload.ts";
import { desiredDaemonSet } from "./daemonset.ts";
import { holdBack, type HeldBack } from "./hold-back.ts";
import { holdBackImages } from "./hold-back-images.ts";
import { desiredModules, type DesiredModules } from "./modules.ts";
import type { Kmm, SelectorInUse, Version } from "../kmm/kmm.ts";
import { mappingFor } from "../kmm/module-config.ts";
import type { LiveObjects } from "../observe/cluster.ts";
import { lastReadyOnload } from "../observe/last-ready.ts";
import type { NodeObservation } from "../observe/observation.ts";
import { TEMPLATE_ANNOTATION } from "../../api/names.ts";

/** A node that carries a label of the wanted version, and which modules are loaded there. */
export interface LoadedNode {
  kernel: string;
  onload: boolean;
  sfc: boolean;
  /** Onload is asked for and sfc is not, and KMM may not have begun. */
  onloadAlone?: true;
  /** The images that they were loaded from, if that is known. */
  onloadImage?: string | undefined;
  sfcImage?: string | undefined;
}

/** What of a resource's Modules is in use on nodes. */
export interface ModulesInUse {
  /** Nodes with the wanted version; each combination once. */
  loaded: readonly LoadedNode[];
  /** What selected the nodes. */
  selectors: Record<"onload" | "sfc", Omit<SelectorInUse, "live">>;
}

/**
 * Whether a module may be in use on a node. One that is on its way without a failure counts: after a reboot it is loaded
 * again before KMM says so. One that failed does not, so that a wrong image can be corrected.
 */
function mayBeInUse(node: LoadedModules, module: "onload" | "sfc", version: Version): boolean {
  const { ready, present, labelledReady, failure } = node[module];
  if (ready === version) return true;
  return (present || labelledReady) && failure === undefined && node.labels[module] === version;
}

/**
 * Whether a node has been asked to load onload without sfc under it. It may be loaded by the time that sfc comes: nobody
 * can tell before. One that failed may want for just that sfc.
 */
function isOnloadAlone({ labels, onload, sfcAtBoot }: LoadedModules, version: Version): boolean {
  return sfcAtBoot === undefined && labels.onload === version && labels.sfc !== version && onload.failure === undefined;
}

/** What of a node tells which modules are in use there. */
type LoadedModules = Pick<NodeObservation, "kernel" | "want" | "labels" | "loadLabels" | "onload" | "sfc"> & {
  sfcAtBoot?: string | undefined;
};

/** Finds out what is in use from what is seen of the nodes. */
export function modulesInUse(nodes: readonly LoadedModules[], version: Version): ModulesInUse {
  const kinds = new Map<string, LoadedNode>();
  // Nodes that are to lose the modules count too: KMM would reload them before they are drained.
  for (const node of nodes) {
    const { kernel, labels } = node;
    const onloadLoaded = labels.onload === version && mayBeInUse(node, "onload", version);
    const sfcLoaded = labels.sfc === version && mayBeInUse(node, "sfc", version);
    const onloadAlone = !onloadLoaded && isOnloadAlone(node, version);
    if (!onloadLoaded && !sfcLoaded && !onloadAlone) continue;
    const onloadImage = onloadLoaded ? node.onload.image : undefined;
    const sfcImage = sfcLoaded ? node.sfc.image : undefined;
    const id = [onloadLoaded, sfcLoaded, onloadAlone, kernel, onloadImage, sfcImage].join(" ");
    const alone = onloadAlone ? { onloadAlone } : {};
    kinds.set(id, { kernel, onload: onloadLoaded, sfc: sfcLoaded, onloadImage, sfcImage, ...alone });
  }
  const loaded = [...kinds].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, kind]) => kind);
  return {
    loaded,
    selectors: { onload: selectorsOn(nodes, version, "onload"), sfc: selectorsOn(nodes, version, "sfc") },
  };
}

/** Nodes that are to lose the module count too: it must not be made anew under them before they are drained. */
function selectorsOn(
  nodes: readonly LoadedModules[],
  version: Version,
  module: "onload" | "sfc",
): Omit<SelectorInUse, "live"> {
  const on = nodes.find((node) => mayBeInUse(node, module, version));
  const unlabelled = nodes.some(({ labels, loadLabels, [module]: { present } }) => {
    const { value, effective } = loadLabels[module];
    return (labels[module] !== undefined && value === undefined) || (present && !effective);
  });
  return { loaded: on !== undefined, loadedBy: on?.[module].selector, unlabelled };
}

/** What is to be in the cluster for one Onload resource now. */
export interface DesiredObjects {
  onload: Module;
  /** undefined: none is to be made; one that is there stays while a node carries its label. */
  sfc: Module | undefined;
  daemonSet: DaemonSet | undefined;
  /** Digest of the DaemonSet's template. */
  template: string | undefined;
  /** Changes that wait for a new version, each naming its field. */
  heldBack: string[];
}

/**
 * What is to be in the cluster, less changes that would reload modules in place.
 *
 * @param inUse what is in use on nodes
 * @param image of the device plugin; undefined if none is known
 */
export function desiredObjects(
  onload: DeepReadonly<Onload>,
  kmm: Kmm,
  live: LiveObjects,
  { loaded, selectors }: ModulesInUse,
  image: string | undefined,
): DesiredObjects {
  const desired = desiredModules(onload, kmm);
  const last = lastReadyModules(onload, kmm);
  const held = (each: "onload" | "sfc", module: Module): HeldBack => {
    module.spec.selector = kmm.selectorFor(module, { live: live[each], ...selectors[each] });
    const kernels = loaded.filter((node) => node[each]).map(({ kernel }) => kernel);
    const images = loaded.map((node) => ({ kernel: node.kernel, image: node[`${each}Image`] }));
    const byFields = holdBack(module, { live: live[each], lastReady: last?.[each], kernels }, kmm);
    return holdBackImages(byFields, live[each], images, kmm);
  };
  const main = held("onload", desired.onload);
  const sfc = desired.sfc && held("sfc", desired.sfc);
  const heldBack = [...new Set([...main.heldBack, ...(sfc?.heldBack ?? [])])];
  let sfcModule = sfc?.apply;
  // Nodes that have this version's onload without sfc under it would get sfc under a loaded onload.
  const liveSfc = isOfVersion(live.sfc, onload.spec.onload.version) ? live.sfc : undefined;
  const gaining = loaded.find(
    (node) =>
      (node.onloadAlone || (node.onload && !node.sfc)) &&
      mappingFor(sfcModule, node.kernel) &&
      !mappingFor(liveSfc, node.kernel),
  );
  if (gaining) {
    heldBack.push(`spec.onload.kernelMappings (sfc for kernel ${gaining.kernel})`);
    sfcModule = liveSfc && desired.sfc ? keepContainer(desired.sfc, liveSfc) : undefined;
  }
  if (!desired.sfc && loaded.some((node) => node.sfc)) heldBack.push("spec.onload.kernelMappings (sfc left out)");
  const daemonSet = image === undefined ? undefined : desiredDaemonSet(onload, image);
  const template = daemonSet && stamp(daemonSet);
  return { onload: main.apply, sfc: sfcModule, daemonSet, template, heldBack };
}

/** The Modules that nodes of the last Ready version were loaded with, if the live ones are of another version by now. */
function lastReadyModules(onload: DeepReadonly<Onload>, kmm: Kmm): DesiredModules | undefined {
  const lastReady = lastReadyOnload(onload);
  if (lastReady?.version !== onload.spec.onload.version) return undefined;
  return desiredModules({ ...onload, spec: { ...onload.spec, onload: lastReady } }, kmm);
}

function isOfVersion(module: DeepReadonly<Module> | undefined, version: Version): boolean {
  return module?.spec.moduleLoader.container.version === version;
}

function keepContainer(desired: Module, live: DeepReadonly<Module>): Module {
  const { container } = structuredClone(live.spec.moduleLoader) as Module["spec"]["moduleLoader"];
  return { ...desired, spec: { ...desired.spec, moduleLoader: { ...desired.spec.moduleLoader, container } } };
}

/** Writes a digest of the template into it, by which pods of an older template are known. */
function stamp({ spec: { template } }: DaemonSet): string {
  const digest = createHash("sha256").update(JSON.stringify(template)).digest("hex").slice(0, 16);
  template.metadata.annotations = { ...template.metadata.annotations, [TEMPLATE_ANNOTATION]: digest };
  return digest;
}
