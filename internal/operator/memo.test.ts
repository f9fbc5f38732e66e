import { expect, test } from "bun:test";
import fc from "fast-check";
import type { CustomResourceDefinition, DaemonSet, DeepReadonly, KubeObject, Node, Pod } from "../api/core.ts";
import type { Module, ModuleImagesConfig, NodeModulesConfig } from "../api/kmm.ts";
import { loadLabel, loadLabelSelector, OFF, ON, type LoadLabelValue } from "./kmm/load-label.ts";
import {
  devicePluginName,
  KMM_MODULE_NAME_LABEL,
  KMM_ROLE_LABEL,
  kmm1ModuleLoaderLabel,
  moduleReadyLabel,
  onloadModuleLabel,
  onloadModuleName,
  PLUGIN_NAME_LABEL,
  pluginLabel,
  VERSION_LABEL,
} from "../api/names.ts";
import { withDefaults, type Onload } from "../api/onload.ts";
import { Store } from "../kube/store.ts";
import type { RawOnload, Stores } from "./cache/caches.ts";
import { NODE_INDEXES, OPENED_INDEX } from "./cache/indexes.ts";
import { kmmCrd } from "./testing/reconciler-bed.ts";
import { planFor, PlanMemo } from "./plan.ts";
import type { PodRefusals } from "./observe/refusals.ts";
import { formatStepRecord, stepRecordAnnotation } from "./observe/step-record.ts";

const KEY = { namespace: "ns", name: "o" };
const MODULE = onloadModuleName(KEY.name);
const LOAD_SELECTOR = loadLabelSelector(KEY.namespace, MODULE);
const START = Date.UTC(2026, 0, 1);
const NODES = ["n1", "n2", "n3"];

/** What the informers have; what is remembered must never show. */
class Cluster {
  readonly nodes = new Store(NODE_INDEXES);
  readonly plugins = new Store<Pod, "node">({ node: onNode });
  readonly kmmPods = new Store<Pod, "node">({ node: onNode });
  readonly modules = new Store<Module>();
  readonly daemonSets = new Store<DaemonSet>();
  readonly crds = new Store<CustomResourceDefinition>();
  readonly onloads = new Store<RawOnload>();
  readonly images = new Store<ModuleImagesConfig>();
  readonly stores: Stores;
  readonly holders = new Map<string, DeepReadonly<Pod>[]>();
  readonly refusals = new Map<string, string>();
  readonly failureLogs = { logs: new Map<string, string>(), revision: 0 };
  podRefusals: PodRefusals = {};
  unanswered: readonly string[] = [];
  onload: Onload;
  now = START;
  #version = 0;

  constructor() {
    this.onload = withDefaults({
      apiVersion: "onload.amd.com/v1alpha1",
      kind: "Onload",
      metadata: { ...KEY, uid: "u", generation: 1 },
      spec: {
        selector: { onload: "yes" },
        serviceAccountName: "sa",
        onload: { kernelMappings: [{ regexp: "^5", kernelModuleImage: "m" }], userImage: "u:1", version: "v1" },
      },
    });
    this.onloads.set(this.onload as unknown as RawOnload);
    const store = <T>(of: T): { store: T } => ({ store: of });
    this.stores = {
      nodes: store(this.nodes),
      plugins: store(this.plugins),
      kmmPods: store(this.kmmPods),
      pullPods: store(new Store<Pod, "module">({ module: () => [] })),
      modules: store(this.modules),
      daemonSets: store(this.daemonSets),
      crds: store(this.crds),
      onloads: store(this.onloads),
      nodeModulesConfigs: store(new Store<NodeModulesConfig, "opened">(OPENED_INDEX)),
      moduleImagesConfigs: store(this.images),
      machineConfigs: store(new Store<KubeObject>()),
      machineConfigPools: store(new Store<KubeObject>()),
      namespaces: store(new Store<KubeObject>()),
      policyBindings: store(new Store<KubeObject>()),
      policies: store(new Store<KubeObject>()),
    };
    this.crds.set(kmmCrd("Module", "Namespaced"));
  }

  node(name: string, { selected, version, loadValue, ready, kernel, marked, tainted = false }: NodeShape): void {
    const loaded = version === undefined ? {} : { [pluginLabel(KEY)]: version, [onloadModuleLabel(KEY)]: version };
    this.nodes.set({
      apiVersion: "v1",
      kind: "Node",
      metadata: {
        name,
        resourceVersion: String(++this.#version),
        labels: {
          ...(selected ? { onload: "yes" } : {}),
          ...loaded,
          ...(loadValue === undefined ? {} : { [loadLabel(KEY.namespace, MODULE)]: loadValue }),
          ...(version === undefined ? {} : { [moduleReadyLabel(KEY.namespace, MODULE)]: "" }),
        },
        annotations: marked
          ? { [stepRecordAnnotation(KEY)]: formatStepRecord({ step: "LabelOnload", since: START, attempt: "1" }) }
          : {},
      },
      spec: tainted ? { taints: [{ key: "team", value: "a", effect: "NoSchedule" }] } : {},
      status: {
        conditions: [{ type: "Ready", status: ready ? "True" : "False" }],
        allocatable: { "amd.com/onload": 1 },
        nodeInfo: { kernelVersion: kernel, bootID: "b" },
      },
    } as Node);
  }

  pod(store: "plugins" | "kmmPods", node: string, version: string, ready: boolean | undefined, byLabel = false): void {
    const name = `${store}-${node}`;
    if (ready === undefined) {
      this[store].delete(`ns/${name}`);
      return;
    }
    const labels =
      store === "plugins"
        ? { [PLUGIN_NAME_LABEL]: devicePluginName(KEY.name), [VERSION_LABEL]: version }
        : {
            [KMM_MODULE_NAME_LABEL]: MODULE,
            [KMM_ROLE_LABEL]: "module-loader",
            [kmm1ModuleLoaderLabel(KEY.namespace, MODULE)]: version,
          };
    const conditions = [{ type: "Ready", status: ready ? "True" : "False" }];
    const metadata = { name, namespace: "ns", uid: name, labels };
    this[store].set({
      apiVersion: "v1",
      kind: "Pod",
      metadata,
      spec: { nodeName: node, ...(store === "kmmPods" ? { nodeSelector: byLabel ? LOAD_SELECTOR : {} } : {}) },
      status: { conditions },
    } as Pod);
  }

  edit(change: (onload: Onload) => void): void {
    const copy = structuredClone(this.onload);
    change(copy);
    this.onload = copy;
    this.onloads.set(copy as unknown as RawOnload);
  }

  module(generation: number, count: number, byLabel = false): void {
    // The API server counts every change of the spec.
    const metadata = { namespace: "ns", name: MODULE, uid: "m", generation: generation * 2 + (byLabel ? 1 : 0) };
    const container = { version: `v${generation}`, kernelMappings: [{ regexp: "^5" }] };
    const spec = { selector: byLabel ? LOAD_SELECTOR : {}, moduleLoader: { container } };
    this.modules.set({ apiVersion: "kmm.sigs.x-k8s.io/v1beta1", kind: "Module", metadata, spec, count } as never);
  }

  plan(memo: PlanMemo, isSupposed = false): unknown {
    const { stores: caches, refusals, podRefusals, unanswered, failureLogs, holders } = this;
    const pods = { holders: (node: string) => holders.get(node), inspected: () => holders.keys() };
    const collected = { pods, refusals, podRefusals, unanswered, failureLogs };
    const own = { ownNode: "n1", pluginImage: "plugin:1", ownImage: undefined };
    const environment = { ...own, forceEverywhere: false, isSupposed };
    const { plan, desired, policy, effective } = planFor(
      { caches, collected, environment },
      this.onload,
      this.now,
      memo,
    );
    return { plan, desired, policy, effective };
  }
}

const onNode = (pod: DeepReadonly<Pod>): string[] => (pod.spec?.nodeName ? [pod.spec.nodeName] : []);

interface NodeShape {
  selected: boolean;
  version: string | undefined;
  loadValue?: LoadLabelValue | undefined;
  ready: boolean;
  kernel: string;
  marked: boolean;
  tainted?: boolean;
}

const name = fc.constantFrom(...NODES);
const version = fc.constantFrom("v1", "v2");
const shape = fc.record({
  selected: fc.boolean(),
  version: fc.constantFrom(undefined, "v1", "v2"),
  loadValue: fc.constantFrom(undefined, ON, OFF),
  ready: fc.boolean(),
  kernel: fc.constantFrom("5.1.0", "6.1.0"),
  marked: fc.boolean(),
  tainted: fc.boolean(),
});
const holder = (uid: string): Pod =>
  ({
    metadata: { namespace: "a", name: uid, uid },
    spec: { containers: [{ name: "c", resources: { limits: { "amd.com/onload": 1 } } }] },
  }) as unknown as Pod;

const action: fc.Arbitrary<(cluster: Cluster) => void> = fc.oneof(
  fc.tuple(name, shape).map(
    ([node, of]) =>
      (cluster: Cluster) =>
        cluster.node(node, of),
  ),
  name.map((node) => (cluster: Cluster) => void cluster.nodes.delete(node)),
  fc
    .tuple(
      fc.constantFrom("plugins" as const, "kmmPods" as const),
      name,
      version,
      fc.constantFrom(undefined, true, false),
      fc.boolean(),
    )
    .map(
      ([store, node, of, ready, byLabel]) =>
        (cluster: Cluster) =>
          cluster.pod(store, node, of, ready, byLabel),
    ),
  fc.nat({ max: 700 }).map((seconds) => (cluster: Cluster) => void (cluster.now += seconds * 1000)),
  fc.tuple(fc.integer({ min: 1, max: 2 }), fc.nat({ max: 2 }), fc.boolean()).map(
    ([generation, count, byLabel]) =>
      (cluster: Cluster) =>
        cluster.module(generation, count, byLabel),
  ),
  fc.constant((cluster: Cluster) => void cluster.modules.delete(`ns/${MODULE}`)),
  fc.tuple(name, fc.constantFrom([], ["p1"], ["p1", "p2"], undefined)).map(([node, uids]) => (cluster: Cluster) => {
    if (uids) cluster.holders.set(node, uids.map(holder));
    else cluster.holders.delete(node);
  }),
  fc.constantFrom("full", "budget").map((why) => (cluster: Cluster) => void cluster.refusals.set("p1", why)),
  fc
    .constantFrom<PodRefusals>({}, { plugin: "exceeded quota" }, { onload: "no" })
    .map((refusals) => (each: Cluster) => {
      each.podRefusals = refusals;
    }),
  fc.constantFrom([], ["n1"], ["n1", "n2"]).map((nodes) => (cluster: Cluster) => {
    cluster.unanswered = nodes;
  }),
  fc.constantFrom("modprobe: FATAL", "no space left").map((text) => ({ failureLogs }: Cluster) => {
    failureLogs.logs.set("kmmPods-n1", text);
    failureLogs.revision++;
  }),
  version.map(
    (to) => (cluster: Cluster) =>
      cluster.edit((onload) => {
        onload.spec.onload.version = to;
        onload.metadata.generation = (onload.metadata.generation ?? 0) + 1;
      }),
  ),
  fc.constantFrom([], [{ key: "team", operator: "Exists" as const }]).map(
    (tolerations) => (cluster: Cluster) =>
      cluster.edit((onload) => {
        onload.spec.tolerations = [...tolerations];
        onload.metadata.generation = (onload.metadata.generation ?? 0) + 1;
      }),
  ),
  fc.tuple(version, fc.constantFrom("m", "other")).map(
    ([of, kernelModuleImage]) =>
      (cluster: Cluster) =>
        cluster.edit((onload) => {
          const lastReady = { version: of, kernelMappings: [{ regexp: "^5", kernelModuleImage }], userImage: "u:1" };
          onload.status = { ...onload.status, lastReady: { version: of, onload: lastReady } } as never;
        }),
  ),
  // KMM 2.4 takes the place of 1.1, or the other way around.
  fc.boolean().map((is24) => ({ crds }: Cluster) => {
    for (const kind of ["NodeModulesConfig", "ModuleImagesConfig"]) {
      const crd = kmmCrd(kind, kind === "NodeModulesConfig" ? "Cluster" : "Namespaced");
      if (is24) crds.set(crd);
      else crds.delete(crd.metadata.name);
    }
  }),
  fc.constantFrom("Exists" as const, "DoesNotExist" as const).map((status) => ({ images }: Cluster) => {
    const imagesStates = ["m", "other"].map((image) => ({ image, status }));
    images.set({ metadata: { namespace: "ns", name: MODULE }, status: { imagesStates } } as never);
  }),
  fc.constantFrom(1, "50%").map(
    (to) => (cluster: Cluster) =>
      cluster.edit((onload) => {
        onload.spec.upgrade.maxUnavailable = to;
      }),
  ),
  fc.constant((cluster: Cluster) =>
    cluster.edit((onload) => {
      onload.status = { ...onload.status, observedGeneration: onload.metadata.generation ?? 0 } as never;
    }),
  ),
  fc.boolean().map(
    (deleting) => (cluster: Cluster) =>
      cluster.edit((onload) => {
        if (deleting) onload.metadata.deletionTimestamp = "2026-01-01T00:00:00Z";
        else delete onload.metadata.deletionTimestamp;
      }),
  ),
);

test("what is remembered from plan to plan changes none", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(action, fc.boolean()), { minLength: 1, maxLength: 40 }), (actions) => {
      const cluster = new Cluster();
      const memo = new PlanMemo();
      for (const node of NODES) {
        cluster.node(node, { selected: true, version: "v1", ready: true, kernel: "5.1.0", marked: true });
      }
      for (const [act, look] of actions) {
        act(cluster);
        if (look) expect(cluster.plan(memo)).toEqual(cluster.plan(new PlanMemo()));
      }
    }),
    { numRuns: 500 },
  );
});

test("a node that goes while another comes, which does not concern the resource, is forgotten", () => {
  const cluster = new Cluster();
  const memo = new PlanMemo();
  const shape: NodeShape = { selected: true, version: "v1", ready: true, kernel: "5.1.0", marked: false };
  for (const node of ["n1", "n2"]) cluster.node(node, shape);
  cluster.plan(memo);
  cluster.nodes.delete("n2");
  cluster.node("n3", { ...shape, selected: false, version: undefined });
  expect(cluster.plan(memo)).toEqual(cluster.plan(new PlanMemo()));
});

test("nodes are in the order in which people count, whenever they came", () => {
  const cluster = new Cluster();
  const memo = new PlanMemo();
  const shape: NodeShape = { selected: true, version: "v1", ready: true, kernel: "5.1.0", marked: false };
  const names = (): string[] => {
    const { plan } = cluster.plan(memo) as { plan: { nodes: { facts: { name: string } }[] } };
    return plan.nodes.map(({ facts }) => facts.name);
  };
  for (const node of ["n10", "n9", "n11"]) cluster.node(node, shape);
  expect(names()).toEqual(["n9", "n10", "n11"]);
  cluster.node("n1", shape);
  cluster.nodes.delete("n10");
  expect(names()).toEqual(["n1", "n9", "n11"]);
  cluster.node("n10", shape);
  cluster.node("n2", { ...shape, selected: false, version: undefined });
  expect(names()).toEqual(["n1", "n9", "n10", "n11"]);
});

test("a look at the nodes that is broken off is none: the next one sees what it would have seen", () => {
  const cluster = new Cluster();
  const memo = new PlanMemo();
  const shape: NodeShape = { selected: true, version: "v1", ready: true, kernel: "5.1.0", marked: false };
  for (const node of NODES) cluster.node(node, shape);
  cluster.plan(memo);
  for (const node of NODES) cluster.node(node, { ...shape, ready: false });
  const seen: string[] = [];
  cluster.holders.get = (node) => {
    if (seen.push(node) === 2) throw new Error("broken off");
    return undefined;
  };
  expect(() => cluster.plan(memo)).toThrow("broken off");
  cluster.holders.get = () => undefined;
  expect(cluster.plan(memo)).toEqual(cluster.plan(new PlanMemo()));
});

test("nothing that counts has changed: the plan is the same object", () => {
  const cluster = new Cluster();
  const memo = new PlanMemo();
  const shape: NodeShape = { selected: true, version: "v1", ready: true, kernel: "5.1.0", marked: true };
  cluster.node("n1", shape);
  cluster.pod("kmmPods", "n1", "v1", true);
  const planOf = (): unknown => (cluster.plan(memo) as { plan: unknown }).plan;
  const first = planOf();
  cluster.node("n1", shape);
  cluster.module(1, 2);
  cluster.edit((onload) => {
    onload.status = { observedGeneration: 1 } as never;
  });
  planOf();
  expect(planOf()).toBe(planOf());
  cluster.pod("kmmPods", "n1", "v1", false);
  expect(planOf()).not.toBe(first);
});

test("what is only supposed waits for no controller to see it", () => {
  const cluster = new Cluster();
  const seen = (isSupposed: boolean): unknown => cluster.plan(new PlanMemo(), isSupposed);
  expect(seen(false)).toMatchObject({ policy: { templateSeen: false } });
  expect(seen(true)).toMatchObject({ policy: { templateSeen: true } });
});
