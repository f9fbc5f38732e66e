/** Which image of a Module must wait for a new version, because nodes have loaded that version from another image. */
import { isDeepStrictEqual } from "node:util";
import type { DeepReadonly } from "../../api/core.ts";
import type { Module } from "../../api/kmm.ts";
import type { Kmm } from "../kmm/kmm.ts";
import { imageFor } from "../kmm/module-config.ts";
import type { HeldBack } from "./hold-back.ts";

/** A node that has loaded the wanted version, and the image that it was loaded from. */
interface LoadedImage {
  kernel: string;
  /** undefined: not known. */
  image: string | undefined;
}

/**
 * Leaves the Module in the cluster as it is if applying another would reload what nodes have loaded. The Module in the
 * cluster may be of another version by now, and says nothing of what the nodes were loaded with; the nodes do.
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
  return { apply: { ...apply, spec: structuredClone(live.spec) as Module["spec"] }, heldBack: [...heldBack, change] };
}
