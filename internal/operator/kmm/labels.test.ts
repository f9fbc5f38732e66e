/** The labels by which a module is loaded, unloaded and cleared; they are written out here as KMM knows them. */
import { describe, expect, test } from "bun:test";
import type { Kmm, LoadLabelFacts, NodeLabels } from "./kmm.ts";
import { KMM_1, KMM_2, KMM_2_CAPABILITIES, NO_KMM } from "../testing/kmm.ts";
import { kmmFor } from "./installed.ts";
import { loadLabelOn } from "./load-label.ts";

const REF = { namespace: "ns", module: "m" };
const VERSION = "kmm.node.kubernetes.io/version-module.ns.m";
const LOADER = "beta.kmm.node.kubernetes.io/version-module-loader.ns.m";
const PLUGIN = "beta.kmm.node.kubernetes.io/version-device-plugin.ns.m";
const LATCH = "latch.onload.amd.com/ns.m";

const bare: LoadLabelFacts = { value: undefined, required: false, effective: false };
/** The Module asks for the label, and the node has it. */
const on: LoadLabelFacts = { value: "on", required: true, effective: true };
const off: LoadLabelFacts = { ...on, value: "off" };
/** Another operator's Module does not ask for it, and what is loaded does not mind it. */
const useless: LoadLabelFacts = { value: "on", required: false, effective: false };

const all = (version: string | null): NodeLabels => ({ [VERSION]: version, [LOADER]: version, [PLUGIN]: version });

describe("to load", () => {
  test.each<[string, Kmm, LoadLabelFacts, NodeLabels]>([
    [
      "KMM 1.1 is asked by all of its labels, and the load label if its Module asks for it",
      KMM_1,
      on,
      { ...all("v2"), [LATCH]: "on" },
    ],
    ["... which a bare node gets", KMM_1, { ...bare, required: true }, { ...all("v2"), [LATCH]: "on" }],
    ["... and one where it is off", KMM_1, off, { ...all("v2"), [LATCH]: "on" }],
    ["... and not where the Module does not ask for it", KMM_1, bare, all("v2")],
    ["... and a useless one goes", KMM_1, useless, { ...all("v2"), [LATCH]: null }],
    ["KMM 2 is asked by the version alone", KMM_2, bare, { [VERSION]: "v2" }],
    ["... and what KMM 1.1 needed goes", KMM_2, useless, { [VERSION]: "v2", [LATCH]: null }],
  ])("%s", (_what, kmm, label, expected) => {
    expect(kmm.labelsToLoad(REF, "v2", label)).toEqual(expected);
  });
});

describe("to unload", () => {
  test.each<[string, Kmm, LoadLabelFacts, NodeLabels]>([
    ["KMM 1.1 is told by the load label alone, which costs it least", KMM_1, on, { [LATCH]: "off" }],
    ["... if what is loaded obeys it", KMM_1, { ...on, effective: false }, { ...all(null), [LATCH]: null }],
    ["... and else by the versions", KMM_1, bare, all(null)],
    ["KMM 2 is told by the version", KMM_2, bare, { [VERSION]: null }],
    ["... and what KMM 1.1 needed goes", KMM_2, on, { [VERSION]: null, [LATCH]: null }],
    ["without a KMM all of them go at once", NO_KMM, on, { ...all(null), [LATCH]: null }],
  ])("%s", (_what, kmm, label, expected) => {
    expect(kmm.labelsToUnload(REF, label)).toEqual(expected);
  });
});

test("what unloading has left on a node is cleared, and nothing is where nothing is left", () => {
  expect(KMM_1.labelsToClear(REF, off)).toEqual({ ...all(null), [LATCH]: null });
  expect(KMM_2.labelsToClear(REF, off)).toEqual({ [VERSION]: null, [LATCH]: null });
  for (const kmm of [KMM_1, KMM_2, NO_KMM]) expect(kmm.labelsToClear(REF, bare)).toEqual({});
});

test("a load label is on if it says so, and off whatever else it says", () => {
  const values = ["on", "off", "", "On", "true", undefined];
  const read = values.map((value) => loadLabelOn(value === undefined ? {} : { [LATCH]: value }, "ns", "m"));
  expect(read).toEqual(["on", "off", "off", "off", "off", undefined]);
});

test.each<[string, Kmm, { skips: boolean; tolerates: boolean; images: boolean; installed: boolean }]>([
  ["KMM 1.1", KMM_1, { skips: true, tolerates: false, images: false, installed: true }],
  [
    "KMM 2.0 to 2.2, which know no tolerations",
    kmmFor({ ...KMM_2_CAPABILITIES, tolerations: false, moduleImagesConfig: false }),
    { skips: true, tolerates: false, images: false, installed: true },
  ],
  ["KMM 2.6", KMM_2, { skips: false, tolerates: true, images: true, installed: true }],
  // Nothing is loaded, so that no taint keeps it from that.
  ["no KMM", NO_KMM, { skips: true, tolerates: true, images: false, installed: false }],
])("what %s does with nodes that pods are kept from", (_name, kmm, { skips, tolerates, images, installed }) => {
  const { skipsCordonedNodes, toleratesTaints, tellsImages } = kmm;
  expect([skipsCordonedNodes, toleratesTaints, tellsImages, kmm.installed]).toEqual([
    skips,
    tolerates,
    images,
    installed,
  ]);
});
