/** How KMM names the image of a Module for a kernel. */
import type { DeepReadonly, Node } from "../../../api/core.ts";
import type { Module } from "../../../api/kmm.ts";

/** A node's kernel, as KMM reads it: one trailing `+` does not count. */
export function kernelOf(node: DeepReadonly<Node>): string {
  return (node.status?.nodeInfo?.kernelVersion ?? "").replace(/\+$/, "");
}

type Mapping = DeepReadonly<Module>["spec"]["moduleLoader"]["container"]["kernelMappings"][number];

/** The mapping for a kernel: the first that matches, of which one trailing `+` does not count. */
export function mappingOf(module: DeepReadonly<Module>, kernel: string): Mapping | undefined {
  const trimmed = kernel.endsWith("+") ? kernel.slice(0, -1) : kernel;
  return module.spec.moduleLoader.container.kernelMappings.find(
    ({ literal, regexp }) =>
      (literal !== undefined && literal === trimmed) || (regexp !== undefined && new RegExp(regexp).test(trimmed)),
  );
}

/**
 * The image for a kernel. KMM 2.1.1 and later put `_` for every character that the tag of an image cannot hold
 * (internal/kernel, NormalizeVersion); before, the kernel's version is taken as it is.
 *
 * @returns undefined if no mapping matches, or the kernel has too few parts; see {@link givesUpAt}
 */
export function imageOf(module: DeepReadonly<Module>, kernel: string, kmm: 1 | 2): string | undefined {
  const mapping = mappingOf(module, kernel);
  if (!mapping || givesUpAt(module, kernel, kmm)) return undefined;
  const trimmed = kernel.endsWith("+") ? kernel.slice(0, -1) : kernel;
  const version = kmm === 2 ? trimmed.replaceAll(/[^A-Za-z0-9_.-]/g, "_") : trimmed;
  const [x, y, z] = version.split(/[.,-]/);
  const values: Record<string, string> = {
    KERNEL_FULL_VERSION: version,
    KERNEL_VERSION: version,
    KERNEL_XYZ: `${x}.${y}.${z}`,
    MOD_NAME: module.metadata.name,
    MOD_NAMESPACE: module.metadata.namespace ?? "",
  };
  return mapping.containerImage.replaceAll(/\$\{(\w+)\}/g, (_, name: string) => values[name] ?? "");
}

/**
 * Whether KMM gives up, for all nodes, at a node of a kernel: it takes the first three parts of the version of each kernel
 * that the Module has a mapping for, and 1.1 makes a label of it (internal/utils/replaceStrings.go,
 * internal/daemonset/daemonset.go).
 */
export function givesUpAt(module: DeepReadonly<Module>, kernel: string, kmm: 1 | 2): boolean {
  if (!mappingOf(module, kernel)) return false;
  const trimmed = kernel.endsWith("+") ? kernel.slice(0, -1) : kernel;
  const parts = trimmed.replaceAll(kmm === 1 ? /[^.,-]/g : /[^.-]/g, "").length + 1;
  if (parts < 3) return true;
  return kmm === 1 && (trimmed.length > 63 || !/^[A-Za-z0-9][\w.-]*[A-Za-z0-9]$/.test(trimmed));
}

/** Whether a kernel's version is such as every distribution gives, of three parts at least. */
export function hasThreeParts(kernel: string): boolean {
  return (kernel.match(/[.,-]/g) ?? []).length >= 2;
}
