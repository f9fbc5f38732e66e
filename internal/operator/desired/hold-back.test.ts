import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { KernelMapping, Module, ModuleLoaderContainer } from "../../api/kmm.ts";
import type { Kmm } from "../kmm/kmm.ts";
import { KMM_1, KMM_2 } from "../testing/kmm.ts";
import { holdBack } from "./hold-back.ts";

const el8: KernelMapping = { regexp: "el8", containerImage: "r/module:1-el8" };
const el9: KernelMapping = { regexp: "el9", containerImage: "r/module:1-el9" };
const KERNEL_8 = "4.18.0-372.el8.x86_64";
const KERNEL_9 = "5.14.0-70.el9.x86_64";

function module(container: Partial<ModuleLoaderContainer> = {}, spec: Partial<Module["spec"]> = {}): Module {
  return {
    apiVersion: "kmm.sigs.x-k8s.io/v1beta1",
    kind: "Module",
    metadata: { namespace: "ns", name: "onload-module" },
    spec: {
      selector: { "kubernetes.io/os": "linux" },
      ...spec,
      moduleLoader: {
        serviceAccountName: "sa",
        ...spec.moduleLoader,
        container: {
          modprobe: { moduleName: "onload", parameters: ["--first-time"] },
          kernelMappings: [el8],
          version: "1",
          ...container,
        },
      },
    },
  };
}

/** The first mapping for a kernel, as KMM chooses it. */
const firstFor = (mappings: readonly KernelMapping[], kernel: string): KernelMapping | undefined =>
  mappings.find(({ literal, regexp }) => literal === kernel || (regexp !== undefined && toRegExp(regexp).test(kernel)));

/** RE2's forms that these tests use, in JavaScript's. */
const toRegExp = (text: string): RegExp =>
  new RegExp(
    text.replace("(?P<", "(?<").replace("(?i)", "").replace("[[:digit:]]", "[0-9]"),
    text.includes("(?i)") ? "i" : "",
  );

/** Nodes of these kernels get from a Module what they got from another one. */
function expectAsBefore(module: Module, before: Module, kernels: readonly string[]): void {
  const { container: _, ...pods } = module.spec.moduleLoader;
  const { container: __, ...podsBefore } = before.spec.moduleLoader;
  expect({ ...module.spec, moduleLoader: pods }).toEqual({ ...before.spec, moduleLoader: podsBefore });
  for (const kernel of kernels) {
    const loads = ({ spec: { moduleLoader } }: Module): object => {
      const { kernelMappings, ...rest } = moduleLoader.container;
      const { regexp: ___, literal: ____, ...mapping } = firstFor(kernelMappings, kernel)!;
      return { ...rest, mapping };
    };
    expect(loads(module)).toEqual(loads(before));
  }
}

describe("holdBack", () => {
  interface Case {
    live?: Module;
    lastReady?: Module;
    desired: Module;
    kernels?: string[];
    kmm?: Kmm;
    /** What must be held back; nothing means that `desired` is applied as it stands. */
    held?: string[];
  }
  const newImage = { ...el8, containerImage: "r/module:fixed" };
  const imageHeld = [`spec.onload.kernelMappings (kernel ${KERNEL_8}: r/module:1-el8 to r/module:fixed)`];
  const cases: Record<string, Case> = {
    "no Module yet": { desired: module() },
    "nothing changed": { live: module(), desired: module() },
    "another image at the same version": {
      live: module(),
      desired: module({ kernelMappings: [newImage] }),
      held: imageHeld,
    },
    "another image, but no node is labelled": {
      live: module(),
      desired: module({ kernelMappings: [newImage] }),
      kernels: [],
    },
    "another image with a new version": {
      live: module(),
      desired: module({ kernelMappings: [newImage], version: "2" }),
    },
    "back to the version of the labelled nodes, with another image": {
      live: module({ version: "2" }),
      lastReady: module(),
      desired: module({ kernelMappings: [newImage] }),
      held: imageHeld,
    },
    "back to the version of the labelled nodes, unchanged": {
      live: module({ version: "2", kernelMappings: [newImage] }),
      lastReady: module(),
      desired: module(),
    },
    "a mapping for a kernel that no labelled node runs": {
      live: module(),
      desired: module({ kernelMappings: [el8, el9] }),
    },
    "the mapping of a labelled node is gone": {
      live: module({ kernelMappings: [el8, el9] }),
      desired: module({ kernelMappings: [el8] }),
      kernels: [KERNEL_8, KERNEL_9],
      held: [`spec.onload.kernelMappings (kernel ${KERNEL_9}: r/module:1-el9 to none)`],
    },
    "another mapping comes first for a labelled node": {
      live: module(),
      desired: module({ kernelMappings: [{ regexp: "x86", containerImage: "r/module:any" }, el8] }),
      held: [`spec.onload.kernelMappings (kernel ${KERNEL_8}: r/module:1-el8 to r/module:any)`],
    },
    "another expression that chooses the same image": {
      live: module(),
      desired: module({ kernelMappings: [{ ...el8, regexp: "el8\\.x86_64$" }] }),
    },
    "another expression that only RE2 knows, and that chooses the same image": {
      live: module(),
      desired: module({ kernelMappings: [{ ...el8, regexp: "(?i)(?P<n>EL[[:digit:]])" }] }),
    },
    "an expression that cannot be evaluated: any change is held back": {
      live: module(),
      desired: module({ kernelMappings: [{ ...el8, regexp: "el8(?!_5)" }] }),
      held: [`spec.onload.kernelMappings (kernel ${KERNEL_8}: r/module:1-el8 to none)`],
    },
    "an expression that cannot be evaluated, and nothing changed": {
      live: module({ kernelMappings: [{ ...el8, regexp: "el8(?!_5)" }] }),
      desired: module({ kernelMappings: [{ ...el8, regexp: "el8(?!_5)" }] }),
    },
    "such an expression is replaced": {
      live: module({ kernelMappings: [{ ...el8, regexp: "el8(?!_5)" }] }),
      desired: module(),
      held: [`spec.onload.kernelMappings (kernel ${KERNEL_8}: none to r/module:1-el8)`],
    },
    "such an expression behind the mapping of every labelled node": {
      live: module(),
      desired: module({ kernelMappings: [el8, { ...el9, regexp: "(?!" }] }),
    },
    "the kernel itself in the live Module, put in by a person": {
      live: module({ kernelMappings: [{ containerImage: el8.containerImage, literal: KERNEL_8 }] }),
      desired: module(),
    },
    "the image as a node was loaded from it, where KMM's variables give the same": {
      live: module({ kernelMappings: [{ containerImage: `r/module:1-${KERNEL_8}`, literal: KERNEL_8 }] }),
      desired: module({ kernelMappings: [{ ...el8, containerImage: "r/module:1-${KERNEL_FULL_VERSION}" }] }),
    },
    "KMM's variables give another image": {
      live: module({ kernelMappings: [{ ...el8, containerImage: "r/module:1-${KERNEL_FULL_VERSION}" }] }),
      desired: module({ kernelMappings: [{ ...el8, containerImage: "r/module:1-${KERNEL_X}" }] }),
      held: [`spec.onload.kernelMappings (kernel ${KERNEL_8}: r/module:1-${KERNEL_8} to r/module:1-4)`],
    },
    "only how the image is built": {
      live: module(),
      desired: module({ kernelMappings: [{ ...el8, build: { dockerfileConfigMap: { name: "d" } } }] }),
    },
    "pull policy": {
      live: module(),
      desired: module({ imagePullPolicy: "Always" }),
      held: ["spec.onload.imagePullPolicy (unset to Always)"],
    },
    "modprobe in the live Module, changed by a person": {
      live: module({ modprobe: { moduleName: "onload", parameters: ["--first-time", "debug=1"] } }),
      desired: module(),
      held: [
        'modprobe of the Module ({"moduleName":"onload","parameters":["--first-time","debug=1"]} to {"moduleName":"onload","parameters":["--first-time"]})',
      ],
    },
    "what the API server and KMM add by themselves": {
      live: module({
        modprobe: { moduleName: "onload", parameters: ["--first-time"], dirName: "/opt" },
        ...({ registryTLS: {} } as object),
        inTreeModuleToRemove: "",
      }),
      desired: module(),
    },
    "service account under KMM 2": {
      live: module(),
      desired: module({}, { moduleLoader: { serviceAccountName: "other" } as Module["spec"]["moduleLoader"] }),
      kmm: KMM_2,
    },
    "service account under KMM 1.1": {
      live: module(),
      desired: module({}, { moduleLoader: { serviceAccountName: "other" } as Module["spec"]["moduleLoader"] }),
      held: ["spec.serviceAccountName (sa to other)"],
    },
    "pull secret under KMM 1.1": {
      live: module(),
      desired: module({}, { imageRepoSecret: { name: "s" } }),
      held: ["spec.imagePullSecrets (unset to s)"],
    },
    "pull secret that goes, under KMM 1.1": {
      live: module({}, { imageRepoSecret: { name: "s" } }),
      desired: module(),
      held: ["spec.imagePullSecrets (s to unset)"],
    },
    "the Module in the cluster, and another one of that version that was Ready before": {
      live: module(),
      lastReady: module({ kernelMappings: [newImage] }),
      desired: module(),
    },
  };
  for (const [name, { live, lastReady, desired, kernels = [KERNEL_8], kmm = KMM_1, held = [] }] of Object.entries(
    cases,
  )) {
    test(name, () => {
      const { apply, heldBack } = holdBack(desired, { live, lastReady, kernels }, kmm);
      expect(heldBack).toEqual(held);
      if (held.length === 0) expect(apply).toEqual(desired);
      else expectAsBefore(apply, (live?.spec.moduleLoader.container.version === "1" ? live : lastReady)!, kernels);
    });
  }

  test("a Module of the original operator keeps the form of its in-tree module until its next version", () => {
    const live = module({ inTreeModuleToRemove: "sfc" });
    const desired = module({ inTreeModulesToRemove: ["sfc"] });
    const same = holdBack(desired, { live, kernels: [KERNEL_8] }, KMM_2);
    expect(same.heldBack).toEqual([]);
    expect(same.apply).toEqual(live);
    const next = module({ inTreeModulesToRemove: ["sfc"], version: "2" });
    expect(holdBack(next, { live, kernels: [KERNEL_8] }, KMM_2).apply).toEqual(next);
  });

  test("metadata, tolerations and build go through even while a change is held back", () => {
    const desired = module({ kernelMappings: [newImage] }, { tolerations: [{ key: "a", operator: "Exists" }] });
    desired.metadata.labels = { a: "b" };
    const { apply } = holdBack(desired, { live: module(), kernels: [KERNEL_8] }, KMM_2);
    expect(apply.metadata.labels).toEqual({ a: "b" });
    expect(apply.spec.tolerations).toEqual([{ key: "a", operator: "Exists" }]);
    expect(firstFor(apply.spec.moduleLoader.container.kernelMappings, KERNEL_8)?.containerImage).toBe("r/module:1-el8");
  });

  test("kernels whose nodes have nothing loaded get what is desired, whatever is held back for others", () => {
    const desired = module({ kernelMappings: [newImage, el9], imagePullPolicy: "Always" });
    const inUse = { live: module(), kernels: [KERNEL_8], idleKernels: [KERNEL_9] };
    const { apply, heldBack } = holdBack(desired, inUse, KMM_2);
    expect(heldBack).toEqual(["spec.onload.imagePullPolicy (unset to Always)", ...imageHeld]);
    // If nobody waits for it, KMM is not woken.
    expect(holdBack(desired, { ...inUse, idleKernels: [] }, KMM_2).apply.spec).toEqual(module().spec);
    const { kernelMappings, imagePullPolicy } = apply.spec.moduleLoader.container;
    expect(imagePullPolicy).toBeUndefined();
    const images = [KERNEL_8, "4.18.0-other.el8.x86_64", KERNEL_9].map((kernel) => firstFor(kernelMappings, kernel));
    expect(images.map((mapping) => mapping?.containerImage)).toEqual([
      "r/module:1-el8",
      "r/module:fixed",
      "r/module:1-el9",
    ]);
  });

  test("a mapping that is gone is kept behind those that others wait for, where a failed node's is kept too", () => {
    const live = module({ kernelMappings: [el8] });
    const inUse = { live, kernels: [KERNEL_8], idleKernels: [KERNEL_9] };
    const { apply } = holdBack(module({ kernelMappings: [el9] }), inUse, KMM_2);
    const literal = { literal: KERNEL_8, containerImage: el8.containerImage };
    expect(apply.spec.moduleLoader.container.kernelMappings).toEqual([el9, literal]);
    // One that another mapping would hide stands before it.
    const both = holdBack(module({ kernelMappings: [newImage, el9] }), inUse, KMM_2).apply;
    expect(both.spec.moduleLoader.container.kernelMappings).toEqual([literal, newImage, el9]);
  });

  test("if KMM may have chosen any of the mappings, none changes", () => {
    const live = module({ kernelMappings: [{ ...el8, regexp: "el8(?!_5)" }] });
    const inUse = { live, kernels: [KERNEL_8], idleKernels: [KERNEL_9] };
    const { apply } = holdBack(module({ kernelMappings: [el8, el9] }), inUse, KMM_2);
    expect(apply.spec).toEqual(live.spec);
  });

  test("never lets through a change that alters the image of a labelled node, and asks for the same once applied", () => {
    const mapping = fc.record({
      regexp: fc.constantFrom("el8", "el9", "x86_64", "^4", "^5", "none"),
      containerImage: fc.constantFrom("a:1", "b:1"),
    });
    const mappings = fc.array(mapping, { minLength: 1, maxLength: 4 });
    const image = (list: readonly KernelMapping[], kernel: string): string | undefined =>
      firstFor(list, kernel)?.containerImage;
    fc.assert(
      fc.property(mappings, mappings, fc.subarray([KERNEL_8, KERNEL_9]), (was, want, kernels) => {
        const idleKernels = [KERNEL_8, KERNEL_9].filter((kernel) => !kernels.includes(kernel));
        const live = module({ kernelMappings: was });
        const { apply, heldBack } = holdBack(module({ kernelMappings: want }), { live, kernels, idleKernels }, KMM_2);
        const applied = apply.spec.moduleLoader.container.kernelMappings;
        for (const kernel of kernels) {
          if (image(was, kernel) !== undefined) expect(image(applied, kernel)).toBe(image(was, kernel)!);
        }
        const harmful = kernels.some((k) => image(was, k) !== undefined && image(was, k) !== image(want, k));
        expect(heldBack.length > 0).toBe(harmful);
        // Once applied, the same resource asks for the same again.
        expect(holdBack(module({ kernelMappings: want }), { live: apply, kernels, idleKernels }, KMM_2).apply).toEqual(
          apply,
        );
        // From a Module without a mapping for its kernel a node has nothing loaded, whatever its labels say.
        const idle = [...idleKernels, ...kernels.filter((each) => image(was, each) === undefined)];
        if (kernels.length > 0)
          for (const kernel of idle.filter((each) => image(want, each) !== undefined))
            expect(image(applied, kernel)).toBe(image(want, kernel));
      }),
    );
  });
});
