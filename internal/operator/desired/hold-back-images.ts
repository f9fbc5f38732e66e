/** Which image of a Module must wait for a new version, because nodes have loaded that version from another image. */
import { isDeepStrictEqual } from "node:util";
import type { DeepReadonly } from "../../api/core.ts";
import { kernelName } from "../../api/kernel-tag.ts";
import type { KernelMapping, Module } from "../../api/kmm.ts";
import type { Kmm } from "../kmm/kmm.ts";
import { imageFor, literalMapping, mappingFor } from "../kmm/module-config.ts";
import { isOfVersion, withMappings } from "../kmm/module-spec.ts";
import type { HeldBack } from "./hold-back.ts";

/** A node that has loaded the wanted version, and the image that it was loaded from. */
interface LoadedImage {
  kernel: string;
  /** undefined: not known. */
  image: string | undefined;
}

/**
 * Keeps the images that nodes have loaded, if applying others would reload them. The Module in the cluster may be of
 * another version by now, and says nothing of what the nodes were loaded with; the nodes do.
 *
 * If it is of another version, their kernels get a mapping of their own with the image that they have: then nodes of
 * other kernels can be loaded. If it is of this version, or if nodes of one kernel have different images, it stays.
 *
 * @param live the Module in the cluster
 */
export function holdBackImages(
  { apply, heldBack }: HeldBack,
  live: DeepReadonly<Module> | undefined,
  nodes: readonly LoadedImage[],
  kmm: Pick<Kmm, "kernelInImageNames">,
): HeldBack {
  const { container } = apply.spec.moduleLoader;
  if (!live || isDeepStrictEqual(live.spec.moduleLoader.container, container)) return { apply, heldBack };
  const other = nodes.find(({ kernel, image }) => image !== undefined && imageFor(apply, kernel, kmm) !== image);
  if (!other) return { apply, heldBack };
  const wanted = imageFor(apply, other.kernel, kmm) ?? "none";
  const change = `spec.onload.kernelMappings (kernel ${other.kernel}: ${other.image} to ${wanted})`;
  const kept = isOfVersion(live, container.version) ? undefined : keepImages(apply, nodes, kmm);
  return {
    apply: kept ?? { ...apply, spec: structuredClone(live.spec) as Module["spec"] },
    heldBack: [...heldBack, change],
  };
}

/**
 * The Module with a mapping for each kernel whose nodes have another image than the Module gives them.
 *
 * @returns undefined if nodes of one kernel have different images, of which KMM can have only one
 */
function keepImages(
  module: Module,
  nodes: readonly LoadedImage[],
  kmm: Pick<Kmm, "kernelInImageNames">,
): Module | undefined {
  const images = new Map<string, string>();
  const kept: KernelMapping[] = [];
  for (const { kernel, image } of nodes) {
    if (image === undefined) continue;
    const literal = kernelName(kernel);
    const before = images.get(literal);
    if (before !== undefined && before !== image) return undefined;
    images.set(literal, image);
    if (before !== undefined || imageFor(module, kernel, kmm) === image) continue;
    // What else a mapping says stays.
    kept.push(literalMapping({ ...mappingFor(module, kernel), containerImage: image }, kernel));
  }
  return withMappings(module, [...kept, ...module.spec.moduleLoader.container.kernelMappings]);
}
