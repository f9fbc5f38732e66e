import { expect, test } from "bun:test";
import type { Node, Pod } from "../../api/core.ts";
import { mostLosses, type Entry } from "./losses.ts";

const node = (revision: number, name: string, served: boolean): Entry<Node> => ({
  revision,
  name,
  object: { metadata: { name, labels: served ? { plugin: "v1" } : {} } } as unknown as Node,
});
const pod = (revision: number, name: string, on: string | undefined): Entry<Pod> => ({
  revision,
  name,
  object: on === undefined ? undefined : ({ metadata: { name }, spec: { nodeName: on } } as unknown as Pod),
});
const begin = [node(1, "a", true), node(2, "b", true)];
const running = [pod(3, "on-a", "a"), pod(4, "on-b", "b")];

test("two nodes one after the other count once, in whatever order their streams come", () => {
  const nodes = [...begin, node(5, "a", false), node(8, "b", false)];
  const pods = [...running, pod(7, "on-a", undefined), pod(9, "on-b", undefined)];
  expect(mostLosses(nodes, pods, "plugin")).toBe(1);
  expect(mostLosses(nodes.toReversed(), pods.toReversed(), "plugin")).toBe(1);
});

test("two nodes count as two if the second goes one revision too early", () => {
  const nodes = [...begin, node(5, "a", false), node(7, "b", false)];
  const pods = [...running, pod(8, "on-a", undefined), pod(9, "on-b", undefined)];
  expect(mostLosses(nodes, pods, "plugin")).toBe(2);
});

test("neither nodes without pods nor pods of nodes that serve count", () => {
  expect(mostLosses([...begin, node(5, "a", false)], [pod(6, "on-b", "b")], "plugin")).toBe(0);
  expect(mostLosses([...begin, node(5, "a", false), node(6, "a", true)], [pod(7, "on-a", "a")], "plugin")).toBe(0);
});

test("two pods on one node are one node", () => {
  const pods = [pod(3, "one", "a"), pod(4, "two", "a")];
  expect(mostLosses([...begin, node(5, "a", false)], pods, "plugin")).toBe(1);
});
