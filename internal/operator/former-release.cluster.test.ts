/**
 * The operator itself is upgraded, and downgraded: the executable and the manifests of a former release beside those of
 * this one, on a real API server with KMM 1.1.0.
 */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { VERSION } from "../cli/version.ts";
import type { KubeObject, Pod } from "../api/core.ts";
import type { Module } from "../api/kmm.ts";
import { KMM_MODULE_NAME_LABEL, OPERATOR_NAMESPACE, PLUGIN_NAME_LABEL } from "../api/names.ts";
import type { Onload } from "../api/onload.ts";
import { MODULES, ONLOADS, type Resource } from "../api/resources.ts";
import { silentLogger } from "../cli/log.ts";
import { Informer } from "../kube/informer.ts";
import { CONFIG_MAPS, PODS } from "../kube/resource.ts";
import { formerRelease, hasFormerRelease, type FormerRelease } from "../testcluster/lib/former.ts";
import { poll } from "../testcluster/lib/poll.ts";
import { installAll } from "./testing/install.ts";
import { imagesOf, onloadSpec, OperatorCluster, PATIENCE_MS } from "./testing/operator-cluster.ts";
import type { OperatorProcess } from "./testing/operator-process.ts";

setDefaultTimeout(600_000);

const LEASE = ["--leader-elect", `--leader-election-namespace=${OPERATOR_NAMESPACE}`];
const FORMER_IMAGE = "registry/onloadctl:former";
const IMAGE = "registry/onloadctl:current";
const POOL = "skew";

let former: FormerRelease;
let cluster: OperatorCluster;
let namespace: string;
let nodes: string[];
let leader: OperatorProcess;
/** Every pod there has been, by its uid. */
const pods = new Map<string, Pod>();
/** Messages of the condition Degraded, when it was True. */
const degraded = new Set<string>();
const watching = new AbortController();
const watches: Promise<void>[] = [];

// Left out in a clone without history, which the end of ./scripts/test says.
beforeAll(async () => {
  if (!hasFormerRelease) return;
  former = await formerRelease();
  cluster = await OperatorCluster.start({ installed: former.manifests });
  namespace = await cluster.createNamespace();
  nodes = await cluster.kubelet.createNodes(3, POOL, { pool: POOL });
  follow(PODS, (pod) => pods.set(pod.metadata.uid!, pod as Pod));
  follow(ONLOADS, (onload) => {
    const found = (onload as Onload).status?.conditions?.find(({ type }) => type === "Degraded");
    if (found?.status === "True") degraded.add(`${found.reason}: ${found.message}`);
  });
  leader = await startFormer();
  await cluster.createOnload(namespace, onloadSpec(POOL, "v1"));
  await cluster.ready(namespace);
  await Promise.all(nodes.map((node) => createHolder(node)));
});
afterAll(async () => {
  watching.abort();
  await Promise.all(watches);
  await cluster?.[Symbol.asyncDispose]();
});

/** Shows every state of every object that there is from now on in the namespace. */
function follow(resource: Resource, see: (object: KubeObject) => void): void {
  const informer = new Informer<KubeObject>({
    client: cluster.client,
    resource,
    namespaces: [namespace],
    log: silentLogger,
  });
  informer.subscribe(({ current }) => {
    if (current) see(current as KubeObject);
  });
  watches.push(informer.run(watching.signal));
}

function startFormer(): Promise<OperatorProcess> {
  return cluster.startOperator(LEASE, cluster.user, { executable: former.executable, image: FORMER_IMAGE });
}

function startCurrent(): Promise<OperatorProcess> {
  return cluster.startOperator(LEASE, cluster.user, { image: IMAGE });
}

/** The leader ends, as its Deployment ends it, while the other stands by. */
async function handOver(to: OperatorProcess): Promise<void> {
  expect([await leader.leads(), await to.leads()]).toEqual([true, false]);
  expect(await leader.stop()).toBe(0);
  await poll(() => to.leads(), { what: "The other leading", timeoutMs: PATIENCE_MS });
  leader = to;
}

/** An application's pod on a node; its controller makes no other. */
async function createHolder(nodeName: string): Promise<void> {
  const name = `app-${nodeName}-${crypto.randomUUID().slice(0, 8)}`;
  const controller = await cluster.client.create<KubeObject>(CONFIG_MAPS, {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name, namespace },
  });
  const owner = { apiVersion: "v1", kind: "ConfigMap", name, uid: controller.metadata.uid!, controller: true };
  await cluster.client.create(PODS, {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace, ownerReferences: [owner] },
    spec: {
      nodeName,
      containers: [{ name: "app", image: "app", resources: { limits: { "amd.com/onload": "1" } } }],
    },
  } as unknown as Pod);
  await poll(async () => (await live(isApp)).some((pod) => pod.metadata.name === name), {
    what: `Pod ${name} running`,
    timeoutMs: PATIENCE_MS,
  });
}

const isApp = ({ metadata }: Pod): boolean => metadata.name.startsWith("app-");
const isLoader = ({ metadata }: Pod): boolean => metadata.labels?.[KMM_MODULE_NAME_LABEL] !== undefined;
const isPlugin = ({ metadata }: Pod): boolean => metadata.labels?.[PLUGIN_NAME_LABEL] !== undefined;
const uids = (list: Iterable<Pod>): string[] => [...list].map(({ metadata }) => metadata.uid!).toSorted();

/** Pods of a kind on the nodes that run and are not about to go. */
async function live(kind: (pod: Pod) => boolean): Promise<Pod[]> {
  const { items } = await cluster.client.list<Pod>(PODS, { namespace });
  return items.filter(
    (pod) =>
      kind(pod) &&
      nodes.includes(pod.spec?.nodeName ?? "") &&
      pod.status?.phase === "Running" &&
      pod.metadata.deletionTimestamp === undefined,
  );
}

/** How often a pod of a kind has been made on each node. */
async function made(kind: (pod: Pod) => boolean): Promise<Record<string, number>> {
  // The watch may be behind the list.
  const isSeen = ({ metadata, spec }: Pod): boolean => {
    const seen = pods.get(metadata.uid!);
    return seen !== undefined && seen.spec?.nodeName === spec?.nodeName;
  };
  const areSeen = async (): Promise<boolean> =>
    (await cluster.client.list<Pod>(PODS, { namespace })).items.every(isSeen);
  await poll(areSeen, { what: "Every pod seen" });
  const counted = [...pods.values()].filter(kind);
  return Object.fromEntries(nodes.map((node) => [node, counted.filter(({ spec }) => spec?.nodeName === node).length]));
}

function onceMore(counts: Record<string, number>): Record<string, number> {
  return Object.fromEntries(Object.entries(counts).map(([node, count]) => [node, count + 1]));
}

/** Waits until each node has a device plugin of that image, and all is ready. */
async function readyWith(image: string): Promise<void> {
  await poll(
    async () => {
      const plugins = await live(isPlugin);
      const images = plugins.map(({ spec }) => spec?.containers?.[0]?.image);
      if (images.length !== nodes.length || images.some((each) => each !== image)) throw new Error(images.join(", "));
      return true;
    },
    { what: `Device plugins of ${image}`, timeoutMs: PATIENCE_MS, intervalMs: 100 },
  );
  await cluster.ready(namespace);
}

/** What must stay as it is: the specs of Modules, by which KMM reloads, labels of nodes, modules and applications. */
async function untouched(): Promise<object> {
  const modules = (await cluster.client.list<Module>(MODULES, { namespace })).items;
  const labels = await Promise.all(nodes.map(async (name) => (await cluster.node(name)).metadata.labels));
  return {
    modules: modules.map(({ metadata, spec }) => [metadata.name, metadata.uid, metadata.generation, spec]),
    labels,
    loaders: uids(await live(isLoader)),
    apps: uids(await live(isApp)),
  };
}

/** What `onloadctl version` says of the operator and of KMM. */
async function versions(): Promise<object> {
  const { operator, kmm } = JSON.parse(await cluster.onloadctl(["version", "-o", "json"])) as {
    operator: { state: string; version?: string };
    kmm: { series?: string };
  };
  return { state: operator.state, operator: operator.version, kmm: kmm.series };
}

function evictions(): number {
  return cluster.requests().filter(({ objectRef }) => objectRef?.subresource === "eviction").length;
}

test.skipIf(!hasFormerRelease)(
  "an upgrade replaces each device plugin once, and touches neither modules nor applications",
  async () => {
    const before = await untouched();
    await installAll(cluster.plane);
    const current = await startCurrent();

    // The former one still leads, under the new CRD, rights and policies: what is left to do goes on.
    await cluster.kubelet.createNode(`${POOL}-late`, { pool: POOL });
    await poll(async () => (await cluster.status(namespace))?.nodes?.ready === 4, {
      what: "A new node, brought up by the former release",
      timeoutMs: PATIENCE_MS,
    });
    await cluster.kubelet.deleteNode(`${POOL}-late`);
    await poll(async () => (await cluster.status(namespace))?.nodes?.desired === 3, {
      what: "The end of the new node",
      timeoutMs: PATIENCE_MS,
    });
    expect(await untouched()).toEqual(before);

    const pluginsMade = await made(isPlugin);
    await handOver(current);
    expect(await versions()).toEqual({ state: "acts", operator: VERSION, kmm: "1.1" });
    await readyWith(IMAGE);
    expect(await untouched()).toEqual(before);
    expect(await made(isPlugin)).toEqual(onceMore(pluginsMade));
    expect(evictions()).toBe(0);
  },
);

test.skipIf(!hasFormerRelease)("a downgrade does the same", async () => {
  const before = await untouched();
  const pluginsMade = await made(isPlugin);
  await installAll(cluster.plane, former.manifests);
  await handOver(await startFormer());
  // What the other has left in the Lease is not taken for its own.
  expect(await versions()).toEqual({ state: "acts", operator: undefined, kmm: "1.1" });
  await readyWith(FORMER_IMAGE);
  expect(await untouched()).toEqual(before);
  expect(await made(isPlugin)).toEqual(onceMore(pluginsMade));
  expect(evictions()).toBe(0);
});

/** Lets an upgrade of Onload go on until an application does not go from the second node; gives what lets it go. */
async function halfWay(version: string): Promise<() => void> {
  const [first, second] = nodes as [string, string];
  cluster.kubelet.mayGo = (pod) => !isApp(pod) || pod.spec?.nodeName !== second;
  await cluster.editOnload(namespace, { onload: imagesOf(version) });
  const isEnding = async (): Promise<boolean> =>
    (await cluster.client.list<Pod>(PODS, { namespace })).items.some(
      (pod) => isApp(pod) && pod.spec?.nodeName === second && pod.metadata.deletionTimestamp !== undefined,
    );
  await poll(async () => (await cluster.versionOn(first, namespace)) === version && (await isEnding()), {
    what: "The drain of the second node",
    timeoutMs: PATIENCE_MS,
  });
  return () => {
    cluster.kubelet.mayGo = () => true;
    cluster.kubelet.review();
  };
}

/** Waits for the end of an upgrade; every module was loaded once more. */
async function finished(version: string, image: string, loadersMade: Record<string, number>): Promise<void> {
  await poll(async () => (await Promise.all(nodes.map((node) => cluster.versionOn(node, namespace)))).every(isIt), {
    what: `Version ${version} on every node`,
    timeoutMs: PATIENCE_MS,
  });
  await readyWith(image);
  expect(await made(isLoader)).toEqual(onceMore(loadersMade));
  function isIt(each: string | undefined): boolean {
    return each === version;
  }
}

test.skipIf(!hasFormerRelease).each([
  ["upgraded", "v2"],
  ["downgraded", "v3"],
] as const)("an operator that is %s half-way of an upgrade of Onload goes on with it", async (what, version) => {
  const loadersMade = await made(isLoader);
  const letGo = await halfWay(version);
  const isUpgrade = what === "upgraded";
  await installAll(cluster.plane, isUpgrade ? undefined : former.manifests);
  await handOver(await (isUpgrade ? startCurrent() : startFormer()));
  letGo();
  await finished(version, isUpgrade ? IMAGE : FORMER_IMAGE, loadersMade);
  expect(await live(isApp)).toEqual([]);
  await Promise.all(nodes.map((node) => createHolder(node)));
});

test.skipIf(!hasFormerRelease)(
  "nothing failed meanwhile, and what a former release has put onto nodes, this one takes away",
  async () => {
    // True as long as the newer one still leads under the former CRD. Nothing else was wrong at any time.
    expect([...degraded].filter((each) => !each.startsWith("CrdOutdated: "))).toEqual([]);
    await installAll(cluster.plane);
    await handOver(await startCurrent());
    await readyWith(IMAGE);
    await cluster.deleteOnload(namespace);
    await cluster.gone(namespace);
    for (const node of nodes) expect(await cluster.traces(node)).toEqual([]);
    expect((await cluster.client.list(MODULES, { namespace })).items).toEqual([]);
    expect(cluster.kubelet.violations).toEqual([]);
  },
);
