import { expect, test } from "bun:test";
import type { Node } from "../../api/core.ts";
import type { KernelMapping, Module } from "../../api/kmm.ts";
import { nodeStore } from "../cache/indexes.ts";
import { KMM_1, KMM_2, KMM_2_CAPABILITIES } from "../testing/kmm.ts";
import { kmmFor } from "./installed.ts";
import { regexpStop } from "./regexp-stop.ts";

const KMM_2_3 = kmmFor({ ...KMM_2_CAPABILITIES, moduleImagesConfig: false });
const LINUX = { "kubernetes.io/os": "linux" };

const node = (name: string, kernelVersion: string): Node =>
  ({ metadata: { name, labels: LINUX }, status: { nodeInfo: { kernelVersion } } }) as unknown as Node;
const module = (mappings: Partial<KernelMapping>[], selector: Record<string, string> = LINUX): Module => {
  const kernelMappings = mappings.map((mapping) => ({ containerImage: "r/m:1", ...mapping }));
  return { spec: { selector, moduleLoader: { container: { kernelMappings } } } } as unknown as Module;
};

const stop = (nodes: Node[], ...rest: [Parameters<typeof regexpStop>[1], Parameters<typeof regexpStop>[2]]) =>
  regexpStop(nodeStore(nodes), ...rest);

const wrong = module([{ regexp: "^5\\." }, { regexp: "^6.(1" }, { regexp: "." }]);

test("an expression that does not parse stops KMM 2.4 and later, and no KMM before", () => {
  const nodes = [node("c", "5.14.0"), node("b", "6.1.0"), node("a", "4.18.0")];
  expect(stop(nodes, [undefined, wrong], KMM_2)).toEqual({
    why: "KMM gives up for all nodes at the kernel of a, b, because spec.onload.kernelMappings[1].regexp cannot be evaluated: missing closing )",
    remedy: "correct it",
    stopsAll: true,
  });
  expect(stop(nodes, [wrong], KMM_2_3)).toBeUndefined();
  expect(stop(nodes, [wrong], KMM_1)).toBeUndefined();
});

test("only where KMM comes to it", () => {
  expect(stop([node("a", "5.14.0")], [wrong], KMM_2)).toBeUndefined();
  expect(stop([node("a", "6.1.0")], [module([{ regexp: "(" }], { other: "label" })], KMM_2)).toBeUndefined();
  expect(stop([node("a", "6.1.0")], [module([{ literal: "6.1.0" }, { regexp: "(" }])], KMM_2)).toBeUndefined();
  expect(stop([node("a", "6.1.0")], [undefined], KMM_2)).toBeUndefined();
});

test("a version that is no kernel's is not the expression's fault", () => {
  expect(stop([node("a", "6".repeat(1000))], [module([{ regexp: "6" }])], KMM_2)).toBeUndefined();
  expect(stop([node("a", "6".repeat(256))], [module([{ regexp: "(" }])], KMM_2)).toBeDefined();
});

test("of thousands of nodes a few are named", () => {
  const nodes = Array.from({ length: 5000 }, (_, i) => node(`n${i}`, "6.1.0"));
  expect(stop(nodes, [wrong, wrong], KMM_2)!.why.length).toBeLessThan(300);
});
