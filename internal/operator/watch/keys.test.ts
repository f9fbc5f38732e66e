import { describe, expect, test } from "bun:test";
import type { Node, Pod } from "../../api/core.ts";
import { keysOfKmmPod, keysOfNode, keysOfObject, keysOfPlugin, keysOfPullPod } from "./keys.ts";
import { ownerOf, type Claim } from "../observe/ownership.ts";

const claim = (name: string, selector: Record<string, string>): Claim => ({
  ...ownerOf({ namespace: "ns", name }),
  selector,
  created: "",
  deleting: false,
});
const claims = [claim("a", { pool: "a" }), claim("b", { pool: "b" })];
const node = (labels: Record<string, string>, resourceVersion = "1"): Node =>
  ({ metadata: { name: "n", labels, resourceVersion }, status: { conditions: [] } }) as unknown as Node;
const change = <T>(old: T | undefined, current: T | undefined): never => ({ key: "n", old, current }) as never;

describe("a node concerns", () => {
  test.each([
    ["who selects it", undefined, node({ pool: "a" }), ["ns/a"]],
    ["who selected it before, too", node({ pool: "a" }), node({ pool: "b" }), ["ns/a", "ns/b"]],
    ["who has left labels on it", undefined, node({ "onload.amd.com/ns.b": "v1" }), ["ns/b"]],
    ["who selected it, when it is gone", node({ pool: "a" }), undefined, ["ns/a"]],
    ["nobody, when only its version changed", node({ pool: "a" }, "1"), node({ pool: "a" }, "2"), []],
    ["nobody else", undefined, node({ pool: "c" }), []],
  ])("%s", (_name, old, current, keys) => {
    expect(keysOfNode(change(old, current), claims)).toEqual(keys);
  });
});

test.each([
  ["a plugin's pod", keysOfPlugin, { "onload.amd.com/name": "x-onload-device-plugin-ds" }, ["ns/x"]],
  ["another's pod", keysOfPlugin, { "onload.amd.com/name": "x" }, []],
  ["a pod that loads onload", keysOfKmmPod, { "kmm.node.kubernetes.io/module.name": "x-module" }, ["ns/x"]],
  ["a pod that loads sfc", keysOfKmmPod, { "kmm.node.kubernetes.io/module.name": "x-sfcmod" }, ["ns/x"]],
  ["a pod that looks for an image", keysOfPullPod, { "kmm.node.kubernetes.io/image-owner": "x-module" }, ["ns/x"]],
  ["a pod that loads another module", keysOfKmmPod, { "kmm.node.kubernetes.io/module.name": "gpu" }, []],
] as const)("%s", (_name, keysOf, labels, keys) => {
  const pod = { metadata: { namespace: "ns", name: "p", labels }, spec: { nodeName: "n" } } as unknown as Pod;
  expect(keysOf(change(undefined, pod))).toEqual([...keys]);
  expect(keysOf(change(pod, undefined))).toEqual([...keys]);
});

test("a pod on its way to a node concerns nobody before it is placed", () => {
  const metadata = { namespace: "ns", name: "p", labels: { "onload.amd.com/name": "x-onload-device-plugin-ds" } };
  const waiting = { metadata, spec: {} } as unknown as Pod;
  expect(keysOfPlugin(change(undefined, waiting))).toEqual([]);
  expect(keysOfPlugin(change(waiting, { metadata, spec: { nodeName: "n" } } as unknown as Pod))).toEqual(["ns/x"]);
});

test.each([
  ["x-module", ["ns/x"]],
  ["x-sfcmod", ["ns/x"]],
  ["x-onload-device-plugin-ds", ["ns/x"]],
  ["other", []],
])("object %s", (name, keys) => {
  expect(keysOfObject(change(undefined, { metadata: { namespace: "ns", name } } as Pod))).toEqual(keys);
});
