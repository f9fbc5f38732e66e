import { expect, test } from "bun:test";
import type { Module } from "../../api/kmm.ts";
import type { SelectorInUse } from "./kmm.ts";
import { KMM_1, KMM_2 } from "../testing/kmm.ts";

/** Every node, as KMM selects it. */
const EVERY_NODE = { "kubernetes.io/os": "linux" };
const LOAD_LABEL = { "latch.onload.amd.com/ns.m": "on" };
const THEIRS = { "node-role.kubernetes.io/worker": "" };

function module(version: string, selector: Record<string, string> = {}): Module {
  const spec = { selector, moduleLoader: { container: { version } } };
  return { metadata: { namespace: "ns", name: "m" }, spec } as unknown as Module;
}

const nothing: SelectorInUse = { live: undefined, loaded: false, loadedBy: undefined, unlabelled: false };

test.each<[string, Partial<SelectorInUse>, Record<string, string>]>([
  ["a new Module", {}, LOAD_LABEL],
  ["a new version of one under the load label", { live: module("1", LOAD_LABEL) }, LOAD_LABEL],
  ["a new version of one that another operator made", { live: module("1", THEIRS), unlabelled: true }, EVERY_NODE],
  ["... until nothing of it is left", { live: module("1", THEIRS) }, LOAD_LABEL],
  ["the version after that", { live: module("1", EVERY_NODE), unlabelled: true }, EVERY_NODE],
  [
    "the same version, loaded: another operator's",
    { live: module("2", THEIRS), loaded: true, unlabelled: true },
    THEIRS,
  ],
  ["the same version, loaded: ours", { live: module("2", EVERY_NODE), loaded: true }, EVERY_NODE],
  ["the same version, loaded nowhere", { live: module("2", THEIRS) }, LOAD_LABEL],
  [
    "back to a version that is still loaded",
    { live: module("3", EVERY_NODE), loaded: true, loadedBy: THEIRS, unlabelled: true },
    THEIRS,
  ],
])("KMM 1.1, %s", (_name, inUse, expected) => {
  expect(KMM_1.selectorFor(module("2"), { ...nothing, ...inUse })).toEqual(expected);
});

test.each<[string, Partial<SelectorInUse>, Record<string, string>]>([
  ["a new Module", {}, EVERY_NODE],
  ["a new version of one that KMM 1.1 had under the load label", { live: module("1", LOAD_LABEL) }, EVERY_NODE],
  ["the same version of such a one", { live: module("2", LOAD_LABEL), loaded: true }, LOAD_LABEL],
  ["another operator's, loaded", { live: module("2", THEIRS), loaded: true }, THEIRS],
  ["another operator's, a new version", { live: module("1", THEIRS), loaded: true }, EVERY_NODE],
])("KMM 2, %s", (_name, inUse, expected) => {
  expect(KMM_2.selectorFor(module("2"), { ...nothing, ...inUse })).toEqual(expected);
});
