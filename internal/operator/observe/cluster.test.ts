import { describe, expect, test } from "bun:test";
import type { KubeObject, Pod } from "../../api/core.ts";
import type { ModuleImagesConfig } from "../../api/kmm.ts";
import { Store } from "../../kube/store.ts";
import type { RawOnload } from "../cache/caches.ts";
import { KMM_1, KMM_2 } from "../testing/kmm.ts";
import { observeClaims, observeForce, observeImages, observeObjects } from "./cluster.ts";
import { claimsOn, ownershipOf } from "./ownership.ts";

test.each([
  ["labels", { pool: "trade" }, 1],
  ["no labels, which would select every node", {}, 0],
  ["a list", [], 0],
  ["a flag", true, 0],
  ["a text", "pool=trade", 0],
  ["a label that is no text", { pool: 1 }, 0],
  ["nothing", undefined, 0],
])("a resource whose selector is %s claims nodes: %#", (_name, selector, claims) => {
  const store = new Store<RawOnload>();
  const metadata = { namespace: "ns", name: "o" };
  store.set({ apiVersion: "onload.amd.com/v1alpha1", kind: "Onload", metadata, spec: { selector } });
  const all = observeClaims({ onloads: { store } });
  const node = (labels: Record<string, string>) => ({
    apiVersion: "v1",
    kind: "Node" as const,
    metadata: { name: "n", labels },
  });
  const claimed = [{}, { pool: "trade" }, { pool: "1" }].flatMap((labels) => claimsOn(node(labels), all));
  expect(claimed).toHaveLength(claims);
  // What it has on a node is its own all the same, and keeps others away.
  const touched = node({ "onload.amd.com/ns.o": "v1" });
  expect(ownershipOf(touched, { namespace: "ns", name: "other" }, all).blockedBy).toBe("ns/o");
});

test("a claim says since when a resource is there, whether it goes, and which change of its selector does not hold yet", () => {
  const store = new Store<RawOnload>();
  const put = (name: string, metadata: object, status?: object): void => {
    store.set({
      apiVersion: "onload.amd.com/v1alpha1",
      kind: "Onload",
      metadata: { namespace: "ns", name, ...metadata },
      spec: { selector: { pool: "b" } },
      ...(status ? { status } : {}),
    } as RawOnload);
  };
  put("old", { creationTimestamp: "2026-01-01T00:00:00Z" });
  put("going", { creationTimestamp: "2026-01-02T00:00:00Z", deletionTimestamp: "2026-01-03T00:00:00Z" });
  put("changed", {}, { selector: { pool: "a" } });
  const told = observeClaims({ onloads: { store } }).map(({ ownLabels: _, ...claim }) => claim);
  expect(told).toEqual([
    claimOf("old", { created: "2026-01-01T00:00:00Z" }),
    claimOf("going", { created: "2026-01-02T00:00:00Z", deleting: true }),
    claimOf("changed", { selector: { pool: "a" }, nextSelector: { pool: "b" } }),
  ] as never);
});

function claimOf(name: string, changes: object): object {
  const rest = { created: "", deleting: false, selector: { pool: "b" }, nextSelector: undefined };
  return { namespace: "ns", name, ...rest, ...changes };
}

test("force reaches the namespaces that agree to it, or all if the administrator says so, and none that is not known", () => {
  const store = new Store<KubeObject>();
  const agreed = { "onload.amd.com/allow-force-drain": "true" };
  store.set({ apiVersion: "v1", kind: "Namespace", metadata: { name: "agrees", annotations: agreed } });
  store.set({ apiVersion: "v1", kind: "Namespace", metadata: { name: "other" } });
  const reach = (everywhere: boolean): boolean[] =>
    ["agrees", "other", "unknown"].map(observeForce({ namespaces: { store } }, true, everywhere).mayIn);
  expect(reach(false)).toEqual([true, false, false]);
  expect(reach(true)).toEqual([true, true, true]);
  expect(observeForce({ namespaces: { store } }, false, true).asked).toBeFalse();
});

describe("of a resource's own objects", () => {
  const KEY = { namespace: "ns", name: "o" };
  test("each is found by its name, in its namespace", () => {
    const modules = new Store<never>();
    const daemonSets = new Store<never>();
    const put = (store: Store<never>, namespace: string, name: string): void =>
      void store.set({ apiVersion: "v1", kind: "K", metadata: { namespace, name } } as never);
    for (const name of ["o-module", "o-sfcmod", "other-module"]) put(modules, "ns", name);
    put(modules, "other", "o-module");
    put(daemonSets, "ns", "o-onload-device-plugin-ds");
    const names = ({ onload, sfc, daemonSet }: ReturnType<typeof observeObjects>): unknown[] =>
      [onload, sfc, daemonSet].map((each) => each && `${each.metadata.namespace}/${each.metadata.name}`);
    const caches = { modules: { store: modules }, daemonSets: { store: daemonSets } };
    expect(names(observeObjects(caches, KEY))).toEqual(["ns/o-module", "ns/o-sfcmod", "ns/o-onload-device-plugin-ds"]);
    expect(names(observeObjects(caches, { ...KEY, namespace: "other" }))).toEqual([
      "other/o-module",
      undefined,
      undefined,
    ]);
  });

  test("each Module's images are its own, if KMM tells of them at all", () => {
    const configs = new Store<ModuleImagesConfig>();
    const pods = new Store<Pod, "module">({ module: ({ metadata }) => [`ns/${metadata.labels!["of"]}`] });
    const put = (name: string, image: string): void => {
      const imagesStates = [{ image: `${image}:1`, status: "Exists" as const }];
      configs.set({ metadata: { namespace: "ns", name }, status: { imagesStates } } as unknown as ModuleImagesConfig);
      const waiting = { reason: "ImagePullBackOff", message: "m" };
      pods.set({
        apiVersion: "v1",
        kind: "Pod",
        metadata: { namespace: "ns", name: `pull-${image}`, uid: image, labels: { of: name } },
        spec: { containers: [{ name: "c", image: `${image}:2` }] },
        status: { containerStatuses: [{ name: "c", state: { waiting } }] },
      } as Pod);
    };
    put("o-module", "onload");
    put("o-sfcmod", "sfc");
    const caches = { moduleImagesConfigs: { store: configs }, pullPods: { store: pods } };
    const { onload, sfc } = observeImages(caches, KEY, KMM_2, new Map([["sfc secrets", "said"]]))!;
    expect(onload).toMatchObject({
      found: ["onload:1"],
      problems: { "onload:2": expect.stringContaining("pull-onload") },
    });
    expect(sfc).toMatchObject({ found: ["sfc:1"], problems: { "sfc:2": expect.stringMatching(/pull-sfc.*; said$/) } });
    expect(observeImages(caches, KEY, KMM_1, new Map())).toBeUndefined();
  });
});
