import { expect, test } from "bun:test";
import type { Module } from "../../api/kmm.ts";
import { EVERY_NODE, selectorFor, type SelectorInUse } from "./selector.ts";
import { KMM_1, KMM_2 } from "../testing/world.ts";

const LATCH = { "latch.onload.amd.com/ns.m": "on" };
const THEIRS = { "node-role.kubernetes.io/worker": "" };

function module(version: string, selector: Record<string, string> = {}): Module {
  const spec = { selector, moduleLoader: { container: { version } } };
  return { metadata: { namespace: "ns", name: "m" }, spec } as unknown as Module;
}

const nothing: SelectorInUse = { live: undefined, loaded: false, loadedBy: undefined, unlatched: false };

test.each<[string, Partial<SelectorInUse>, Record<string, string>]>([
  ["a new Module", {}, LATCH],
  ["a new version of one under the latch", { live: module("1", LATCH) }, LATCH],
  ["a new version of one that another operator made", { live: module("1", THEIRS), unlatched: true }, EVERY_NODE],
  ["... until nothing of it is left", { live: module("1", THEIRS) }, LATCH],
  ["the version after that", { live: module("1", EVERY_NODE), unlatched: true }, EVERY_NODE],
  [
    "the same version, loaded: another operator's",
    { live: module("2", THEIRS), loaded: true, unlatched: true },
    THEIRS,
  ],
  ["the same version, loaded: ours", { live: module("2", EVERY_NODE), loaded: true }, EVERY_NODE],
  ["the same version, loaded nowhere", { live: module("2", THEIRS) }, LATCH],
  [
    "back to a version that is still loaded",
    { live: module("3", EVERY_NODE), loaded: true, loadedBy: THEIRS, unlatched: true },
    THEIRS,
  ],
])("KMM 1.1, %s", (_name, inUse, expected) => {
  expect(selectorFor(module("2"), { ...nothing, ...inUse }, KMM_1)).toEqual(expected);
});

test.each<[string, Partial<SelectorInUse>, Record<string, string>]>([
  ["a new Module", {}, EVERY_NODE],
  ["a new version of one that KMM 1.1 had under the latch", { live: module("1", LATCH) }, EVERY_NODE],
  ["the same version of such a one", { live: module("2", LATCH), loaded: true }, LATCH],
  ["another operator's, loaded", { live: module("2", THEIRS), loaded: true }, THEIRS],
  ["another operator's, a new version", { live: module("1", THEIRS), loaded: true }, EVERY_NODE],
])("KMM 2, %s", (_name, inUse, expected) => {
  expect(selectorFor(module("2"), { ...nothing, ...inUse }, KMM_2)).toEqual(expected);
});
