import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { Module } from "../../api/kmm.ts";
import { TEMPLATE_ANNOTATION } from "../../api/names.ts";
import { NODE_REASON } from "../../api/reasons.ts";
import { withDefaults, type Onload, type OnloadSpecInput } from "../../api/onload.ts";
import { desiredModules } from "./modules.ts";
import { modulesInUse, NodeUses, type LoadedNode, type ModulesInUse } from "./in-use.ts";
import { desiredObjects } from "./objects.ts";
import type { LiveObjects } from "../observe/cluster.ts";
import type { LoadLabelFacts } from "../kmm/kmm.ts";
import { bare, holder, module, noLoadLabel, noModule, whole } from "../testing/facts.ts";
import { KMM_1, KMM_2 } from "../testing/kmm.ts";

type Mapping = OnloadSpecInput["onload"]["kernelMappings"][number];

function onload(kernelMappings: Mapping[], version = "v1", changes: object = {}): Onload {
  const spec = {
    selector: { a: "b" },
    serviceAccountName: "sa",
    onload: { kernelMappings, userImage: "u:1", version },
    ...changes,
  };
  const metadata = { name: "o", namespace: "ns", uid: "1" };
  return withDefaults({ apiVersion: "onload.amd.com/v1alpha1", kind: "Onload", metadata, spec });
}

const nothing: LiveObjects = { onload: undefined, sfc: undefined, daemonSet: undefined };
const mapping = (changes: Partial<Mapping> = {}): Mapping => ({ regexp: ".*", kernelModuleImage: "m:1", ...changes });
const loaded = (changes: Partial<LoadedNode> = {}): LoadedNode => ({
  kernel: "5.14.0",
  onload: true,
  sfc: false,
  ...changes,
});

const NOT_IN_USE = modulesInUse([], "v1");
const inUse = (...nodes: LoadedNode[]): ModulesInUse => ({ ...NOT_IN_USE, loaded: nodes });

function live(resource: Onload): LiveObjects {
  const { onload: module, sfc } = desiredObjects(resource, KMM_2, nothing, NOT_IN_USE, "i:1");
  return { onload: module, sfc, daemonSet: undefined };
}

describe("what would reload drivers in place waits for a new version", () => {
  const before = onload([mapping()]);
  test("another image", () => {
    const desired = desiredObjects(
      onload([mapping({ kernelModuleImage: "m:2" })]),
      KMM_2,
      live(before),
      inUse(loaded()),
      "i:1",
    );
    expect(desired.heldBack).toEqual(["spec.onload.kernelMappings (kernel 5.14.0: m:1 to m:2)"]);
    expect(JSON.stringify(desired.onload)).not.toContain("m:2");
  });
  test("another image of a new version does not", () => {
    const desired = desiredObjects(
      onload([mapping({ kernelModuleImage: "m:2" })], "v2"),
      KMM_2,
      live(before),
      NOT_IN_USE,
      "i:1",
    );
    expect(desired.heldBack).toEqual([]);
    expect(JSON.stringify(desired.onload)).toContain("m:2");
  });
  test("another image where nothing is loaded yet does not", () => {
    const desired = desiredObjects(
      onload([mapping({ kernelModuleImage: "m:2" })]),
      KMM_2,
      live(before),
      NOT_IN_USE,
      "i:1",
    );
    expect(desired.heldBack).toEqual([]);
  });
  test("sfc under a loaded onload", () => {
    const desired = desiredObjects(onload([mapping({ sfc: {} })]), KMM_2, live(before), inUse(loaded()), "i:1");
    expect(desired.heldBack).toEqual(["spec.onload.kernelMappings (sfc for kernel 5.14.0)"]);
    expect(desired.sfc).toBeUndefined();
  });
  test("sfc for one more kernel keeps the Module of the others", () => {
    const some = onload([mapping({ regexp: "^6", sfc: {} }), mapping({ regexp: "^5" })]);
    const all = onload([mapping({ regexp: "^6", sfc: {} }), mapping({ regexp: "^5", sfc: {} })]);
    const desired = desiredObjects(
      all,
      KMM_2,
      live(some),
      inUse(loaded(), loaded({ kernel: "6.1.0", sfc: true })),
      "i:1",
    );
    expect(desired.heldBack).toEqual(["spec.onload.kernelMappings (sfc for kernel 5.14.0)"]);
    expect(desired.sfc!.spec.moduleLoader.container.kernelMappings.map(({ regexp }) => regexp)).toEqual(["^6"]);
  });
  test("the selectors by which they were loaded stay", () => {
    const both = onload([mapping({ sfc: {} })]);
    const by = (loadedBy: Record<string, string>) => ({ loaded: true, loadedBy, unlabelled: true });
    const selectors = { onload: by({ a: "b" }), sfc: by({ c: "d" }) };
    const desired = desiredObjects(both, KMM_1, nothing, { ...inUse(loaded({ sfc: true })), selectors }, "i:1");
    expect([desired.onload, desired.sfc!].map(({ spec }) => spec.selector)).toEqual([{ a: "b" }, { c: "d" }]);
  });
  test("sfc left out", () => {
    const desired = desiredObjects(
      before,
      KMM_2,
      live(onload([mapping({ sfc: {} })])),
      inUse(loaded({ sfc: true })),
      "i:1",
    );
    expect(desired.heldBack).toEqual(["spec.onload.kernelMappings (sfc left out)"]);
    // Nodes that are installed meanwhile get it too.
    expect(desired.sfc?.spec.moduleLoader.container).toEqual(
      desiredModules(onload([mapping({ sfc: {} })]), KMM_2).sfc!.spec.moduleLoader.container,
    );
  });
  test("sfc left out, with the Module of another version in the cluster: that of the nodes is made again", () => {
    const other = live(onload([mapping({ sfc: {} })], "v9"));
    const desired = desiredObjects(before, KMM_2, other, inUse(loaded({ sfc: true })), "i:1");
    expect(desired.heldBack).toEqual(["spec.onload.kernelMappings (sfc left out)"]);
    expect(desired.sfc?.spec.moduleLoader.container.version).toBe("v1");
  });
  test("sfc left out, together with the mapping: the Module stays as it is", () => {
    const is = live(onload([mapping({ sfc: {} })]));
    const desired = desiredObjects(onload([mapping({ regexp: "^6" })]), KMM_2, is, inUse(loaded({ sfc: true })), "i:1");
    expect(desired.heldBack).toContain("spec.onload.kernelMappings (sfc left out)");
    expect(desired.sfc?.spec).toEqual(is.sfc!.spec as never);
  });
  test("back to the last Ready version with another image", () => {
    const status = { lastReady: { version: "v1", time: "", onload: before.spec.onload } };
    const again = { ...onload([mapping({ kernelModuleImage: "m:2" })]), status } as unknown as Onload;
    const between = live(onload([mapping({ kernelModuleImage: "m:9" })], "v9"));
    const desired = desiredObjects(again, KMM_2, between, inUse(loaded()), "i:1");
    expect(desired.heldBack).toHaveLength(1);
    expect(JSON.stringify(desired.onload)).toContain("m:1");
  });
  describe("back to a version that was never Ready, which nodes have loaded from another image", () => {
    const again = onload([mapping({ kernelModuleImage: "m:2" })]);
    const between = live(onload([mapping({ kernelModuleImage: "m:9" })], "v9"));
    const desired = (...nodes: LoadedNode[]) => desiredObjects(again, KMM_2, between, inUse(...nodes), "i:1");
    test("the Module in the cluster stays, and the node's image is named", () => {
      const { onload: main, heldBack } = desired(loaded({ onloadImage: "m:2" }), loaded({ onloadImage: "m:1" }));
      expect(heldBack).toEqual(["spec.onload.kernelMappings (kernel 5.14.0: m:1 to m:2)"]);
      expect(main.spec).toEqual(between.onload!.spec as never);
    });
    test("but not if they have the same image, or it is not known, or the Module is there already", () => {
      for (const nodes of [[loaded({ onloadImage: "m:2" })], [loaded()], []]) {
        expect(desired(...nodes).heldBack).toEqual([]);
        expect(JSON.stringify(desired(...nodes).onload)).toContain("m:2");
      }
      const there = desiredObjects(again, KMM_2, live(again), inUse(loaded({ onloadImage: "m:1" })), "i:1");
      expect(there.heldBack).toEqual([]);
    });
  });
});

describe("the DaemonSet", () => {
  const stamp = (resource: Onload, image: string | undefined) =>
    desiredObjects(resource, KMM_2, nothing, NOT_IN_USE, image);
  test("carries a digest of its template, which changes with it", () => {
    const [a, same, other] = [
      stamp(onload([mapping()]), "i:1"),
      stamp(onload([mapping()]), "i:1"),
      stamp(onload([mapping()]), "i:2"),
    ];
    expect(a.template).toBe(same.template!);
    expect(a.template).not.toBe(other.template!);
    expect(a.daemonSet!.spec.template.metadata.annotations![TEMPLATE_ANNOTATION]).toBe(a.template!);
  });
  test("is not made without an image", () => {
    expect(stamp(onload([mapping()]), undefined)).toMatchObject({ daemonSet: undefined, template: undefined });
  });
});

describe("kernels that a new version has no mapping for", () => {
  const before = onload([mapping({ sfc: {} })]);
  const after = onload([mapping({ regexp: "^6", kernelModuleImage: "m:2", sfc: {} })], "v2");
  const use = (...nodes: Parameters<typeof modulesInUse>[0]) => modulesInUse(nodes, "v2");
  const old = (changes: object = {}) => whole("v1", { kernel: "5.14.0+", ...changes });
  const mappings = (module: Module | undefined) => module?.spec.moduleLoader.container.kernelMappings;
  const kept = { literal: "5.14.0", containerImage: "m:1" };
  test("keep their mapping as long as a node has the version before, and it brings no node to the new one", () => {
    const desired = desiredObjects(after, KMM_2, live(before), use(old({ sfc: module("v1") })), "i:1");
    const own = { regexp: "^6", containerImage: "m:2" };
    expect(mappings(desired.applied.onload)).toEqual([own, kept]);
    expect(mappings(desired.onload)).toEqual([own]);
    const later = { ...nothing, onload: desired.applied.onload, sfc: desired.applied.sfc };
    const again = desiredObjects(after, KMM_2, later, use(old()), "i:1");
    expect(mappings(again.applied.onload)).toEqual([own, kept]);
    expect(mappings(again.onload)).toEqual([own]);
    expect(mappings(desiredObjects(after, KMM_2, later, use(), "i:1").applied.onload)).toEqual([own]);
  });
  test("of sfc too", () => {
    const labels = { plugin: "v1", onload: "v1", sfc: "v1" };
    const desired = desiredObjects(after, KMM_2, live(before), use(old({ labels })), "i:1");
    expect(mappings(desired.applied.sfc)).toContainEqual(kept);
    expect(mappings(desired.sfc)).not.toContainEqual(kept);
  });
  test("have none kept for what is bare, or loads the new version, or has a mapping", () => {
    const nodes = [bare({ kernel: "5.14.0" }), whole("v2", { kernel: "5.14.0" }), whole("v1", { kernel: "6.1.0" })];
    const { applied } = desiredObjects(after, KMM_2, live(before), use(...nodes), "i:1");
    expect(mappings(applied.onload)).toHaveLength(1);
  });
  test("have none kept if KMM cannot take the kernel: nothing is loaded there", () => {
    const { applied } = desiredObjects(after, KMM_2, live(before), use(old({ kernel: "5-custom" })), "i:1");
    expect(mappings(applied.onload)).toHaveLength(1);
  });
  test("keep it while a module without a label is still to be unloaded", () => {
    const labels = { plugin: undefined, onload: undefined, sfc: undefined };
    const { applied } = desiredObjects(after, KMM_2, live(before), use(old({ labels, onload: module("v1") })), "i:1");
    expect(mappings(applied.onload)).toContainEqual(kept);
  });
});

describe("tolerations of the device plugin", () => {
  const noExecute = { key: "trading", operator: "Exists", effect: "NoExecute" } as const;
  const noSchedule = { key: "trading", value: "a", effect: "NoSchedule" } as const;
  const any = { operator: "Exists" } as const;
  const before = onload([mapping()], "v1", { tolerations: [noExecute, noSchedule, any] });
  const there = desiredObjects(before, KMM_2, nothing, NOT_IN_USE, "i:1").daemonSet;
  const tolerations = (wanted: object[], plugin: boolean): unknown => {
    const after = onload([mapping()], "v1", { tolerations: wanted });
    const { daemonSet } = desiredObjects(
      after,
      KMM_2,
      { ...nothing, daemonSet: there },
      { ...NOT_IN_USE, plugin },
      "i:1",
    );
    return (daemonSet!.spec.template.spec as { tolerations: unknown }).tolerations;
  };
  test("are kept as long as nodes have it, if without them its pods would end there at once", () => {
    expect(tolerations([], true)).toEqual([noExecute, any]);
    expect(tolerations([{ ...noSchedule, operator: "Equal" }, any], true)).toEqual([
      { ...noSchedule, operator: "Equal" },
      any,
      noExecute,
    ]);
    expect(tolerations([], false)).toEqual([]);
  });
  test("are kept once, however they are written", () => {
    const plain = { key: "a", value: "b", effect: "NoExecute" } as const;
    const full = { ...plain, operator: "Equal" } as const;
    const [was, want] = [{ ...NOT_IN_USE, plugin: true }, onload([mapping()], "v1", { tolerations: [full] })];
    const of = (resource: Onload, daemonSet: typeof there) =>
      desiredObjects(resource, KMM_2, { ...nothing, daemonSet }, was, "i:1").daemonSet;
    const old = of(onload([mapping()], "v1", { tolerations: [plain] }), undefined);
    expect((of(want, old)!.spec.template.spec as { tolerations: unknown }).tolerations).toEqual([full]);
    const exists = onload([mapping()], "v1", { tolerations: [{ key: "a", operator: "Exists", effect: "NoExecute" }] });
    expect((of(exists, old)!.spec.template.spec as { tolerations: unknown[] }).tolerations).toHaveLength(2);
  });
});

describe("what is in use", () => {
  const on: LoadLabelFacts = { value: "on", required: true, effective: true };
  const loadedByLabel = (changes: object = {}) =>
    whole("v2", {
      loadLabels: { onload: on, sfc: noLoadLabel },
      onload: { ...module("v2"), selector: { load: "on" } },
      ...changes,
    });
  const notLoaded = { loaded: false, loadedBy: undefined, unlabelled: false };
  const selectors = { onload: { loaded: true, loadedBy: { load: "on" }, unlabelled: false }, sfc: notLoaded };
  test("the wanted version, by kernel, and what selected it", () => {
    const other = whole("v1", { loadLabels: { onload: on, sfc: noLoadLabel }, kernel: "5.0" });
    expect(modulesInUse([other, loadedByLabel(), loadedByLabel()], "v2")).toEqual({
      loaded: [{ kernel: "6.1.0", onload: true, sfc: false }],
      others: { onload: ["5.0"], sfc: [] },
      kernels: ["5.0", "6.1.0"],
      plugin: true,
      selectors,
    });
  });
  test("in whatever order the nodes come, which is another after a restart", () => {
    const selected = (load: string) => loadedByLabel({ onload: { ...module("v2"), selector: { load } } });
    const nodes = [selected("on"), selected("off"), whole("v1", { kernel: "5.0" }), loadedByLabel({ kernel: "5.1" })];
    const [first, ...others] = nodes.map((_, at) => modulesInUse([...nodes.slice(at), ...nodes.slice(0, at)], "v2"));
    for (const other of others) expect(other).toEqual(first!);
    expect(modulesInUse(nodes.toReversed(), "v2")).toEqual(first!);
  });
  test("what selected a node counts, whatever nodes there are whose pod of KMM has gone", () => {
    const lost = { onload: { ...module("v2"), selector: undefined } };
    for (const kernel of ["5.1", "7.1"]) {
      const nodes = [loadedByLabel({ ...lost, kernel }), loadedByLabel()];
      for (const all of [nodes, nodes.toReversed()]) {
        expect(modulesInUse(all, "v2").selectors.onload).toMatchObject({ loaded: true, loadedBy: { load: "on" } });
      }
    }
  });
  test("what was found out of a node before holds, and of a node that is seen anew it does not", () => {
    const known = new NodeUses();
    const [a, b] = [loadedByLabel(), whole("v1", { kernel: "5.0" })];
    const fresh = modulesInUse([a, b], "v2");
    for (let time = 0; time < 2; time++) expect(modulesInUse([a, b], "v2", () => false, known)).toEqual(fresh);
    const changed = { ...b, kernel: "5.1" };
    expect(modulesInUse([a, changed], "v2", () => false, known).others.onload).toEqual(["5.1"]);
    expect(modulesInUse([a], "v2", () => false, known).others.onload).toEqual([]);
  });
  test("nodes that come, change and go are summed as if they were all seen for the first time", () => {
    const version = fc.constantFrom("v1", "v2");
    const node = fc
      .tuple(version, fc.constantFrom("5.0", "5.1"), fc.boolean())
      .map(([label, kernel, ready]) => whole(label, { kernel, ready }));
    const pool = fc.array(node, { minLength: 2, maxLength: 5 });
    const looks = fc.array(fc.array(fc.nat(4), { maxLength: 6 }), { minLength: 2, maxLength: 6 });
    fc.assert(
      fc.property(pool, looks, (nodes, times) => {
        const known = new NodeUses();
        for (const time of times) {
          const seen = time.flatMap((at) => nodes[at] ?? []);
          expect(modulesInUse(seen, "v2", () => false, known)).toEqual(modulesInUse(seen, "v2"));
        }
      }),
    );
  });
  test("a node that is to leave counts too, until its module is unloaded", () => {
    const loaded = [{ kernel: "6.1.0", onload: true, sfc: false }];
    expect(modulesInUse([loadedByLabel({ want: undefined })], "v2")).toEqual({
      loaded,
      others: { onload: [], sfc: [] },
      kernels: [],
      plugin: true,
      selectors,
    });
  });
  test("a module that is asked for counts before anything of KMM is seen, unless KMM lacks its image", () => {
    const node = bare({ labels: { plugin: "v2", onload: "v2", sfc: undefined } });
    const isInUse = (isMissing: boolean, changes: object = {}) =>
      modulesInUse([{ ...node, onload: { ...noModule, ...changes } }], "v2", () => isMissing).loaded[0]?.onload;
    expect(isInUse(false)).toBe(true);
    expect(isInUse(true)).toBe(false);
    // It was loaded from an image that KMM does not need any more.
    expect(isInUse(true, { labelledReady: true })).toBe(true);
  });
  test("a module whose pod is not there and is refused does not count, so that what refuses it can be corrected", () => {
    const node = bare({ labels: { plugin: "v2", onload: "v2", sfc: undefined }, refusals: { onload: "no account" } });
    const isInUse = (changes: object = {}, refusals: object = node.refusals) =>
      modulesInUse([{ ...node, refusals, onload: { ...noModule, ...changes } }], "v2").loaded[0]?.onload;
    expect(isInUse()).toBe(false);
    expect(isInUse({}, { sfc: "no account", plugin: "no account" })).toBe(true);
    // On this node it may be loaded all the same: the refusal is one of another node.
    for (const seen of [{ present: true }, { labelledReady: true }, { ready: "v2" }]) expect(isInUse(seen)).toBe(true);
  });
  test("a module of a node that serves counts although its pod has gone and the next one is refused", () => {
    const labels = { plugin: "v2", onload: "v2", sfc: "v2" };
    const refusals = { onload: "quota", sfc: "quota" };
    const inUseOn = (changes: object) => modulesInUse([bare({ labels, refusals, ...changes })], "v2").loaded[0];
    expect(inUseOn({})).toBeUndefined();
    for (const serving of [{ allocatable: 100 }, { holders: [holder()] }]) {
      expect(inUseOn(serving)).toMatchObject({ onload: true, sfc: true });
    }
    expect(inUseOn({ holders: [] })).toBeUndefined();
  });
  test("sfc does not come to an onload that is asked for without it", () => {
    const labels = { plugin: "v1", onload: "v1", sfc: undefined };
    const heldBack = (changes: object): string[] => {
      const use = modulesInUse([bare({ want: "v1", labels, ...changes })], "v1");
      return desiredObjects(onload([mapping({ sfc: {} })]), KMM_2, nothing, use, "i:1").heldBack;
    };
    expect(heldBack({})).toHaveLength(1);
    // It may have failed for want of sfc; and at such a node the boot has loaded one.
    const failure = { reason: "ModuleLoadFailed", message: "Unknown symbol" };
    expect(heldBack({ onload: { ...module(), failure } })).toEqual([]);
    expect(heldBack({ sfcAtBoot: "99-sfc" })).toEqual([]);
  });
  test("a module that is on its way counts, and one that failed does not, so that its image can be corrected", () => {
    const failure = { reason: NODE_REASON.ModuleLoadFailed, message: "m" };
    const onItsWay = (changes: object): boolean => {
      const node = whole("v2", { onload: { ...module(), ...changes } });
      const { loaded, selectors: found } = modulesInUse([node], "v2");
      expect(found.onload.loaded).toBe(loaded.length > 0);
      return loaded.length > 0;
    };
    expect(onItsWay({})).toBe(true);
    expect(onItsWay({ failure })).toBe(false);
    // It is loaded, whatever fails beside it.
    expect(onItsWay({ ...module("v2"), failure })).toBe(true);
  });
  const none = { plugin: undefined, onload: undefined, sfc: undefined };
  const off: LoadLabelFacts = { value: "off", required: true, effective: true };
  test.each<[string, ReturnType<typeof bare>, boolean]>([
    ["a node that obeys its load label", loadedByLabel(), false],
    [
      "one whose load label is off and whose module still goes",
      bare({ onload: module(), loadLabels: { onload: off, sfc: noLoadLabel } }),
      false,
    ],
    ["one with nothing", bare(), false],
    ["a version label without a load label", whole("v1"), true],
    [
      "a version label without a load label that has not loaded anything",
      bare({ labels: { ...none, onload: "v1" } }),
      true,
    ],
    ["a module that goes, made without a load label", bare({ onload: module() }), true],
  ])("%s: unlabelled %p", (_name, node, expected) => {
    const { value } = node.loadLabels.onload;
    const facts =
      node.onload.present && value === undefined ? { ...node, onload: { ...node.onload, selector: {} } } : node;
    expect(modulesInUse([facts], "v2").selectors.onload.unlabelled).toBe(expected);
  });
});
