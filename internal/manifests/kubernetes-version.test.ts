import { expect, test } from "bun:test";
import { parseKubernetesVersion, whyUnsupported } from "./kubernetes-version.ts";

test.each([
  ["1.25", 25],
  ["v1.27", 27],
  ["1.27+", 27],
  ["v1.29.6", 29],
  ["v1.27.16+9116a69", 27],
  ["1.28.3+k3s1", 28],
  ["v1.25.4-gke.1600", 25],
  ["v1.26.9-eks-f8587cb", 26],
  ["1.31.0-rc.1", 31],
  ["v1.30.2+rke2r1", 30],
  ["v1.32.4-dispatcher", 32],
  ["1.100.0", 100],
])("%s has the minor version %d", (text, minor) => {
  expect(parseKubernetesVersion(text)).toEqual({ minor, text });
});

test.each([["4.14.12"], ["1"], ["2.0"], [""], ["1.x"], ["latest"], ["1.27 "], ["1.27;rm"], ["1.27.1.1"], ["1.99999"]])(
  "%p is no version of Kubernetes",
  (text) => {
    expect(parseKubernetesVersion(text)).toBeUndefined();
  },
);

test("the oldest is KMM 1.1's own", () => {
  expect(whyUnsupported({ minor: 24, text: "v1.24.9" })).toBe(
    "Kubernetes v1.24.9 is too old: KMM and the operator need 1.25 or later",
  );
  expect(whyUnsupported({ minor: 25, text: "v1.25.0" })).toBeUndefined();
});
