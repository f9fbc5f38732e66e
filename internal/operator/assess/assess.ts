/** From what is seen of a node, and what the resource asks for, to the facts that the rollout decides on. Pure. */
import type { DeepReadonly } from "../../api/core.ts";
import type { Module } from "../../api/kmm.ts";
import { missingImages, type ModuleImages } from "../kmm/images.ts";
import type { KernelRefusal, Kmm, LoadLabelObservation, Version } from "../kmm/kmm.ts";
import { requiresLoadLabel } from "../kmm/load-label.ts";
import { chooseMapping, expressionsOf, mappingFor, mayMap } from "../kmm/module-config.ts";
import { isOfVersion } from "../kmm/module-spec.ts";
import { refusalAt, refusedSystem } from "../kmm/refused-kernel.ts";
import type { NodeObservation, PluginObservation } from "../observe/observation.ts";
import type { LoadLabelFacts, NodeFacts, PluginFacts } from "./facts.ts";
import { blockingTaints, type AnyToleration } from "./taints.ts";

/** The objects that nodes are held against. */
export interface Wanted {
  kmm: Kmm;
  /** The version that nodes are brought to. */
  version: Version;
  /** The Modules as they are, or are about to be, in the cluster. */
  modules: { onload: DeepReadonly<Module> | undefined; sfc: DeepReadonly<Module> | undefined };
  /** The sfc Module in the cluster, which stays for a while after the resource has ceased to manage sfc. */
  liveSfc: DeepReadonly<Module> | undefined;
  /** What KMM knows of the Modules' images; undefined if it does not say. */
  images: { onload: ModuleImages; sfc: ModuleImages } | undefined;
  /** Why KMM gives up for all nodes; see kernelStop. */
  stop?: KernelRefusal | undefined;
  /** spec.tolerations. */
  tolerations: readonly AnyToleration[];
  /** Digest of the DaemonSet's template; undefined if the DaemonSet is not known. */
  template: string | undefined;
}

/** The facts of one node. */
export function assess(observation: NodeObservation, wanted: Wanted): NodeFacts {
  const { kmm, modules, images } = wanted;
  const { sfcAtBoot, plugin, taints, ...seen } = observation;
  const { kernel } = seen;
  const { mapping, problem } = chooseMapping(modules.onload, kernel);
  const kernelRefused = wanted.stop ?? refusedSystem(seen.operatingSystem) ?? refusalAt(kernel, modules.onload, kmm);
  const sfcMapped = mappingFor(modules.sfc, kernel) !== undefined;
  // sfc is never replaced under the node's own traffic: there, onload is loaded on top of the sfc that the boot brought.
  const sfcManaged = sfcMapped && sfcAtBoot === undefined;
  return {
    ...seen,
    kernelRefused,
    mapped: mapping !== undefined && !kernelRefused,
    mappingProblem: problem,
    mappingsTried: mapping === undefined && problem === undefined ? expressionsOf(modules.onload) : [],
    missingImages: missingImages(
      [
        { module: modules.onload, images: images?.onload },
        { module: sfcManaged ? modules.sfc : undefined, images: images?.sfc },
      ],
      kernel,
      kmm,
    ),
    taints: blockingTaints(taints, kmm, wanted.tolerations),
    sfcManaged,
    sfcAbandoned: !sfcManaged && seen.labels.sfc !== undefined && !isLoadedBy(wanted.liveSfc, seen.labels.sfc, kernel),
    sfcConflict: sfcMapped ? sfcAtBoot : undefined,
    loadLabels: {
      onload: loadLabelFacts(seen.loadLabels.onload, modules.onload),
      sfc: loadLabelFacts(seen.loadLabels.sfc, modules.sfc),
    },
    plugin: pluginFacts(plugin, wanted),
  };
}

/** Whether a Module makes KMM load a version for a kernel, or may do so. */
function isLoadedBy(module: DeepReadonly<Module> | undefined, version: Version, kernel: string): boolean {
  return isOfVersion(module, version) && mayMap(module, kernel);
}

function loadLabelFacts(seen: LoadLabelObservation, module: DeepReadonly<Module> | undefined): LoadLabelFacts {
  return { ...seen, required: module !== undefined && requiresLoadLabel(module) };
}

function pluginFacts({ made, ...seen }: PluginObservation, { version, template }: Wanted): PluginFacts {
  const isCurrent = (pod: NonNullable<typeof made>): boolean =>
    pod.version === version && (template === undefined || pod.template === template);
  // While a pod is on its way out, the one that follows will be of the present template.
  return { ...seen, current: made === undefined || isCurrent(made), version: made?.version };
}
