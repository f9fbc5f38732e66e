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
 * @returns undefined if no mapping matches
 */
export function imageOf(module: DeepReadonly<Module>, kernel: string, kmm: 1 | 2): string | undefined {
  const mapping = mappingOf(module, kernel);
  const trimmed = kernel.endsWith("+") ? kernel.slice(0, -1) : kernel;
  const version = kmm === 2 ? trimmed.replaceAll(/[^A-Za-z0-9_.-]/g, "_") : trimmed;
  const [x = "", y = "", z = ""] = version.split(/[.-]/);
  const values: Record<string, string> = {
    KERNEL_FULL_VERSION: version,
    KERNEL_VERSION: version,
    KERNEL_XYZ: `${x}.${y}.${z}`,
    MOD_NAME: module.metadata.name,
    MOD_NAMESPACE: module.metadata.namespace ?? "",
  };
  return mapping?.containerImage.replaceAll(/\$\{(\w+)\}/g, (_, name: string) => values[name] ?? "");
}
