/**
 * What a typo, a machine or a gateway does to a running operator, on a real API server with KMM 1.1.0 and without
 * admission policies: the clock is set, the server in between does not tell the truth, and texts are not what they should be.
 */
import { afterAll, afterEach, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { KubeObject, Pod } from "../api/core.ts";
import {
  ABSENCE_ANNOTATION,
  KMM_MODULE_NAME_LABEL,
  LEASE_NAME,
  onloadModuleName,
  RETRY_ANNOTATION,
} from "../api/names.ts";
import { ONLOADS } from "../api/resources.ts";
import type { Onload } from "../api/onload.ts";
import { silentLogger } from "../cli/log.ts";
import { Informer } from "../kube/informer.ts";
import type { Lease } from "../kube/kinds.ts";
import { CONFIG_MAPS, LEASES, PODS } from "../kube/resource.ts";
import type { AuditEvent } from "../testcluster/index.ts";
import { poll } from "../testcluster/lib/poll.ts";
import { LyingServer } from "./testing/lying-server.ts";
import { imagesOf, onloadSpec, OperatorCluster, PATIENCE_MS } from "./testing/operator-cluster.ts";
import { watchOutage } from "./testing/outage.ts";
import { WrongClock } from "./testing/wrong-clock.ts";

setDefaultTimeout(600_000);

const HOUR_MS = 3_600_000;

let cluster: OperatorCluster;
let namespace: string;
let pool: string;
beforeAll(async () => {
  cluster = await OperatorCluster.start();
});
afterAll(() => cluster[Symbol.asyncDispose]());

afterEach(async () => {
  try {
    await removeBudget();
    await cluster.clear();
    expect(cluster.kubelet.violations).toEqual([]);
  } finally {
    // Beside one that was left, the next story's would not act alone.
    await cluster.stopOperators();
  }
});

/** Nodes of a pool of their own, and a namespace. */
async function setUp(nodes: number): Promise<string[]> {
  namespace = await cluster.createNamespace();
  pool = `p${crypto.randomUUID().slice(0, 8)}`;
  return cluster.kubelet.createNodes(nodes, pool, { pool });
}

/** A running pod that holds amd.com/onload. Its controller makes no other. */
async function createTrader(nodeName: string): Promise<void> {
  const map = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "owner", namespace } };
  const { metadata: made } = await cluster.client.create<KubeObject>(CONFIG_MAPS, map);
  const owner = { apiVersion: "v1", kind: "ConfigMap", name: made.name, uid: made.uid!, controller: true };
  const resources = { limits: { "amd.com/onload": "1" } };
  await cluster.client.create<Pod>(PODS, {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "trader", namespace, labels: { app: "trader" }, ownerReferences: [owner] },
    spec: { nodeName, containers: [{ name: "app", image: "app", resources }] },
  } as Pod);
  const runs = async (): Promise<boolean> => (await trader())?.status?.phase === "Running";
  await poll(runs, { what: "The pod running", timeoutMs: PATIENCE_MS });
}

const trader = (): Promise<Pod | undefined> => cluster.client.get<Pod>(PODS, { namespace, name: "trader" });
const budgets = (): string => `/apis/policy/v1/namespaces/${namespace}/poddisruptionbudgets`;

/** A budget that lets no pod go. */
async function createBudget(): Promise<void> {
  const spec = { minAvailable: 1, selector: { matchLabels: { app: "trader" } } };
  await cluster.plane.request("POST", budgets(), { body: { metadata: { name: "keep" }, spec } });
}

async function removeBudget(): Promise<void> {
  await cluster.plane.kubectl(["delete", "poddisruptionbudget", "-n", namespace, "keep", "--ignore-not-found"]);
}

const evictions = (): AuditEvent[] =>
  cluster
    .requests()
    .filter(({ objectRef }) => objectRef?.subresource === "eviction" && objectRef.namespace === namespace);
const patchesOf = (node: string): number =>
  cluster.requests().filter(({ verb, objectRef }) => {
    return verb === "patch" && objectRef?.resource === "nodes" && objectRef.name === node;
  }).length;

/** Waits until so many more evictions were asked for. */
async function moreEvictions(count: number): Promise<void> {
  const before = evictions().length;
  const what = `${count} more evictions`;
  await poll(() => Promise.resolve(evictions().length >= before + count), { what, timeoutMs: 60_000, intervalMs: 100 });
}

/** Follows every version of the resource: the most nodes that had failed at once, and whether a rollback was begun. */
async function followStatus(): Promise<{
  worst: () => [failed: number, rollback: boolean];
  stop: () => Promise<void>;
}> {
  const stop = new AbortController();
  const informer = new Informer<Onload>({
    client: cluster.client,
    resource: ONLOADS,
    namespaces: [namespace],
    log: silentLogger,
  });
  const running = informer.run(stop.signal);
  await informer.synced(stop.signal);
  let [failed, rollback] = [0, false];
  informer.subscribe(({ current }) => {
    failed = Math.max(failed, current?.status?.nodes?.failed ?? 0);
    rollback ||= current?.status?.rollback !== undefined;
  });
  return {
    worst: () => [failed, rollback],
    stop: async () => {
      stop.abort();
      await running;
    },
  };
}

test("a Lease that the admin of a namespace has made hides from nobody that no operator acts", async () => {
  await setUp(0);
  const renewTime = new Date().toISOString().replace("Z", "000Z");
  const spec = { holderIdentity: "x", leaseDurationSeconds: 3600, renewTime };
  await cluster.client.create<Lease>(LEASES, { metadata: { namespace, name: LEASE_NAME }, spec });
  await cluster.createOnload(namespace, onloadSpec(pool, "v1"));
  const seen = await cluster.onloadctl(["status", "-n", namespace]);
  expect(seen).toContain(`No operator found`);
  expect(seen.replaceAll(/\s+/g, " ")).toContain(`"${namespace}/${LEASE_NAME}" does not count`);
  // An operator that was made the first of all by this is one all the same, as soon as it has asked.
  await cluster.startOperator(await cluster.allowLeases(await cluster.createNamespace()));
  await cluster.condition(namespace, "Ready", "False", "NoMatchingNodes");
});

test("a clock that is set by hours in the middle of an upgrade fails no step, and pods are asked to go all the same", async () => {
  const nodes = await setUp(2);
  const clock = new WrongClock(cluster.plane.folder);
  const args = await cluster.allowLeases(namespace);
  const start = () => cluster.startOperator(args, cluster.user, { executable: clock.executable });
  let operator = await start();
  await cluster.createOnload(namespace, onloadSpec(pool, "v1", { upgrade: { onFailure: "Rollback" } }));
  await cluster.ready(namespace);
  await createTrader(nodes[0]!);
  await createBudget();
  const outage = await watchOutage(cluster.client, pool, { namespace, name: "main" });
  const followed = await followStatus();
  await cluster.editOnload(namespace, { onload: imagesOf("v2") });
  await moreEvictions(1);
  for (const ms of [HOUR_MS, -2 * HOUR_MS]) {
    clock.step(ms);
    await moreEvictions(1);
    expect(followed.worst()).toEqual([0, false]);
  }
  // Nobody looks at the clock while it is set.
  await operator.stop();
  clock.step(2 * HOUR_MS);
  operator = await start();
  await moreEvictions(1);
  expect(followed.worst()).toEqual([0, false]);
  const lease = await cluster.client.get(LEASES, { namespace, name: LEASE_NAME });
  const told = Date.parse(lease?.metadata.annotations?.[ABSENCE_ANNOTATION] ?? "");
  expect(clock.now() - told).toBeLessThan(HOUR_MS / 2);
  await removeBudget();
  await cluster.ready(namespace);
  for (const node of nodes) expect(await cluster.versionOn(node, namespace)).toBe("v2");
  expect([outage.most(), followed.worst()]).toEqual([1, [0, false]]);
  await Promise.all([outage.stop(), followed.stop()]);
});

test("a server that says to come again in an hour, and gateways that answer in its place, hide no node and evict nobody", async () => {
  const nodes = await setUp(1);
  await using server = await LyingServer.start(cluster.plane, cluster.user);
  const operator = await cluster.startOperator([], server.user);
  await cluster.createOnload(namespace, onloadSpec(pool, "v1"));
  await cluster.ready(namespace);

  let refused = 0;
  server.lie = ({ url = "" }, response) => {
    if (refused > 0 || !/^\/api\/v1\/nodes\?.*watch=/.test(url)) return false;
    refused++;
    response.writeHead(503, { "retry-after": "3600" }).end();
    return true;
  };
  server.breakConnections();
  await poll(() => Promise.resolve(refused === 1), { what: "The watch of nodes", timeoutMs: 60_000 });
  const began = performance.now();
  await cluster.kubelet.createNode(`${pool}-late`, { pool });
  const isServed = async (): Promise<boolean> => (await cluster.versionOn(`${pool}-late`, namespace)) === "v1";
  await poll(isServed, { what: "The late node", timeoutMs: PATIENCE_MS });
  // It waits for 30 s at most, and the rest is the machine's.
  expect(performance.now() - began).toBeLessThan(60_000);
  await cluster.ready(namespace);

  await createTrader(nodes[0]!);
  const told: number[] = [];
  const lies: ((response: ServerResponse) => ServerResponse)[] = [
    (response) => response.writeHead(302, { location: "https://login.example/" }),
    (response) => response.writeHead(200, { "content-type": "text/html" }),
  ];
  let isHonest = false;
  server.lie = (request: IncomingMessage, response) => {
    if (isHonest || !request.url?.includes("/eviction")) return false;
    const answer = lies[told.length % lies.length]!(response);
    told.push(answer.statusCode);
    answer.end("<html>Log in</html>");
    return true;
  };
  await cluster.editOnload(namespace, { onload: imagesOf("v2") });
  await poll(() => Promise.resolve(told.length >= 3), { what: "Evictions", timeoutMs: PATIENCE_MS });
  expect(told.slice(0, 3)).toEqual([302, 200, 302]);
  // The pod stays whatever the operator takes these answers for.
  const evictions = (result: string): RegExp =>
    new RegExp(`^onload_operator_evictions_total\\{.*result="${result}"\\} [1-9]`, "m");
  const metrics = await operator.metricsText();
  expect(metrics).toMatch(evictions("failed"));
  expect(metrics).not.toMatch(evictions("evicted"));
  expect([(await trader())?.status?.phase, (await trader())?.metadata.deletionTimestamp]).toEqual([
    "Running",
    undefined,
  ]);
  isHonest = true;
  await cluster.ready(namespace);
  expect([await trader(), await cluster.versionOn(nodes[0]!, namespace)]).toEqual([undefined, "v2"]);
  // The server ends with this test.
  await cluster.stopOperators();
  await cluster.startOperator();
});

test("an expression that JavaScript would evaluate for ever holds nobody up, and RE2's meaning counts for KMM and for us", async () => {
  const [node] = await setUp(1);
  const operator = await cluster.startOperator();
  const spec = onloadSpec(pool, "v1");
  const mapped = (...regexps: string[]): typeof spec.onload => ({
    ...spec.onload,
    kernelMappings: regexps.map((regexp, i) => ({ regexp, kernelModuleImage: `registry/onload-module:${i}` })),
  });
  await cluster.createOnload(namespace, { ...spec, onload: mapped(`^(?:${".*".repeat(24)})=$`) });
  await cluster.condition(namespace, "Ready", "False");
  await poll(async () => (await cluster.status(namespace))!.problems?.[0]?.reason === "NoKernelMapping", {
    what: "The node without a mapping",
    timeoutMs: PATIENCE_MS,
  });
  // The same operator serves another resource meanwhile.
  const other = await cluster.createNamespace();
  await cluster.kubelet.createNodes(1, `${pool}-other`, { pool: `${pool}-other` });
  await cluster.createOnload(other, onloadSpec(`${pool}-other`, "v1"));
  await cluster.ready(other);
  expect(await operator.isReady()).toBeTrue();
  expect(await cluster.onloadctl(["status", "main", "-n", namespace])).toContain("NoKernelMapping");

  await cluster.editOnload(namespace, { onload: mapped("(?i)EL8", "^[[:digit:]]+\\.13\\.", "(?i)^5\\.14\\.0-TEST$") });
  await cluster.ready(namespace);
  const { items } = await cluster.client.list<Pod>(PODS, { namespace });
  const loaders = items.filter(({ metadata }) => metadata.labels?.[KMM_MODULE_NAME_LABEL] === onloadModuleName("main"));
  expect(loaders.map(({ spec: pod }) => [pod?.nodeName, pod?.containers?.[0]?.image])).toEqual([
    [node!, "registry/onload-module:2"],
  ]);
});

test("a retry annotation of two lines, or of 200 kB, is no reason to write a node again and again, and steps time out all the same", async () => {
  const [node] = await setUp(1);
  await cluster.startOperator();
  await cluster.createOnload(namespace, onloadSpec(pool, "v1", { upgrade: { drain: { timeoutSeconds: 4 } } }));
  await cluster.ready(namespace);
  await createTrader(node!);
  await createBudget();
  const before = patchesOf(node!);
  await cluster.editOnload(namespace, { onload: imagesOf("v2") });
  await cluster.condition(namespace, "Degraded", "True", "NodesFailed");
  for (const retry of ["one\ntwo", "x".repeat(200_000)]) {
    const metadata = { annotations: { [RETRY_ANNOTATION]: retry } };
    await cluster.client.mergePatch(ONLOADS, { namespace, name: "main" }, { metadata });
    await cluster.condition(namespace, "Degraded", "False");
    await cluster.condition(namespace, "Degraded", "True", "NodesFailed");
  }
  // The plugin's label and the drain; then that it has failed, and for each retry that it begins anew and fails again.
  expect(patchesOf(node!) - before).toBeLessThanOrEqual(7);
  const { annotations } = (await cluster.node(node!)).metadata;
  expect(JSON.stringify(annotations).length).toBeLessThan(2000);
  await removeBudget();
  await cluster.ready(namespace);
  expect(await cluster.versionOn(node!, namespace)).toBe("v2");
});
