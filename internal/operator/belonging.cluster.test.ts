/**
 * Whose a node is, and how it is let go, from the side of those who would take it away: by a typo, by a resource in
 * another namespace, by deletion. On a real API server with KMM 1.1.0; only the kubelets are played.
 */
import { afterAll, afterEach, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import type { KubeObject, Node, Pod } from "../api/core.ts";
import { pluginLabel } from "../api/names.ts";
import { ONLOADS } from "../api/resources.ts";
import { silentLogger } from "../cli/log.ts";
import { CONFIG_MAPS, NODES, PODS } from "../kube/resource.ts";
import { poll } from "../testcluster/lib/poll.ts";
import { NO_ANSWERS } from "./view/evictions.ts";
import { describePlan, type ResourcePlan } from "./view/plan-view.ts";
import { Session } from "./view/session.ts";
import { followLosses, type Losses } from "./testing/losses.ts";
import { imagesOf, onloadSpec, OperatorCluster, PATIENCE_MS } from "./testing/operator-cluster.ts";

setDefaultTimeout(600_000);

let cluster: OperatorCluster;
let namespace: string;
let pool: string;
let nodes: string[];
beforeAll(async () => {
  cluster = await OperatorCluster.start();
  await cluster.startOperator();
});
afterAll(() => cluster[Symbol.asyncDispose]());

afterEach(() => cluster.clear());

/** Nodes that run v1 of a resource, each with a pod that holds amd.com/onload. */
async function trading(count: number): Promise<void> {
  namespace = await cluster.createNamespace();
  pool = `p${crypto.randomUUID().slice(0, 8)}`;
  nodes = await cluster.kubelet.createNodes(count, pool, { pool });
  await cluster.createOnload(namespace, onloadSpec(pool, "v1"));
  await cluster.ready(namespace);
  for (const node of nodes) await createTrader(node);
}

async function createTrader(nodeName: string): Promise<void> {
  // Any object will do: a real controller would make the pod again at once.
  const map = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: `owner-${crypto.randomUUID()}`, namespace } };
  const { metadata: made } = await cluster.client.create<KubeObject>(CONFIG_MAPS, map);
  const owner = { apiVersion: "v1", kind: "ConfigMap", name: made.name, uid: made.uid!, controller: true };
  const resources = { limits: { "amd.com/onload": "1" } };
  await cluster.client.create<Pod>(PODS, {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: `trader-${nodeName}`, namespace, labels: { app: "trader" }, ownerReferences: [owner] },
    spec: { nodeName, containers: [{ name: "app", image: "app", resources }] },
  } as Pod);
}

async function traders(): Promise<string[]> {
  const { items } = await cluster.client.list<Pod>(PODS, { namespace, labelSelector: "app=trader" });
  return items.filter(({ metadata }) => !metadata.deletionTimestamp).map(({ metadata }) => metadata.name);
}

/** On how many nodes at once pods had no Onload any more, from now on. */
const follow = (): Promise<Losses> =>
  followLosses(cluster.client, pluginLabel({ namespace, name: "main" }), "app=trader");

/** A resource of another team, in a namespace of its own. */
async function tenant(selector: Record<string, string>): Promise<string> {
  const other = await cluster.createNamespace();
  await cluster.createOnload(other, { ...onloadSpec(pool, "v9"), selector });
  return other;
}

const allServed = async (): Promise<boolean> => {
  const versions = await Promise.all(nodes.map((node) => cluster.versionOn(node, namespace)));
  return versions.every((version) => version === "v1");
};

test("a typo in spec.selector takes no node, and a confirmed change takes one after the other", async () => {
  await trading(4);
  const followed = await follow();
  await cluster.editOnload(namespace, { selector: { pool: `${pool}-typo` } });
  const why = await cluster.condition(namespace, "Degraded", "True", "ChangeHeldBack");
  expect(why).toContain("spec.selector lets go of 4 nodes that serve pods");
  expect(await cluster.differences(namespace, "ChangeHeldBack")).toEqual([]);
  const [, annotation] = /(onload\.amd\.com\/confirm-generation=\S+)/.exec(why)!;
  expect(await allServed()).toBe(true);
  expect(await traders()).toHaveLength(4);
  expect(await followed.most()).toBe(0);

  // As the message says.
  const [name, generation] = annotation!.split("=");
  await cluster.client.mergePatch(
    ONLOADS,
    { namespace, name: "main" },
    { metadata: { annotations: { [name!]: generation } } },
  );
  await cluster.condition(namespace, "Ready", "False", "NoMatchingNodes");
  await poll(async () => (await Promise.all(nodes.map((node) => cluster.traces(node)))).flat().length === 0, {
    what: "The end of everything on the nodes",
    timeoutMs: PATIENCE_MS,
  });
  expect(await followed.most()).toBe(1);
  expect(await traders()).toEqual([]);
  expect(cluster.kubelet.violations).toEqual([]);
  await followed.stop();

  // Made again from a file that has the annotation, its generations count from 1: the same change would have the same number.
  const { spec, metadata } = (await cluster.onload(namespace))!;
  await cluster.deleteOnload(namespace);
  await cluster.gone(namespace);
  const again = { ...spec, selector: { pool } };
  await cluster.createOnload(namespace, again, "main", { annotations: { [name!]: generation! } });
  await cluster.ready(namespace);
  for (const node of nodes) await createTrader(node);
  await cluster.editOnload(namespace, { selector: { pool: `${pool}-typo` } });
  expect((await cluster.onload(namespace))!.metadata).toMatchObject({
    generation: metadata.generation,
    annotations: { [name!]: generation },
  });
  const stillHeld = await cluster.condition(namespace, "Degraded", "True", "ChangeHeldBack");
  expect(stillHeld).not.toContain(annotation!);
  expect(await allServed()).toBe(true);
  expect(await traders()).toHaveLength(4);
});

test("a plan shows what another selector would let go of, and what deletion would do, before anything is done", async () => {
  await trading(3);
  const session = await Session.open(cluster.client, namespace, silentLogger, new AbortController().signal);
  const signal = new AbortController().signal;
  const planned = async (): Promise<ResourcePlan> => {
    const observed = await session.observe("main", Date.now(), signal);
    return describePlan(observed[0]!, { holders: new Map(), budgets: [], evictions: NO_ANSWERS });
  };
  try {
    session.supposeDeleted(Date.now());
    expect((await planned()).nodes.map(({ turn, steps }) => [turn, steps[0]])).toEqual([
      [0, "stop plugin"],
      [1, "stop plugin"],
      [2, "stop plugin"],
    ]);
    const spec = onloadSpec(pool, "v1");
    const manifest = { apiVersion: "onload.amd.com/v1alpha1", kind: "Onload", metadata: { namespace, name: "main" } };
    await session.suppose({ ...manifest, spec: { ...spec, selector: { pool: "typo" } } }, signal);
    expect((await planned()).notes.join("\n")).toContain("Held back: spec.selector lets go of 3 nodes that serve pods");
    const upgrade = { maxUnavailable: 3 };
    await session.suppose({ ...manifest, spec: { ...spec, upgrade, selector: { pool: "other" } } }, signal);
    expect((await planned()).nodes.map(({ turn, node, to }) => [turn, node, to])).toEqual(
      nodes.map((node) => [0, node, ""]),
    );
  } finally {
    await session.close();
  }
  expect(await allServed()).toBe(true);
  expect(await traders()).toHaveLength(3);
});

test("labels that all nodes lose take one node at most, and those that are confirmed go one after the other", async () => {
  await trading(4);
  const followed = await follow();
  const label = (value: string | null): Promise<unknown> =>
    Promise.all(
      nodes.map((name) =>
        cluster.client.mergePatch<Node>(NODES, { name }, { metadata: { labels: { pool: value } } } as never),
      ),
    );
  await label(null);
  // The nodes lose their labels one after the other, and the operator may look in between.
  const held = /[34] nodes that serve pods have lost the labels of spec\.selector/;
  await poll(async () => held.test(await cluster.condition(namespace, "Degraded", "True", "ChangeHeldBack")), {
    what: "A message that counts the nodes that are held back",
    timeoutMs: PATIENCE_MS,
  });
  await cluster.condition(namespace, "Progressing", "False");
  expect(await cluster.differences(namespace, "ChangeHeldBack")).toEqual([]);
  expect((await traders()).length).toBeGreaterThanOrEqual(3);
  await label(pool);
  await poll(allServed, { what: "All nodes in service", timeoutMs: PATIENCE_MS });
  await cluster.ready(namespace);

  const left = new Set(await traders());
  for (const node of nodes) if (!left.has(`trader-${node}`)) await createTrader(node);
  await label("tarde");
  const [, name, value] = /(onload\.amd\.com\/confirm-generation)=(\S+)/.exec(
    await cluster.condition(namespace, "Degraded", "True", "ChangeHeldBack"),
  )!;
  const metadata = { annotations: { [name!]: value! } };
  await cluster.client.mergePatch(ONLOADS, { namespace, name: "main" }, { metadata });
  await cluster.condition(namespace, "Ready", "False", "NoMatchingNodes");
  await poll(async () => (await Promise.all(nodes.map((node) => cluster.traces(node)))).flat().length === 0, {
    what: "The end of everything on the nodes",
    timeoutMs: PATIENCE_MS,
  });
  expect(await followed.most()).toBe(1);
  expect(cluster.kubelet.violations).toEqual([]);
  await followed.stop();
});

test("a typo that is corrected at once takes no node", async () => {
  await trading(2);
  const followed = await follow();
  await cluster.editOnload(namespace, { selector: { pool: `${pool}-typo` } });
  await cluster.editOnload(namespace, { selector: { pool: null, other: "x" } });
  await cluster.editOnload(namespace, { selector: { pool, other: null } });
  await cluster.ready(namespace);
  expect((await cluster.status(namespace))!.selector).toEqual({ pool });
  expect(await traders()).toHaveLength(2);
  expect(await followed.most()).toBe(0);
  await followed.stop();
});

test("an older resource of another namespace gets none of the nodes that somebody has", async () => {
  namespace = "";
  pool = `p${crypto.randomUUID().slice(0, 8)}`;
  const attacker = await tenant({ pool: "nowhere" });
  await cluster.condition(attacker, "Ready", "False", "NoMatchingNodes");
  await trading(3);
  const followed = await follow();
  await cluster.editOnload(attacker, { selector: { pool } });
  const why = await cluster.condition(attacker, "Degraded", "True");
  expect(why).toContain(`Onload "${namespace}/main" selects this node too and keeps it`);
  expect(await allServed()).toBe(true);
  expect(await traders()).toHaveLength(3);
  // Also while its owner upgrades them, when each node is without labels for a moment.
  await cluster.editOnload(namespace, { onload: imagesOf("v2") });
  await cluster.ready(namespace);
  for (const node of nodes) {
    const { labels = {} } = (await cluster.node(node)).metadata;
    expect(Object.keys(labels).filter((label) => label.includes(attacker))).toEqual([]);
  }
  expect(await followed.most()).toBe(1);
  expect(cluster.kubelet.violations).toEqual([]);
  // Once its owner lets go, the next one gets them.
  await cluster.deleteOnload(namespace);
  await cluster.gone(namespace);
  await cluster.ready(attacker);
  await followed.stop();
});

test.each([["Foreground"], ["Background"]])(
  "a resource that is deleted (%s) is taken down by slots",
  async (policy) => {
    await trading(4);
    const idle = await cluster.kubelet.createNodes(4, `${pool}-idle`, { pool });
    // That the first four are Ready stays in the status until the operator has seen the others.
    await poll(async () => (await cluster.status(namespace))?.nodes?.ready === 8, {
      what: "All nodes Ready",
      timeoutMs: PATIENCE_MS,
    });
    await cluster.ready(namespace);
    const followed = await follow();
    const path = `/apis/onload.amd.com/v1alpha1/namespaces/${namespace}/onloads/main`;
    await cluster.plane.request("DELETE", path, { body: { propagationPolicy: policy } });
    // Nodes without pods go at once, while those with pods wait for one another.
    await poll(async () => (await Promise.all(idle.map((node) => cluster.traces(node)))).flat().length === 0, {
      what: "The end of everything on idle nodes",
      timeoutMs: PATIENCE_MS,
    });
    await cluster.gone(namespace);
    expect(await followed.most()).toBe(1);
    expect(cluster.kubelet.violations).toEqual([]);
    await followed.stop();
  },
);

test("an operator for one namespace sees who has a node in another", async () => {
  await trading(2);
  const other = await tenant({ pool });
  await cluster.condition(other, "Degraded", "True");
  // From now on only the second operator can say anything.
  await cluster.stopOperators();
  await cluster.startOperator([`--watch-namespaces=${other}`]);
  await cluster.editOnload(other, { upgrade: { maxUnavailable: 2 } });
  const why = await cluster.condition(other, "Degraded", "True");
  expect(why).toContain(`Onload "${namespace}/main" selects this node too and keeps it`);
  expect(await allServed()).toBe(true);
  expect(await traders()).toHaveLength(2);
  await cluster.stopOperators();
  await cluster.startOperator();
});
