import { expect, test } from "bun:test";
import type { KubeObject, Pod } from "../../api/core.ts";
import type { Change } from "../../kube/store.ts";
import type { Caches } from "../cache/caches.ts";
import { MemoryCluster } from "../testing/memory-cluster.ts";
import { KEY } from "../testing/reconciler-bed.ts";
import { watchAll, type Watcher } from "./watches.ts";
import { ONLOADS } from "../../api/resources.ts";
import { NODES, PODS } from "../../kube/resource.ts";

/** A cluster with one resource, whose changes are turned into keys. */
function watched(): { cluster: MemoryCluster; keys: () => string[] } {
  const cluster = new MemoryCluster();
  const caches = cluster.caches as unknown as Caches;
  const handlers = new Map<unknown, (change: Change<KubeObject>) => Iterable<string>>();
  const watcher: Watcher = {
    watch: (informer, keysOf) => void handlers.set(informer, keysOf as never),
  };
  watchAll(watcher, caches);
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

test("the end of a resource is noticed, so that nothing of it is remembered", () => {
  const { cluster, keys } = watched();
  cluster.remove(ONLOADS, KEY);
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
