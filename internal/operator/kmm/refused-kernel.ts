/** Kernels that KMM cannot take, and the nodes of such kernels at which it would give up for all others. Pure. */
import { firstFew } from "../../cli/first-few.ts";
import { printable } from "../../cli/printable.ts";
import type { DeepReadonly, Node } from "../../api/core.ts";
import { kernelName, kernelOf, kernelTag } from "../../api/kernel-tag.ts";
import type { Module } from "../../api/kmm.ts";
import { hasLabels } from "../../api/label-selector.ts";
import { IMAGE, LABEL_VALUE } from "../../api/references.ts";
import type { ReadOnlyStore } from "../../kube/store.ts";
import type { KernelRefusal, Kmm } from "./kmm.ts";
import { imageFor, mappingFor } from "./module-config.ts";

/** So much of a kernel's version is shown; `uname` gives 64 characters at most. */
const MAX_KERNEL = 100;
const MAX_NAME = 30;
const MAX_NAMED = 5;
const MAX_IMAGE = 300;
const OTHER_KERNEL = "give the node another kernel";

/**
 * Every KMM takes the first three parts of a kernel's version without which it cannot name an image
 * (internal/utils/replaceStrings.go). Up to 2.1 its program ends where there are fewer. In 2.2 and 2.3 controller-runtime
 * recovers that panic, and since 2.4 it is an error: then only the Module's reconcile ends, before any NodeModulesConfig
 * is written.
 *
 * @param inNames see Kmm.kernelInImageNames
 */
export function refusedForParts(kernelVersion: string, inNames: string): KernelRefusal | undefined {
  if (inNames.split(/[.,-]/).length >= 3) return undefined;
  const why = `KMM gives up for all nodes at ${kernelText(kernelVersion)}, because its version has fewer than three parts`;
  return { why, remedy: OTHER_KERNEL };
}

/**
 * KMM 1.1 writes the version into labels of nodes and of DaemonSets as it is (v1.1.0,
 * controllers/node_kernel_reconciler.go, internal/daemonset/daemonset.go). That its DaemonSet is refused ends its pass over
 * the other kernels too (controllers/module_reconciler.go).
 */
export function refusedAsLabel(kernelVersion: string): KernelRefusal | undefined {
  if (LABEL_VALUE.test(kernelName(kernelVersion))) return undefined;
  const why = `KMM 1.1 cannot label a node of ${kernelText(kernelVersion)}, because a label's value cannot be so`;
  return { why, remedy: "install KMM 2.1.1 or later" };
}

/**
 * A node of another operating system may have the labels of spec.selector, as a worker has. An expression may match its
 * version, but no KMM loads anything there.
 */
export function refusedSystem(operatingSystem: string | undefined): KernelRefusal | undefined {
  if (operatingSystem === undefined || operatingSystem === "" || operatingSystem === "linux") return undefined;
  const why = `Onload is for Linux, and the node runs ${printable(operatingSystem, MAX_NAME)}`;
  return { why, remedy: "correct spec.selector, or the node's labels" };
}

/** Why a Module gives a node of a kernel nothing although it has a mapping for it; undefined if it gives it an image. */
export function refusalAt(
  kernelVersion: string,
  module: DeepReadonly<Module> | undefined,
  kmm: Pick<Kmm, "refusesKernel" | "kernelInImageNames">,
): KernelRefusal | undefined {
  return kmm.refusesKernel(kernelVersion) ?? (module && refusedAsImage(kernelVersion, module, kmm));
}

/**
 * KMM before 2.1.1 puts all of a kernel's version but one trailing `+` into the names of images as it is (v2.0.2,
 * internal/module/kernelmapper.go), and its worker ends at a name that is none. Other nodes go on.
 */
function refusedAsImage(
  kernelVersion: string,
  module: DeepReadonly<Module>,
  kmm: Pick<Kmm, "kernelInImageNames">,
): KernelRefusal | undefined {
  const image = imageFor(module, kernelVersion, kmm);
  // What a variable that is left would become is KMM's to say.
  if (image === undefined || image.includes("$") || IMAGE.test(image)) return undefined;
  const why = `KMM would ask for ${printable(image, MAX_IMAGE)} at ${kernelText(kernelVersion)}, which cannot be the name of an image`;
  const tag = kernelTag(kernelVersion);
  const mapping = "put a mapping for this kernel alone before the others, whose image has";
  if (kmm.kernelInImageNames(kernelVersion) === tag) return { why, remedy: `${mapping} no variable` };
  return { why, remedy: `install KMM 2.1.1 or later, or ${mapping} ${tag} and no variable` };
}

function kernelText(kernelVersion: string): string {
  return kernelVersion === ""
    ? "a kernel that the node does not name"
    : `kernel ${printable(kernelVersion, MAX_KERNEL)}`;
}

/** A node whose kernel KMM cannot take. */
export interface RefusedNode {
  node: DeepReadonly<Node>;
  refusal: KernelRefusal;
}

/** Nodes by their kernels: many nodes have few. */
export type NodesByKernel = Pick<ReadOnlyStore<Node, "kernel">, "indexValues" | "byIndex">;

/** The nodes whose kernels KMM cannot take, whosever they are. */
export function refusedNodes(nodes: NodesByKernel, kmm: Pick<Kmm, "refusesKernel">): RefusedNode[] {
  const found: RefusedNode[] = [];
  for (const kernel of nodes.indexValues("kernel")) {
    const refusal = kmm.refusesKernel(kernel);
    if (refusal) for (const node of nodes.byIndex("kernel", kernel)) found.push({ node, refusal });
  }
  return found;
}

/**
 * Why KMM would give up for all nodes at Modules like these: one of them selects a node and has a mapping for its kernel,
 * which KMM cannot take. It does not matter whose node that is, nor whether it has the Module's version label: KMM asks
 * for the image first. A taint may go at any moment, so that it does not count either.
 *
 * @param refused see refusedNodes
 */
export function kernelStop(
  refused: readonly RefusedNode[],
  modules: readonly (DeepReadonly<Module> | undefined)[],
): KernelRefusal | undefined {
  const stops = refused
    .filter(({ node }) => modules.some((module) => module && targets(module, node)))
    .toSorted((a, b) => (a.node.metadata.name < b.node.metadata.name ? -1 : 1));
  const [first] = stops;
  if (!first) return undefined;
  const same = stops.filter(({ refusal }) => refusal.why === first.refusal.why);
  const names = firstFew(same, MAX_NAMED, ({ node }) => node.metadata.name);
  return {
    why: `${first.refusal.why}, and spec.onload.kernelMappings matches it (${names})`,
    remedy: `${first.refusal.remedy}, or correct the regexp so that it does not match`,
    stopsAll: true,
  };
}

function targets(module: DeepReadonly<Module>, node: DeepReadonly<Node>): boolean {
  const { labels = {} } = node.metadata;
  return hasLabels(module.spec.selector, labels) && mappingFor(module, kernelOf(node)) !== undefined;
}
