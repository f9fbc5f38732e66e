/** Mappings that a Module keeps for nodes of another version; the lists that KMM gets are written out here. */
import { describe, expect, test } from "bun:test";
import type { KernelMapping, Module } from "../../api/kmm.ts";
import { keepMappings, withoutKept } from "./keep-mappings.ts";

const moduleOf = (...kernelMappings: KernelMapping[]): Module => ({
  apiVersion: "kmm.sigs.x-k8s.io/v1beta1",
  kind: "Module",
  metadata: { namespace: "ns", name: "m" },
  spec: { selector: {}, moduleLoader: { container: { modprobe: { moduleName: "m" }, version: "2", kernelMappings } } },
});
const mappingsOf = ({ spec }: Module): KernelMapping[] => spec.moduleLoader.container.kernelMappings;

const six: KernelMapping = { regexp: "^6", containerImage: "m:2" };
const any: KernelMapping = { regexp: "^[45]", containerImage: "m:1" };
const literal = (kernel: string, containerImage = "m:1"): KernelMapping => ({ literal: kernel, containerImage });

describe("a kernel that has no mapping any more", () => {
  const kept = (kernels: string[], module = moduleOf(six)): KernelMapping[] =>
    mappingsOf(keepMappings(module, moduleOf(any), kernels));
  test("keeps the one that it had, for itself alone, behind all others, and in one order", () => {
    expect(kept(["5.1.0+", "4.1.0"])).toEqual([six, literal("4.1.0"), literal("5.1.0")]);
    expect(kept(["4.1.0", "5.1.0"])).toEqual([six, literal("4.1.0"), literal("5.1.0")]);
  });
  test("stands among others that are kept, whatever for", () => {
    expect(kept(["5.1.0"], moduleOf(six, literal("5.9.0"), literal("4.1.0")))).toEqual([
      six,
      literal("4.1.0"),
      literal("5.1.0"),
      literal("5.9.0"),
    ]);
    // A person's mapping for a kernel alone stays where it is.
    const own = literal("6.1.0", "m:own");
    expect(kept(["5.1.0"], moduleOf(own, six))).toEqual([own, six, literal("5.1.0")]);
  });
  test("keeps none where it has one, or may have, or had none", () => {
    expect(kept(["6.1.0", "3.1.0"])).toEqual([six]);
    const unknown: KernelMapping = { regexp: "(?!x)", containerImage: "m:2" };
    expect(kept(["5.1.0"], moduleOf(unknown))).toEqual([unknown]);
    expect(mappingsOf(keepMappings(moduleOf(six), undefined, ["5.1.0"]))).toEqual([six]);
  });
});

describe("a mapping for one kernel alone", () => {
  test("goes, unless a node of that kernel has the version itself", () => {
    const module = moduleOf(six, literal("4.1.0"), literal("5.1.0"));
    expect(mappingsOf(withoutKept(module, ["5.1.0+"]))).toEqual([six, literal("5.1.0")]);
    expect(mappingsOf(withoutKept(module, []))).toEqual([six]);
  });
  test("is no reason to make the Module anew if there is none to go", () => {
    const module = moduleOf(six, literal("4.1.0"));
    expect(withoutKept(module, ["4.1.0"])).toBe(module);
  });
});
