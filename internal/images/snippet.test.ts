import { expect, test } from "bun:test";
import { parse } from "yaml";
import { IMAGE, MODULE_IMAGE } from "../api/references.ts";
import { onloadSpec } from "../api/schema.ts";
import { DOCKERFILES } from "./dockerfile.ts";
import { dockerfileConfigMap, onloadSnippet, type BuiltImage } from "./snippet.ts";

const images: BuiltImage[] = [
  { part: "source", tag: "r/onload-source:9.1.0" },
  { part: "user", tag: "r/onload-user:9.1.0" },
  { part: "module", kernel: "6.1.0-42-amd64", tag: "r/onload-module:9.1.0-6.1.0-42-amd64", sfc: true },
  { part: "module", kernel: "5.14.0+rt", tag: "r/onload-module:9.1.0-5.14.0_rt", sfc: false },
  { part: "onloadctl", tag: "r/onloadctl:0.1.0" },
];

test("the snippet names every image, and the sfc driver where there is one", () => {
  expect(onloadSnippet(images, "9.1.0")).toBe(`spec:
  onload:
    kernelMappings:
      - regexp: ^6\\.1\\.0-42-amd64$
        kernelModuleImage: r/onload-module:9.1.0-6.1.0-42-amd64
        sfc: {} # Leave out if a MachineConfig loads the sfc driver at boot
      - regexp: ^5\\.14\\.0\\+rt$
        kernelModuleImage: r/onload-module:9.1.0-5.14.0_rt
    userImage: r/onload-user:9.1.0
    version: 9.1.0
  devicePlugin:
    devicePluginImage: r/onloadctl:0.1.0
`);
});

test("what was pushed is named by its digest too, as the API server takes it", () => {
  const digest = (digit: string): string => `sha256:${digit.repeat(64)}`;
  const pushed = images.map((image, index) => ({ ...image, digest: digest(`${index}`) }));
  const { spec } = parse(onloadSnippet(pushed, "9.1.0")) as any;
  const named = [
    ...spec.onload.kernelMappings.map((mapping: any) => mapping.kernelModuleImage),
    spec.onload.userImage,
    spec.devicePlugin.devicePluginImage,
  ];
  expect(named).toEqual([
    `r/onload-module:9.1.0-6.1.0-42-amd64@${digest("2")}`,
    `r/onload-module:9.1.0-5.14.0_rt@${digest("3")}`,
    `r/onload-user:9.1.0@${digest("1")}`,
    `r/onloadctl:0.1.0@${digest("4")}`,
  ]);
  for (const name of named) expect(name).toMatch(IMAGE);
  for (const name of named) expect(name).toMatch(MODULE_IMAGE);
});

test("the mapping of every kernel matches it for KMM, which cuts one trailing + of its version first", () => {
  for (const kernel of [
    "6.8.0+",
    "6.12.0-rc1+",
    "5.14.0-427.el9_4.x86_64+rt",
    "6.1.0-42-amd64",
    "5.15.0-1.el9.aarch64+64k",
  ]) {
    const { spec } = parse(onloadSnippet([{ part: "module", kernel, tag: "r/m:1" }], "1")) as any;
    const seenByKmm = kernel.replace(/\+$/, "");
    expect(new RegExp(spec.onload.kernelMappings[0].regexp).test(seenByKmm)).toBe(true);
  }
});

test("the snippet completes an Onload resource", () => {
  const { spec } = parse(onloadSnippet(images, "9.10")) as { spec: object };
  const whole = { selector: { "node-role.kubernetes.io/worker": "" }, serviceAccountName: "onload", ...spec };
  const read = onloadSpec.parse(whole);
  // A version that looks like a number must stay the text that it is.
  expect(read.onload.version).toBe("9.10");
  expect(read.onload.kernelMappings).toHaveLength(2);
});

test("what was not built is left out", () => {
  expect(onloadSnippet([{ part: "onloadctl", tag: "r/onloadctl:0.1.0" }], undefined)).toBe(
    "spec:\n  devicePlugin:\n    devicePluginImage: r/onloadctl:0.1.0\n",
  );
});

test("the ConfigMap holds the Dockerfile as it is, under the key that KMM reads", () => {
  const map = parse(dockerfileConfigMap(DOCKERFILES.module, "dockerfile-x", "onload")) as Record<string, unknown>;
  expect(map).toEqual({
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: "dockerfile-x", namespace: "onload" },
    data: { dockerfile: DOCKERFILES.module },
  });
});
