import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { KubeObject } from "../../api/core.ts";
import { withDefaults, type Onload, type OnloadSpecInput } from "../../api/onload.ts";
import { KMM_1, KMM_2 } from "../testing/kmm.ts";
import { desiredModules } from "./modules.ts";

function onload(change: (spec: OnloadSpecInput) => void = () => undefined): Onload {
  const spec: OnloadSpecInput = {
    selector: { "node-role.kubernetes.io/worker": "" },
    serviceAccountName: "onload-operator-sa",
    onload: {
      kernelMappings: [
        {
          regexp: "^.*\\.x86_64$",
          kernelModuleImage: "registry/onload-module:8.1-${KERNEL_FULL_VERSION}",
          sfc: {},
          build: { dockerfileConfigMap: { name: "dockerfile" }, buildArgs: [{ name: "A", value: "" }] },
        },
        { regexp: "^6", kernelModuleImage: "registry/onload-module:8.1-6" },
      ],
      userImage: "registry/onload-user:8.1",
      version: "8.1",
      imagePullPolicy: "Always",
    },
  };
  change(spec);
  const raw: KubeObject = {
    apiVersion: "onload.amd.com/v1alpha1",
    kind: "Onload",
    metadata: { namespace: "onload-runtime", name: "onload", uid: "u-1" },
  };
  return withDefaults({ ...raw, spec });
}

const metadata = (name: string): object => ({
  name,
  namespace: "onload-runtime",
  labels: {
    "app.kubernetes.io/managed-by": "onload-operator",
    "app.kubernetes.io/part-of": "onload",
    "app.kubernetes.io/instance": "onload-onload-runtime-onload",
    "app.kubernetes.io/component": "module",
  },
});

describe("desiredModules", () => {
  test("for KMM 1.1: as the original makes them, but on no node without the version label", () => {
    expect(desiredModules(onload(), KMM_1) as unknown).toEqual({
      onload: {
        apiVersion: "kmm.sigs.x-k8s.io/v1beta1",
        kind: "Module",
        metadata: metadata("onload-module"),
        spec: {
          selector: { "kubernetes.io/os": "linux" },
          moduleLoader: {
            serviceAccountName: "onload-operator-sa",
            container: {
              modprobe: { moduleName: "onload", parameters: ["--first-time"] },
              kernelMappings: [
                {
                  regexp: "^.*\\.x86_64$",
                  containerImage: "registry/onload-module:8.1-${KERNEL_FULL_VERSION}",
                  build: { dockerfileConfigMap: { name: "dockerfile" }, buildArgs: [{ name: "A", value: "" }] },
                },
                { regexp: "^6", containerImage: "registry/onload-module:8.1-6" },
              ],
              version: "8.1",
              imagePullPolicy: "Always",
            },
          },
        },
      },
      sfc: {
        apiVersion: "kmm.sigs.x-k8s.io/v1beta1",
        kind: "Module",
        metadata: metadata("onload-sfcmod"),
        spec: {
          selector: { "kubernetes.io/os": "linux" },
          moduleLoader: {
            serviceAccountName: "onload-operator-sa",
            container: {
              modprobe: { moduleName: "sfc", parameters: ["--first-time"] },
              inTreeModuleToRemove: "sfc",
              // Only the mapping that manages sfc, and nothing that would build the image a second time.
              kernelMappings: [
                { regexp: "^.*\\.x86_64$", containerImage: "registry/onload-module:8.1-${KERNEL_FULL_VERSION}" },
              ],
              version: "8.1",
              imagePullPolicy: "Always",
            },
          },
        },
      },
    });
  });

  test("for KMM 2: the in-tree module in its present form", () => {
    const container = desiredModules(onload(), KMM_2).sfc!.spec.moduleLoader.container;
    expect(container.inTreeModulesToRemove).toEqual(["sfc"]);
    expect(container.inTreeModuleToRemove).toBeUndefined();
  });

  test("no sfc Module where no mapping manages sfc", () => {
    const modules = desiredModules(
      onload((spec) => delete spec.onload.kernelMappings[0]!.sfc),
      KMM_2,
    );
    expect(modules.sfc).toBeUndefined();
  });

  test("tolerates every taint where KMM asks, so that none unloads a driver, whatever the plugin tolerates", () => {
    const own = { key: "trading", operator: "Exists" as const };
    const modules = desiredModules(
      onload((spec) => (spec.tolerations = [own])),
      KMM_2,
    );
    for (const module of [modules.onload, modules.sfc!]) {
      expect(module.spec.tolerations).toEqual([{ operator: "Exists" }]);
    }
  });

  test("the first pull secret, because KMM takes one", () => {
    const modules = desiredModules(
      onload((spec) => (spec.imagePullSecrets = [{ name: "first" }, { name: "second" }])),
      KMM_1,
    );
    expect(modules.onload.spec.imageRepoSecret).toEqual({ name: "first" });
  });

  test("depends on nothing but version, images, modprobe and pods' needs: other settings leave Modules alone", () => {
    const text = fc.string({ maxLength: 12 });
    const others = fc.record({
      selector: fc.dictionary(text, text),
      maxPodsPerNode: fc.integer({ min: 1, max: 2000 }),
      setPreload: fc.boolean(),
      hostOnloadPath: text,
      maxUnavailable: fc.oneof(fc.integer({ min: 1, max: 9 }), fc.constant("10%")),
      paused: fc.boolean(),
    });
    fc.assert(
      fc.property(others, fc.constantFrom(KMM_1, KMM_2), (other, kmm) => {
        const changed = onload((spec) => {
          spec.selector = other.selector;
          spec.devicePlugin = {
            maxPodsPerNode: other.maxPodsPerNode,
            setPreload: other.setPreload,
            hostOnloadPath: other.hostOnloadPath,
          };
          spec.upgrade = { maxUnavailable: other.maxUnavailable, paused: other.paused };
        });
        expect(desiredModules(changed, kmm)).toEqual(desiredModules(onload(), kmm));
      }),
    );
  });
});
