import { expect, test } from "bun:test";
import type { Node } from "../../api/core.ts";
import type { Module } from "../../api/kmm.ts";
import { nodeStore } from "../cache/indexes.ts";
import { KMM_1, KMM_2, NO_KMM } from "../testing/kmm.ts";
import { kmmFor } from "./installed.ts";
import { kernelStop, refusalAt, refusedNodes } from "./refused-kernel.ts";

const KMM_2_0 = kmmFor({ tolerations: false, pluralInTree: false, nodeModulesConfig: true, moduleImagesConfig: false });
const PARTS = /^KMM gives up for all nodes at .*, because its version has fewer than three parts$/;
const LABEL = /^KMM 1\.1 cannot label a node of kernel /;

test.each<[string, RegExp | undefined, RegExp | undefined, RegExp | undefined]>([
  ["6.1.0", undefined, undefined, undefined],
  ["6.1-rt", undefined, undefined, undefined],
  ["6.1-rt+", undefined, undefined, undefined],
  ["5.14.0-427.el9.x86_64", undefined, undefined, undefined],
  ["", PARTS, PARTS, PARTS],
  ["6", PARTS, PARTS, PARTS],
  ["6.1", PARTS, PARTS, PARTS],
  ["6.1+", PARTS, PARTS, PARTS],
  ["6_1_0", PARTS, PARTS, PARTS],
  // KMM 2.1.1 and later take the parts after they have put `_` for the comma.
  ["6.1,3", LABEL, undefined, PARTS],
  ["6.12.48+deb13-amd64", LABEL, undefined, undefined],
  ["5.14.0-427.18.1.el9_4.x86_64+rt", LABEL, undefined, undefined],
  ["6.1.0~rc1", LABEL, undefined, undefined],
  ["6.1.0-", LABEL, undefined, undefined],
  [`6.1.${"0".repeat(59)}`, undefined, undefined, undefined],
  [`6.1.${"0".repeat(60)}`, LABEL, undefined, undefined],
])("kernel %p at KMM 1.1, 2.0 and 2.6", (kernel, one, zero, six) => {
  for (const [kmm, why] of [
    [KMM_1, one],
    [KMM_2_0, zero],
    [KMM_2, six],
  ] as const) {
    const refusal = kmm.refusesKernel(kernel);
    if (why) expect(refusal?.why).toMatch(why);
    else expect(refusal).toBeUndefined();
    if (why)
      expect(refusal?.remedy).toBe(why === LABEL ? "install KMM 2.1.1 or later" : "give the node another kernel");
  }
  expect(NO_KMM.refusesKernel(kernel)).toBeUndefined();
});

const RT = "5.14.0-427.18.1.el9_4.x86_64+rt";
const moduleOf = (containerImage: string): Module =>
  ({
    metadata: { name: "m", namespace: "ns" },
    spec: { moduleLoader: { container: { kernelMappings: [{ regexp: ".", containerImage }] } } },
  }) as unknown as Module;

test.each<[string, string, [zero: string | undefined, six: string | undefined]]>([
  [RT, "r/m:1-${KERNEL_FULL_VERSION}", [`r/m:1-${RT}`, undefined]],
  ["6.1.0~rc1", "r/m:$KERNEL_FULL_VERSION", ["r/m:6.1.0~rc1", undefined]],
  ["6.1.0-é", "r/m:${KERNEL_FULL_VERSION}", ["r/m:6.1.0-é", undefined]],
  // What is no variable of the kernel's name does not matter, nor does one trailing +.
  [RT, "r/m:1-${KERNEL_XYZ}", [undefined, undefined]],
  [RT, "r/m:1", [undefined, undefined]],
  ["5.14.0-427.18.1.el9_4.x86_64+", "r/m:${KERNEL_FULL_VERSION}", [undefined, undefined]],
  ["6.1.0-23-amd64", "r/m:${KERNEL_FULL_VERSION}", [undefined, undefined]],
  ["6.1.0", "r/m:${KERNEL_FULL_VERSION:-x y}", [undefined, undefined]],
  // A tag has 128 characters at most, and begins with neither of these.
  [
    "6.1.0",
    `r/m:${"x".repeat(127)}-\${KERNEL_FULL_VERSION}`,
    [`r/m:${"x".repeat(127)}-6.1.0`, `r/m:${"x".repeat(127)}-6.1.0`],
  ],
  ["-6.1.0-x", "r/m:${KERNEL_FULL_VERSION}", ["r/m:-6.1.0-x", "r/m:-6.1.0-x"]],
])("kernel %p with the image %p, at KMM 2.0 and 2.6", (kernel, image, names) => {
  for (const [i, kmm] of [KMM_2_0, KMM_2].entries()) {
    const refusal = refusalAt(kernel, moduleOf(image), kmm);
    const name = names[i];
    if (name === undefined) expect(refusal).toBeUndefined();
    else
      expect(refusal?.why).toBe(`KMM would ask for ${name} at kernel ${kernel}, which cannot be the name of an image`);
  }
});

test("what to do about a name that is none depends on KMM", () => {
  expect(refusalAt(RT, moduleOf("r/m:${KERNEL_FULL_VERSION}"), KMM_2_0)?.remedy).toBe(
    "install KMM 2.1.1 or later, or put a mapping for this kernel alone before the others, whose image has 5.14.0-427.18.1.el9_4.x86_64_rt and no variable",
  );
  expect(refusalAt("-6.1.0-x", moduleOf("r/m:${KERNEL_FULL_VERSION}"), KMM_2)?.remedy).toBe(
    "put a mapping for this kernel alone before the others, whose image has no variable",
  );
  expect(refusalAt(RT, moduleOf("r/m:${KERNEL_FULL_VERSION}"), KMM_1)?.why).toMatch(LABEL);
  expect(refusalAt(RT, undefined, KMM_2_0)).toBeUndefined();
});

test("a kernel that KMM refuses is printed without what a terminal would take for a command", () => {
  expect(KMM_2.refusesKernel("6\u001b[2J")?.why).not.toContain("\u001b");
  expect(KMM_2.refusesKernel("6".repeat(1000))?.why.length).toBeLessThan(300);
});

const node = (name: string, kernelVersion: string, labels: Record<string, string> = {}): Node =>
  ({
    metadata: { name, labels: { "kubernetes.io/os": "linux", ...labels } },
    status: { nodeInfo: { kernelVersion } },
  }) as unknown as Node;
const module = (regexp: string, selector: Record<string, string> = { "kubernetes.io/os": "linux" }): Module =>
  ({
    spec: { selector, moduleLoader: { container: { kernelMappings: [{ regexp, containerImage: "r/m:1" }] } } },
  }) as unknown as Module;

test("a node of nobody's stops KMM for all, if the Module selects it and maps its kernel", () => {
  const refused = refusedNodes(nodeStore([node("b", "6.1"), node("c", "6.1.0"), node("a", "6.1")]), KMM_2);
  expect(refused.map((each) => each.node.metadata.name)).toEqual(["b", "a"]);
  expect(kernelStop(refused, [undefined, module(".*")])).toEqual({
    why: "KMM gives up for all nodes at kernel 6.1, because its version has fewer than three parts, and spec.onload.kernelMappings matches it (a, b)",
    remedy: "give the node another kernel, or correct the regexp so that it does not match",
    stopsAll: true,
  });
  expect(kernelStop(refused, [module("^5"), module("^6")])).toBeDefined();
  expect(kernelStop(refused, [module("^5"), undefined])).toBeUndefined();
  expect(kernelStop(refused, [module(".*", { "latch.onload.amd.com/ns.m": "on" })])).toBeUndefined();
  expect(kernelStop(refusedNodes(nodeStore([node("a", "6.1.0")]), KMM_2), [module(".*")])).toBeUndefined();
});

test("what KMM 1.1 cannot label stops it too", () => {
  const refused = refusedNodes(nodeStore([node("a", "6.1.0+rt")]), KMM_1);
  expect(kernelStop(refused, [module(".*")])?.why).toMatch(LABEL);
  expect(kernelStop(refusedNodes(nodeStore([node("a", "6.1.0+rt")]), KMM_2), [module(".*")])).toBeUndefined();
});
