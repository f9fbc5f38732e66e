import { describe, expect, test } from "bun:test";
import type { DeepReadonly, Pod } from "../../api/core.ts";
import type { Module, ModuleImagesConfig } from "../../api/kmm.ts";
import { KMM_1, KMM_2, KMM_2_CAPABILITIES } from "../testing/kmm.ts";
import { kmmFor } from "./installed.ts";
import { missingImages, moduleImages } from "./images.ts";
import { imageFor } from "./module-config.ts";

const moduleOf = (containerImage: string): Module =>
  ({
    metadata: { name: "m", namespace: "ns" },
    spec: { moduleLoader: { container: { kernelMappings: [{ regexp: "^5\\.", containerImage }] } } },
  }) as unknown as Module;

test.each([
  ["r/m:1-${KERNEL_FULL_VERSION}", "r/m:1-5.14.0-427.el9.x86_64"],
  ["r/m:$KERNEL_XYZ-${KERNEL_X}.${KERNEL_Y}.${KERNEL_Z}", "r/m:5.14.0-5.14.0"],
  ["r/${MOD_NAMESPACE}/${MOD_NAME}:${KERNEL_VERSION}", "r/ns/m:5.14.0-427.el9.x86_64"],
  ["r/m:1${UNKNOWN}$NONE", "r/m:1"],
])("%s as KMM fills it in", (image, want) => {
  for (const kmm of [KMM_1, KMM_2]) expect(imageFor(moduleOf(image), "5.14.0-427.el9.x86_64+", kmm)).toBe(want);
});

// v2.1.1 and later: internal/kernel/kernel.go of KMM; before, only the trailing + is cut.
test.each([
  ["KMM 1.1", KMM_1, "r/m:5.14.0-427.18.1.el9_4.x86_64+rt"],
  ["KMM 2.0", kmmFor({ ...KMM_2_CAPABILITIES, pluralInTree: false }), "r/m:5.14.0-427.18.1.el9_4.x86_64+rt"],
  ["KMM 2.6", KMM_2, "r/m:5.14.0-427.18.1.el9_4.x86_64_rt"],
])("a real-time kernel in an image's name, %s", (_name, kmm, image) => {
  const module = moduleOf("r/m:${KERNEL_FULL_VERSION}");
  expect(imageFor(module, "5.14.0-427.18.1.el9_4.x86_64+rt", kmm)).toBe(image);
  expect(imageFor(module, "5.14.0-427.18.1.el9_4.x86_64+rt+", kmm)).toBe(image);
});

const config = (...imagesStates: object[]): DeepReadonly<ModuleImagesConfig> =>
  ({ status: { imagesStates } }) as unknown as ModuleImagesConfig;
const puller = (image: string, waiting: object): DeepReadonly<Pod> =>
  ({
    metadata: { name: "m-pull-pod-x" },
    spec: { containers: [{ name: "puller", image }] },
    status: { phase: "Pending", containerStatuses: [{ name: "puller", state: { waiting } }] },
  }) as unknown as Pod;

describe("an image is missing", () => {
  const missing = (images: ReturnType<typeof moduleImages> | undefined, kernel = "5.14.0") =>
    missingImages([{ module: moduleOf("r/m:1"), images }], kernel, KMM_2);
  test("until KMM has found it", () => {
    expect(missing(moduleImages(undefined, []))).toEqual([{ image: "r/m:1", why: undefined }]);
    expect(missing(moduleImages(config({ image: "r/m:0", status: "Exists" }), []))).toHaveLength(1);
    expect(missing(moduleImages(config({ image: "r/m:1", status: "NeedsBuilding" }), []))).toHaveLength(1);
    expect(missing(moduleImages(config({ image: "r/m:1", status: "Exists" }), []))).toEqual([]);
  });
  test("for good, when its build failed or its pull is given up for now", () => {
    expect(missing(moduleImages(config({ image: "r/m:1", status: "DoesNotExist" }), []))[0]!.why).toContain("build");
    const backOff = puller("r/m:1", { reason: "ImagePullBackOff", message: "Back-off pulling image" });
    expect(missing(moduleImages(config(), [backOff]))[0]!.why).toBe(
      "Pod m-pull-pod-x: container puller: ImagePullBackOff: Back-off pulling image",
    );
    expect(missing(moduleImages(config(), [puller("r/m:1", { reason: "ContainerCreating" })]))[0]!.why).toBeUndefined();
    expect(missing(moduleImages(config(), [puller("r/m:2", { reason: "ImagePullBackOff" })]))[0]!.why).toBeUndefined();
  });
  test("and may come by itself while the kubelet is about to pull it again, which is told", () => {
    const failing = puller("r/m:1", { reason: "ErrImagePull", message: "m" });
    expect(missing(moduleImages(config(), [failing]))).toEqual([
      { image: "r/m:1", why: undefined, lastPull: "Pod m-pull-pod-x: ErrImagePull" },
    ]);
    expect(missing(moduleImages(config(), [puller("r/m:2", { reason: "ErrImagePull" })]))[0]).not.toHaveProperty(
      "lastPull",
    );
  });
  test("not where KMM does not say, and not for a kernel without a mapping", () => {
    expect(missing(undefined)).toEqual([]);
    expect(missing(moduleImages(undefined, []), "6.1.0")).toEqual([]);
  });
  test("once, when both Modules share it", () => {
    const images = moduleImages(undefined, []);
    const both = { module: moduleOf("r/m:1"), images };
    expect(missingImages([both, both], "5.14.0", KMM_2)).toHaveLength(1);
  });
});
