/** What is to be in the cluster for one Onload resource: its Modules and DaemonSet. Pure. */
import { createHash } from "node:crypto";
import type { DaemonSet, DeepReadonly } from "../../api/core.ts";
import type { Module } from "../../api/kmm.ts";
import { kernelMappingFor } from "../../api/kernel-mapping.ts";
import type { Onload } from "../../api/onload.ts";
import { desiredDaemonSet } from "./daemonset.ts";
import { holdBack, type HeldBack } from "./hold-back.ts";
import { holdBackImages } from "./hold-back-images.ts";
import { keepMappings, withoutKept } from "./keep-mappings.ts";
import { keepTolerations } from "./keep-tolerations.ts";
import { desiredModules, type DesiredModules } from "./modules.ts";
import type { LoadedNode, ModulesInUse } from "./in-use.ts";
import type { Kmm } from "../kmm/kmm.ts";
import { mappingFor, mayMap } from "../kmm/module-config.ts";
import { isOfVersion } from "../kmm/module-spec.ts";
import type { LiveObjects } from "../observe/cluster.ts";
import { lastReadyOnload } from "../observe/last-ready.ts";
import { KMM_API_VERSION, objectLabels, onloadKeyOf, TEMPLATE_ANNOTATION, type OnloadKey } from "../../api/names.ts";

/** What is to be in the cluster for one Onload resource now. */
export interface DesiredObjects {
  onload: Module;
  /** undefined: none is to be made; one that is there stays while a node carries its label. */
  sfc: Module | undefined;
  /** The Modules as they are applied: with the mappings that nodes of other versions need; see keepMappings. */
  applied: { onload: Module; sfc: Module | undefined };
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
  inUse: ModulesInUse,
  image: string | undefined,
): DesiredObjects {
  const { loaded, others, kernels: all, plugin, selectors } = withoutRefused(inUse, kmm);
  const withSfc = keepSfc(onload, loaded);
  const desired = desiredModules(withSfc, kmm);
  const last = lastReadyModules(onload, kmm);
  const held = (each: "onload" | "sfc", module: Module): HeldBack => {
    module.spec.selector = kmm.selectorFor(module, { live: live[each], ...selectors[each] });
    const kernels = loaded.filter((node) => node[each]).map(({ kernel }) => kernel);
    const images = loaded.map((node) => ({ kernel: node.kernel, image: node[`${each}Image`] }));
    const idleKernels = all.filter((kernel) => !kernels.includes(kernel));
    const byFields = holdBack(module, { live: live[each], lastReady: last?.[each], kernels, idleKernels }, kmm);
    const { apply, heldBack } = holdBackImages(byFields, live[each], images, kmm);
    return { apply: withoutKept(apply, kernels), heldBack };
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
      !node.sfcAtBoot &&
      mayMap(sfcModule, node.kernel) &&
      !mappingFor(liveSfc, node.kernel),
  );
  if (gaining) {
    heldBack.push(`spec.onload.kernelMappings (sfc for kernel ${gaining.kernel})`);
    sfcModule = liveSfc && desired.sfc ? keepContainer(desired.sfc, liveSfc) : undefined;
  }
  const isLeftOut = withSfc !== onload || (!desired.sfc && loaded.some((node) => node.sfc));
  if (isLeftOut) heldBack.push("spec.onload.kernelMappings (sfc left out)");
  // The mappings of kernels with sfc may be gone altogether.
  if (isLeftOut && !desired.sfc && liveSfc) sfcModule = asItIs(liveSfc, onloadKeyOf(onload));
  const wanted = image === undefined ? undefined : desiredDaemonSet(onload, image);
  const daemonSet = wanted && plugin ? keepTolerations(wanted, live.daemonSet) : wanted;
  const template = daemonSet && stamp(daemonSet);
  const applied = {
    onload: keepMappings(main.apply, live.onload, others.onload),
    sfc: sfcModule && keepMappings(sfcModule, live.sfc, others.sfc),
  };
  return { onload: main.apply, sfc: sfcModule, applied, daemonSet, template, heldBack };
}

/** What is in use without kernels that KMM cannot take: nothing is loaded there, so that no mapping is kept for them. */
function withoutRefused({ loaded, others, kernels, ...rest }: ModulesInUse, kmm: Kmm): ModulesInUse {
  const isTaken = (kernel: string): boolean => kmm.refusesKernel(kernel) === undefined;
  return {
    ...rest,
    loaded: loaded.filter(({ kernel }) => isTaken(kernel)),
    others: { onload: others.onload.filter(isTaken), sfc: others.sfc.filter(isTaken) },
    kernels: kernels.filter(isTaken),
  };
}

/**
 * The resource with sfc kept in the mappings from which nodes have loaded it at this version. Until the next version,
 * nodes that are installed or reboot meanwhile get it too: an onload without sfc could not be given it later.
 */
function keepSfc(onload: DeepReadonly<Onload>, loaded: readonly LoadedNode[]): DeepReadonly<Onload> {
  const { kernelMappings: mappings } = onload.spec.onload;
  const used = new Set(loaded.flatMap(({ sfc, kernel }) => (sfc ? (kernelMappingFor(mappings, kernel) ?? []) : [])));
  if (mappings.every((mapping) => mapping.sfc !== undefined || !used.has(mapping))) return onload;
  const kernelMappings = mappings.map((mapping) =>
    used.has(mapping) ? { ...mapping, sfc: mapping.sfc ?? {} } : mapping,
  );
  return { ...onload, spec: { ...onload.spec, onload: { ...onload.spec.onload, kernelMappings } } };
}

/** The Modules that nodes of the last Ready version were loaded with, if the live ones are of another version by now. */
function lastReadyModules(onload: DeepReadonly<Onload>, kmm: Kmm): DesiredModules | undefined {
  const lastReady = lastReadyOnload(onload);
  if (lastReady?.version !== onload.spec.onload.version) return undefined;
  return desiredModules({ ...onload, spec: { ...onload.spec, onload: lastReady } }, kmm);
}

function keepContainer(desired: Module, live: DeepReadonly<Module>): Module {
  const { container } = structuredClone(live.spec.moduleLoader) as Module["spec"]["moduleLoader"];
  return { ...desired, spec: { ...desired.spec, moduleLoader: { ...desired.spec.moduleLoader, container } } };
}

/** A Module of a resource as it is in the cluster, as the body of a server-side apply. */
function asItIs({ kind, metadata, spec }: DeepReadonly<Module>, key: OnloadKey): Module {
  return {
    apiVersion: KMM_API_VERSION,
    kind,
    metadata: { name: metadata.name, namespace: key.namespace, labels: objectLabels(key, "module") },
    spec: structuredClone(spec) as Module["spec"],
  };
}

/** Writes a digest of the template into it, by which pods of an older template are known. */
function stamp({ spec: { template } }: DaemonSet): string {
  const digest = createHash("sha256").update(JSON.stringify(template)).digest("hex").slice(0, 16);
  template.metadata.annotations = { ...template.metadata.annotations, [TEMPLATE_ANNOTATION]: digest };
  return digest;
}
