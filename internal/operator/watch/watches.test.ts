import { describe, expect, test } from "bun:test";
import type { KubeObject, Pod } from "../../api/core.ts";
import type { Change } from "../../kube/store.ts";
import type { Caches } from "../cache/caches.ts";
import { MemoryCluster } from "../testing/memory-cluster.ts";
import { KEY } from "../testing/reconciler-bed.ts";
import { watchAll, type Watcher } from "./watches.ts";
import {
  MACHINE_CONFIG_POOLS,
  MACHINE_CONFIGS,
  MODULE_IMAGES_CONFIGS,
  MODULES,
  NODE_MODULES_CONFIGS,
  ONLOADS,
  type Resource,
} from "../../api/resources.ts";
import {
  CUSTOM_RESOURCE_DEFINITIONS,
  DAEMON_SETS,
  NAMESPACES,
  NODES,
  PODS,
  VALIDATING_ADMISSION_POLICIES,
  VALIDATING_ADMISSION_POLICY_BINDINGS,
} from "../../kube/resource.ts";

/** A cluster with one resource, whose changes are turned into keys. */
function watched(isOurs?: (key: string) => boolean): { cluster: MemoryCluster; keys: () => string[] } {
  const cluster = new MemoryCluster();
  const caches = cluster.caches as unknown as Caches;
  const handlers = new Map<unknown, (change: Change<KubeObject>) => Iterable<string>>();
  const watcher: Watcher = {
    watch: (informer, keysOf) => void handlers.set(informer, keysOf as never),
  };
  watchAll(watcher, caches, isOurs);
  const queued = new Set<string>();
  cluster.onChange = (name, change) => {
    for (const key of handlers.get(caches[name])?.(change) ?? []) queued.add(key);
  };
  const keys = (): string[] => {
    const list = [...queued];
    queued.clear();
    return list;
  };
  cluster.put(ONLOADS, {
    apiVersion: "",
    kind: "Onload",
    metadata: KEY,
    spec: { selector: { onload: "yes" } },
  } as KubeObject);
  keys();
  return { cluster, keys };
}
const loader = (namespace: string, module: string): Pod =>
  ({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { namespace, name: `pod-of-${module}`, labels: { "kmm.node.kubernetes.io/module.name": module } },
    spec: { nodeName: "n1" },
  }) as Pod;

test("pods of a resource's modules concern it, and those of other teams' concern nobody", () => {
  const { cluster, keys } = watched();
  cluster.put(PODS, loader("ns", "main-module"));
  expect(keys()).toEqual(["ns/main"]);
  cluster.put(PODS, loader("ns", "gpu-module"));
  cluster.put(PODS, loader("gpus", "main-module"));
  expect(keys()).toEqual([]);
});

describe("every kind that the operator follows wakes a resource", () => {
  const inNamespace = (name: string): KubeObject["metadata"] => ({ namespace: "ns", name });
  const pod = (label: string, value: string): object => ({
    metadata: { ...inNamespace("p"), labels: { [label]: value } },
    spec: { nodeName: "n1" },
  });
  /** An object of each that concerns the resource `ns/main`, or all. */
  const OBJECTS = {
    onloads: [ONLOADS, { metadata: KEY, spec: { selector: { a: "b" } } }],
    nodes: [NODES, { metadata: { name: "n1", labels: { onload: "yes" } } }],
    plugins: [PODS, pod("onload.amd.com/name", "main-onload-device-plugin-ds")],
    kmmPods: [PODS, pod("kmm.node.kubernetes.io/module.name", "main-sfcmod")],
    pullPods: [PODS, pod("kmm.node.kubernetes.io/image-owner", "main-module")],
    daemonSets: [DAEMON_SETS, { metadata: inNamespace("main-onload-device-plugin-ds") }],
    modules: [MODULES, { metadata: inNamespace("main-module") }],
    nodeModulesConfigs: [NODE_MODULES_CONFIGS, { metadata: { name: "n1" } }],
    moduleImagesConfigs: [MODULE_IMAGES_CONFIGS, { metadata: inNamespace("main-sfcmod") }],
    machineConfigs: [MACHINE_CONFIGS, { metadata: { name: "m" } }],
    machineConfigPools: [MACHINE_CONFIG_POOLS, { metadata: { name: "worker" }, spec: {}, status: {} }],
    crds: [CUSTOM_RESOURCE_DEFINITIONS, { metadata: { name: "c" }, spec: { group: "onload.amd.com" } }],
    namespaces: [NAMESPACES, { metadata: { name: "ns", annotations: { "onload.amd.com/allow-deletion": "true" } } }],
    policyBindings: [VALIDATING_ADMISSION_POLICY_BINDINGS, { metadata: { name: "b" } }],
    policies: [VALIDATING_ADMISSION_POLICIES, { metadata: { name: "p" } }],
  } satisfies Record<keyof Caches, [Resource, object]>;

  test.each(Object.entries(OBJECTS))("%s, when one comes, changes and goes", (_name, [resource, object]) => {
    for (const isOurs of [() => true, () => false]) {
      const { cluster, keys } = watched(isOurs);
      if (resource !== NODES) cluster.put(NODES, { apiVersion: "", kind: "", ...OBJECTS.nodes[1] });
      keys();
      const body = { apiVersion: "", kind: "", ...object } as KubeObject;
      const expected = isOurs() ? ["ns/main"] : [];
      cluster.put(resource, body);
      expect(keys()).toEqual(expected);
      cluster.put(resource, { ...body, metadata: { ...body.metadata, deletionTimestamp: "2026-01-01T00:00:00Z" } });
      expect(keys()).toEqual(expected);
      cluster.remove(resource, body.metadata);
      expect(keys()).toEqual(expected);
    }
  });
});

test("the end of a resource is noticed, so that nothing of it is remembered", () => {
  const { cluster, keys } = watched();
  cluster.remove(ONLOADS, KEY);
  expect(keys()).toEqual(["ns/main"]);
});

describe("whoever keeps a node makes room for others", () => {
  const other = { namespace: "ns", name: "other" };
  /** Two resources, of which the second is changed. */
  function two(change: (onload: KubeObject) => void): string[] {
    const { cluster, keys } = watched();
    cluster.put(ONLOADS, {
      apiVersion: "",
      kind: "Onload",
      metadata: { ...other, generation: 1 },
      spec: { selector: { onload: "yes" } },
    } as KubeObject);
    expect(keys().sort()).toEqual(["ns/main", "ns/other"]);
    cluster.edit<KubeObject>(ONLOADS, other, change);
    return keys().sort();
  }
  const spec = (onload: KubeObject): { selector: object; paused?: boolean } => (onload as never)["spec"];

  test.each<[string, (onload: KubeObject) => void]>([
    ["when it is deleted", ({ metadata }) => (metadata.deletionTimestamp = "2026-01-01T00:00:00Z")],
    ["when it selects other nodes", (onload) => (spec(onload).selector = { onload: "no" })],
  ])("%s, which all resources are told of", (_when, change) => {
    expect(two(change)).toEqual(["ns/main", "ns/other"]);
  });
  test("and is looked at alone when anything else of it changes", () => {
    expect(two((onload) => (spec(onload).paused = true))).toEqual(["ns/other"]);
  });
  test("when it is gone, which all resources are told of", () => {
    const { cluster, keys } = watched();
    cluster.put(ONLOADS, {
      apiVersion: "",
      kind: "Onload",
      metadata: other,
      spec: { selector: { a: "b" } },
    } as KubeObject);
    keys();
    cluster.remove(ONLOADS, other);
    expect(keys().sort()).toEqual(["ns/main", "ns/other"]);
  });
});

test("what KMM 2 says of a node concerns the resources that select it", () => {
  const { cluster, keys } = watched();
  const put = (resource: Resource, kind: string, name: string, labels: Record<string, string>): void =>
    void cluster.put(resource, { apiVersion: "", kind, metadata: { name, labels } });
  put(NODES, "Node", "n1", { onload: "yes" });
  put(NODES, "Node", "n2", {});
  keys();
  for (const name of ["n1", "n2", "n3"]) put(NODE_MODULES_CONFIGS, "NodeModulesConfig", name, {});
  expect(keys()).toEqual(["ns/main"]);
});

test("another KMM concerns all resources, and other CRDs nobody", () => {
  const { cluster, keys } = watched();
  const crd = (group: string): KubeObject =>
    ({
      apiVersion: "",
      kind: "CustomResourceDefinition",
      metadata: { name: `x.${group}` },
      spec: { group },
    }) as KubeObject;
  cluster.put(CUSTOM_RESOURCE_DEFINITIONS, crd("example.com"));
  expect(keys()).toEqual([]);
  cluster.put(CUSTOM_RESOURCE_DEFINITIONS, crd("kmm.sigs.x-k8s.io"));
  expect(keys()).toEqual(["ns/main"]);
});

test("a node concerns the resources that select it", () => {
  const { cluster, keys } = watched();
  const node = (labels: Record<string, string>): KubeObject => ({
    apiVersion: "v1",
    kind: "Node",
    metadata: { name: "n1", labels },
  });
  cluster.put(NODES, node({}));
  expect(keys()).toEqual([]);
  cluster.put(NODES, node({ onload: "yes" }));
  expect(keys()).toEqual(["ns/main"]);
});

test("a namespace concerns the resources when it is to be deleted, may be, or lets force reach its pods", () => {
  const { cluster, keys } = watched();
  const put = (metadata: object): void => {
    cluster.put(NAMESPACES, { apiVersion: "v1", kind: "Namespace", metadata: { name: "ns", ...metadata } });
  };
  put({});
  put({ labels: { team: "trading" } });
  // What is kept of a namespace always has annotations.
  put({ name: "new", annotations: {} });
  expect(keys()).toEqual([]);
  put({ annotations: { "onload.amd.com/allow-force-drain": "true" } });
  expect(keys()).toEqual(["ns/main"]);
  put({ annotations: { "onload.amd.com/allow-deletion": "true" } });
  expect(keys()).toEqual(["ns/main"]);
  put({ annotations: {} });
  expect(keys()).toEqual(["ns/main"]);
  put({ deletionTimestamp: "2026-01-01T00:00:00Z" });
  expect(keys()).toEqual(["ns/main"]);
});

test("an admission policy that comes or goes concerns all resources", () => {
  const { cluster, keys } = watched();
  const metadata = { name: "onload-operator-deploy" };
  cluster.put(VALIDATING_ADMISSION_POLICY_BINDINGS, { apiVersion: "", kind: "", metadata });
  expect(keys()).toEqual(["ns/main"]);
  cluster.remove(VALIDATING_ADMISSION_POLICY_BINDINGS, metadata);
  expect(keys()).toEqual(["ns/main"]);
});
