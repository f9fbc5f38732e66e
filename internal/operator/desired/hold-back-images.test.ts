/** The KernelMappings that KMM gets are written out here; which of them it takes is asked of the real rule elsewhere. */
import { expect, test } from "bun:test";
import type { Module } from "../../api/kmm.ts";
import { holdBackImages } from "./hold-back-images.ts";

const kmm = { kernelInImageNames: (kernel: string) => kernel.replace(/\+$/, "") };
const [EL8, EL9] = ["4.18.0-513.el8.x86_64", "5.14.0-427.el9.x86_64"];
const FIRST = { regexp: "^.*$", containerImage: "registry/onload:v1-${KERNEL_FULL_VERSION}" };
const SECOND = { regexp: "^.*$", containerImage: "registry/onload:v1b-${KERNEL_FULL_VERSION}" };

function module(
  version: string,
  mapping: Module["spec"]["moduleLoader"]["container"]["kernelMappings"][number],
): Module {
  const container = { modprobe: { moduleName: "onload" }, version, kernelMappings: [mapping] };
  return {
    apiVersion: "kmm.sigs.x-k8s.io/v1beta1",
    kind: "Module",
    metadata: { namespace: "onload", name: "onload-module" },
    spec: { selector: {}, moduleLoader: { container } },
  };
}

const build = { dockerfileConfigMap: { name: "dockerfile" } };
const loaded = (kernel: string, tag: string): { kernel: string; image: string } => ({
  kernel,
  image: `registry/onload:${tag}-${kernel.replace(/\+$/, "")}`,
});

test.each([
  ["nothing is loaded from another image", "v3", [loaded(EL9, "v1b")], [], 0],
  ["no image is known", "v3", [{ kernel: EL9, image: undefined }], [], 0],
  ["the Module is of another version", "v3", [loaded(EL8, "v1"), loaded(EL9, "v1b")], [loaded(EL8, "v1")], 1],
  ["a kernel's name ends in +", "v3", [loaded("6.1.0+", "v1")], [{ ...loaded("6.1.0", "v1") }], 1],
  ["two nodes have it", "v3", [loaded(EL8, "v1"), loaded(EL8, "v1")], [loaded(EL8, "v1")], 1],
  ["nodes of one kernel have two images", "v3", [loaded(EL8, "v1b"), loaded(EL8, "v1")], "as it is", 1],
  [
    "nodes of one kernel have two images, the other first",
    "v3",
    [loaded(EL8, "v1"), loaded(EL8, "v1b")],
    "as it is",
    1,
  ],
  ["the Module is of this version", "v1", [loaded(EL8, "v1")], "as it is", 1],
] as const)("%s", (_what, version, nodes, kept, changes) => {
  const live = module(version, FIRST);
  const wanted = module("v1", { ...SECOND, build });
  const given = structuredClone({ live, wanted });
  const { apply, heldBack } = holdBackImages({ apply: wanted, heldBack: [] }, live, nodes, kmm);
  const literals =
    kept === "as it is" ? [] : kept.map(({ kernel, image }) => ({ literal: kernel, containerImage: image }));
  const { container } = apply.spec.moduleLoader;
  expect(container.version).toBe(kept === "as it is" ? version : "v1");
  expect(container.kernelMappings).toEqual(kept === "as it is" ? [FIRST] : [...literals, { ...SECOND, build }]);
  expect(heldBack).toHaveLength(changes);
  expect({ live, wanted }).toEqual(given);
});
