import type { DeepReadonly, Node } from "./core.ts";

/**
 * A kernel's version in the name of an image. KMM since 2.1.1 (internal/kernel/kernel.go) cuts one trailing `+`, and puts
 * `_` for every other character that a tag cannot hold, such as the `+` of 5.14.0-427.el9_4.x86_64+rt. KMM before cuts the
 * `+` alone. The boot service on a node does the same in its own words (internal/machineconfig/boot/sfc-boot-common.sh).
 */
export function kernelTag(kernelVersion: string): string {
  return kernelName(kernelVersion).replace(/[^A-Za-z0-9._-]/gu, "_");
}

/** The version of a node's kernel; "" if the node does not tell it. */
export function kernelOf({ status }: DeepReadonly<Node>): string {
  return status?.nodeInfo?.kernelVersion ?? "";
}

/** A kernel's version as every KMM compares it with kernel mappings: one trailing `+` does not count. */
export function kernelName(kernelVersion: string): string {
  return kernelVersion.endsWith("+") ? kernelVersion.slice(0, -1) : kernelVersion;
}
