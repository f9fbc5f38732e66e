/** The name of the image that KMM 2.1.1 and later load for a kernel, by their own rule. */
import type { DeepReadonly } from "../../../api/core.ts";
import type { Module } from "../../../api/kmm.ts";

/**
 * v2.6.0, internal/module/kernelmapper.go and internal/kernel/kernel.go: every character that an image tag cannot hold
 * becomes `_`, and the parts of the kernel version are taken from the result.
 *
 * @returns undefined if no kernel mapping matches
 * @throws Error for a kernel of fewer than three parts: KMM ends the whole reconcile of the Module then
 */
export function imageName(module: DeepReadonly<Module>, kernel: string): string | undefined {
  const mapping = module.spec.moduleLoader.container.kernelMappings.find(
    ({ literal, regexp }) => literal === kernel || (regexp !== undefined && new RegExp(regexp).test(kernel)),
  );
  if (!mapping) return undefined;
  let tag = "";
  for (const char of kernel) tag += /[A-Za-z0-9._-]/.test(char) ? char : "_";
  const [major = "", minor = "", patch] = tag.split(/[.,-]/);
  if (patch === undefined) throw new Error(`invalid kernel version ${tag}`);
  const values = new Map([
    ["KERNEL_FULL_VERSION", tag],
    ["KERNEL_VERSION", tag],
    ["KERNEL_XYZ", [major, minor, patch].join(".")],
    ["KERNEL_X", major],
    ["KERNEL_Y", minor],
    ["KERNEL_Z", patch],
    ["MOD_NAME", module.metadata.name],
    ["MOD_NAMESPACE", module.metadata.namespace ?? ""],
  ]);
  let image = mapping.containerImage;
  for (const [name, value] of values) image = image.replaceAll(`\${${name}}`, value);
  for (const name of [...values.keys()].toSorted((a, b) => b.length - a.length)) {
    image = image.replaceAll(`$${name}`, values.get(name)!);
  }
  return image;
}
