/** What follows for a node from the objects that its resource asks for; the Modules are written out here. */
import { describe, expect, test } from "bun:test";
import type { KernelMapping, Module } from "../../api/kmm.ts";
import type { NodeObservation } from "../observe/observation.ts";
import { bare } from "../testing/facts.ts";
import { KMM_1, KMM_2 } from "../testing/kmm.ts";
import { assess, type Wanted } from "./assess.ts";
import type { NodeFacts } from "./facts.ts";

const KERNEL = "5.14.0-427.el9.x86_64";

function module(name: string, version: string, mappings: KernelMapping[], selector = {}): Module {
  const container = { modprobe: { moduleName: name }, version, kernelMappings: mappings };
  return {
    apiVersion: "kmm.sigs.x-k8s.io/v1beta1",
    kind: "Module",
    metadata: { namespace: "ns", name },
    spec: { selector, moduleLoader: { container } },
  };
}

const EL9 = [{ regexp: "el9", containerImage: "r/onload:2" }];
const SFC = [{ regexp: "el9", containerImage: "r/sfc:2" }];
const EL8 = [{ regexp: "el8", containerImage: "r/onload:2-el8" }];
const onload = module("o-module", "v2", EL9);
const sfc = module("o-sfcmod", "v2", SFC);
const wanted: Wanted = {
  kmm: KMM_2,
  version: "v2",
  modules: { onload, sfc: undefined },
  liveSfc: undefined,
  images: undefined,
  tolerations: [],
  template: "t",
};

function factsOf(changes: Partial<NodeObservation>, objects: Partial<Wanted> = {}): NodeFacts {
  const label = { value: undefined, effective: false };
  const { plugin, ...rest } = bare();
  const seen: NodeObservation = {
    ...rest,
    kernel: KERNEL,
    taints: [],
    loadLabels: { onload: label, sfc: label },
    plugin: { ...plugin, made: undefined },
    sfcAtBoot: undefined,
  };
  return assess({ ...seen, ...changes }, { ...wanted, ...objects });
}

const made = (version: string | undefined, template: string | undefined): NodeObservation["plugin"] => ({
  present: true,
  ready: true,
  since: undefined,
  failure: undefined,
  made: { version, template },
});

describe("a mapping", () => {
  test("gives the node's kernel an image", () => {
    expect(factsOf({})).toMatchObject({ mapped: true, mappingProblem: undefined, mappingsTried: [] });
  });
  test("is told if none of them is for that kernel", () => {
    const modules = { onload: module("o-module", "v2", [...EL8, { regexp: "el7", containerImage: "i" }]), sfc };
    expect(factsOf({}, { modules })).toMatchObject({ mapped: false, mappingsTried: ["el8", "el7"] });
  });
  test("that cannot be evaluated is told instead of those that were tried", () => {
    const modules = { onload: module("o-module", "v2", [{ regexp: "el9(?!_5)", containerImage: "i" }]), sfc };
    const facts = factsOf({}, { modules });
    expect(facts).toMatchObject({ mapped: false, mappingsTried: [] });
    expect(facts.mappingProblem).toContain("kernelMappings[0].regexp");
  });
  test.each<[string, Partial<NodeObservation>, Partial<Wanted>, string]>([
    ["the node runs another system", { operatingSystem: "windows" }, {}, "windows"],
    ["KMM has stopped for all nodes", {}, { stop: { why: "because", remedy: "do", stopsAll: true } }, "because"],
    ["KMM cannot take the kernel", { kernel: "5-el9" }, { kmm: KMM_1 }, "5-el9"],
  ])("gives nothing where %s", (_where, changes, objects, why) => {
    const { mapped, kernelRefused } = factsOf(changes, objects);
    expect(mapped).toBe(false);
    expect(kernelRefused?.why).toContain(why);
  });
});

describe("sfc", () => {
  const modules = { onload, sfc };
  const images = { found: [], problems: {}, lastPulls: {} };
  const missing = (facts: NodeFacts): string[] => facts.missingImages.map(({ image }) => image);
  test("is managed where its Module has a mapping for the kernel", () => {
    expect(factsOf({}, { modules })).toMatchObject({ sfcManaged: true, sfcConflict: undefined });
    expect(factsOf({})).toMatchObject({ sfcManaged: false, sfcConflict: undefined });
    const other = { onload, sfc: module("o-sfcmod", "v2", EL8) };
    expect(factsOf({}, { modules: other })).toMatchObject({ sfcManaged: false });
  });
  test("that the node has loaded at boot is not replaced, which is told if the resource asks for it", () => {
    const atBoot = { sfcAtBoot: "99-sfc" };
    expect(factsOf(atBoot, { modules })).toMatchObject({ sfcManaged: false, sfcConflict: "99-sfc" });
    expect(factsOf(atBoot)).toMatchObject({ sfcManaged: false, sfcConflict: undefined });
  });
  test("has an image that may be missing, unless it is not managed here", () => {
    const both = { modules, images: { onload: images, sfc: images } };
    expect(missing(factsOf({}, both))).toEqual(["r/onload:2", "r/sfc:2"]);
    expect(missing(factsOf({ sfcAtBoot: "99-sfc" }, both))).toEqual(["r/onload:2"]);
    const found = { onload: images, sfc: { ...images, found: ["r/sfc:2"] } };
    expect(missing(factsOf({}, { modules, images: found }))).toEqual(["r/onload:2"]);
    expect(missing(factsOf({}, { modules }))).toEqual([]);
  });
  const labelled = { labels: { plugin: undefined, onload: undefined, sfc: "v1" } };
  test.each<[string, Partial<Wanted>, boolean]>([
    ["no Module is left", {}, true],
    ["the Module in the cluster loads it", { liveSfc: module("o-sfcmod", "v1", SFC) }, false],
    ["the Module in the cluster is of another version", { liveSfc: sfc }, true],
    ["the Module in the cluster is for other kernels", { liveSfc: module("o-sfcmod", "v1", EL8) }, true],
    [
      "it cannot be told for which kernels the Module in the cluster is",
      { liveSfc: module("o-sfcmod", "v1", [{ regexp: "(?!x)", containerImage: "i" }]) },
      false,
    ],
    ["it is managed in another version", { modules }, false],
  ])("that a node's labels ask for is abandoned, or is not, when %s", (_when, objects, abandoned) => {
    expect(factsOf(labelled, objects).sfcAbandoned).toBe(abandoned);
    expect(factsOf({}, objects).sfcAbandoned).toBe(false);
  });
});

test.each<[string, NodeObservation["plugin"], string | undefined, boolean, string | undefined]>([
  ["there is none, or one that goes", { ...made("v1", "t"), made: undefined }, "t", true, undefined],
  ["it is of the present template", made("v2", "t"), "t", true, "v2"],
  ["it is of another template", made("v2", "s"), "t", false, "v2"],
  ["it is of another version", made("v1", "t"), "t", false, "v1"],
  ["the DaemonSet is not known", made("v2", "s"), undefined, true, "v2"],
  ["the DaemonSet is not known, and it is of another version", made("v1", "s"), undefined, false, "v1"],
  ["it does not say its version", made(undefined, "t"), "t", false, undefined],
])("whether the plugin is the present one when %s", (_when, plugin, template, current, version) => {
  const facts = factsOf({ plugin }, { template });
  expect([facts.plugin.current, facts.plugin.version]).toEqual([current, version]);
  expect(facts.plugin).not.toHaveProperty("made");
});

test("each module's load label is asked for by its own Module", () => {
  const required = (objects: Partial<Wanted>): boolean[] => {
    const { loadLabels } = factsOf({}, objects);
    return [loadLabels.onload.required, loadLabels.sfc.required];
  };
  const asking = (name: string): Module => module(name, "v2", EL9, { [`latch.onload.amd.com/ns.${name}`]: "on" });
  expect(required({ modules: { onload: asking("o-module"), sfc } })).toEqual([true, false]);
  expect(required({ modules: { onload, sfc: asking("o-sfcmod") } })).toEqual([false, true]);
  expect(required({ modules: { onload: undefined, sfc: undefined } })).toEqual([false, false]);
});

test("a taint is held against KMM, and against the tolerations that the plugin has", () => {
  const taints = [{ key: "dedicated", value: "x", effect: "NoSchedule" as const }];
  const text = "dedicated=x:NoSchedule";
  expect(factsOf({ taints }, { kmm: KMM_1 }).taints).toMatchObject({ kmm: { text }, plugin: { text } });
  const tolerations = [{ key: "dedicated", operator: "Exists" as const }];
  expect(factsOf({ taints }, { tolerations }).taints).toEqual({ kmm: undefined, plugin: undefined });
});
