/**
 * The operator as a process with KMM 2: a real API server and controllers, kwok's kubelets, and a model of KMM. All
 * admission policies are in force, and both run as their ServiceAccounts. With a checkout of KMM's repository in
 * $KMM2_SOURCE, in which `make manager` was run, its own manager takes the place of the model.
 */
import { afterAll, afterEach, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { startKwok, type Kwok } from "../testcluster/index.ts";
import { advertiseDevices } from "../testcluster/kwok-devices.ts";
import { builtExecutable } from "../testcluster/lib/built.ts";
import { run } from "../testcluster/lib/command.ts";
import { poll } from "../testcluster/lib/poll.ts";
import type { Node } from "../api/core.ts";
import type { NodeModulesConfig } from "../api/kmm.ts";
import {
  ALLOW_DELETION_ANNOTATION,
  ONLOAD_RESOURCE,
  onloadModuleLabel,
  PLUGIN_NAME_LABEL,
  pluginLabel,
  moduleReadyLabel,
  moduleVersionReadyLabel,
} from "../api/names.ts";
import type { OnloadSpecInput } from "../api/onload.ts";
import { silentLogger } from "../cli/log.ts";
import type { Client } from "../kube/client.ts";
import { connect } from "../kube/connect.ts";
import { Informer } from "../kube/informer.ts";
import { MODULES, NODE_MODULES_CONFIGS } from "../api/resources.ts";
import { NODES } from "../kube/resource.ts";
import { createKmm2Account } from "./testing/kmm2/account.ts";
import { Kmm2Model } from "./testing/kmm2/index.ts";
import { Kmm2Manager } from "./testing/kmm2/manager.ts";
import { BROKEN, kmmKubelet, LAST_WORDS, MISSING } from "./testing/kmm2/kubelet.ts";
import { imagesOf, onloadSpec, OperatorCluster, PATIENCE_MS } from "./testing/operator-cluster.ts";
import { refusal } from "./testing/protected-cluster.ts";

setDefaultTimeout(600_000);

let cluster: OperatorCluster;
let kmm: Kmm2Model | Kmm2Manager;
let kmmClient: Client | undefined;
let kwok: Kwok;
let namespace: string;
let pool: string;
const devices = new AbortController();
let advertising: Promise<void>;

beforeAll(async () => {
  cluster = await OperatorCluster.start({ kmm: false, installed: true });
  const source = process.env["KMM2_SOURCE"];
  if (source === undefined) {
    kmmClient = await connect({ kubeconfig: await createKmm2Account(cluster.plane) });
    kmm = await Kmm2Model.start(kmmClient, cluster.client);
  } else {
    kmm = await Kmm2Manager.start(cluster.plane, source);
  }
  kwok = await startKwok(cluster.plane, { resources: kmmKubelet(join(cluster.plane.folder, "kmm-worker.log")) });
  advertising = advertiseDevices(cluster.plane, {
    selector: PLUGIN_NAME_LABEL,
    resource: ONLOAD_RESOURCE,
    count: 100,
    signal: devices.signal,
  });
  await cluster.startOperator();
});

afterAll(async () => {
  devices.abort();
  await advertising;
  await kmm[Symbol.asyncDispose]();
  kmmClient?.transport.close();
  await cluster[Symbol.asyncDispose]();
});

afterEach(() => cluster.clear());

/** A pool of nodes on which Onload of version v1 is ready. */
async function installed(count: number, changes: Partial<OnloadSpecInput> = {}): Promise<string[]> {
  namespace = await cluster.createNamespace();
  pool = `p${crypto.randomUUID().slice(0, 8)}`;
  const nodes = await kwok.createNodes(count, { prefix: pool, labels: { pool } });
  await cluster.createOnload(namespace, onloadSpec(pool, "v1", changes));
  await cluster.ready(namespace);
  return nodes;
}

/** What KMM has loaded on a node: images by Module. */
async function loadedOn(name: string): Promise<Record<string, unknown>> {
  const config = await cluster.client.get<NodeModulesConfig>(NODE_MODULES_CONFIGS, { name });
  return Object.fromEntries((config?.status?.modules ?? []).map((each) => [each.name, each.config?.containerImage]));
}

/** Follows the nodes of the pool from now on. */
function follow(seen: (nodes: Node[], changed: Node | undefined) => void): () => Promise<void> {
  const stop = new AbortController();
  const labelSelector = `pool=${pool}`;
  const informer = new Informer<Node>({ client: cluster.client, resource: NODES, labelSelector, log: silentLogger });
  informer.subscribe(({ current }) => {
    if (informer.hasSynced) seen([...informer.store.list()] as Node[], current as Node | undefined);
  });
  const running = informer.run(stop.signal);
  return async () => {
    stop.abort();
    await running;
  };
}

test("installs sfc under onload and removes them the other way round", async () => {
  const spec = onloadSpec("", "v1").onload;
  const onload = { ...spec, kernelMappings: spec.kernelMappings.map((mapping) => ({ ...mapping, sfc: {} })) };
  const nodes = await installed(2, { onload });
  for (const node of nodes) {
    const image = "registry/onload-module:v1";
    expect(await loadedOn(node)).toEqual({ "main-sfcmod": image, "main-module": image });
  }
  // Once loaded, onload stands on sfc: any other order would show as onload without sfc.
  const wrong: string[] = [];
  const stop = follow((_, node) => {
    const { labels = {}, name } = node?.metadata ?? { name: "" };
    const onloadReady = moduleReadyLabel(namespace, "main-module") in labels;
    if (onloadReady && !(moduleReadyLabel(namespace, "main-sfcmod") in labels)) wrong.push(name);
  });
  await cluster.deleteOnload(namespace);
  await cluster.gone(namespace);
  await stop();
  expect(wrong).toEqual([]);
  for (const node of nodes) {
    expect(await cluster.traces(node)).toEqual([]);
    expect(await loadedOn(node)).toEqual({});
  }
  await poll(async () => (await cluster.client.list(MODULES, { namespace })).items.length === 0, {
    what: "The end of the Modules",
    timeoutMs: PATIENCE_MS,
  });
});

test("upgrades one node at a time, each once KMM says that the new version is loaded", async () => {
  const nodes = await installed(3);
  let most = 0;
  const early: string[] = [];
  const stop = follow((all, changed) => {
    const plugin = ({ metadata }: Node): string | undefined =>
      metadata.labels?.[pluginLabel({ namespace, name: "main" })];
    most = Math.max(most, all.filter((node) => plugin(node) === undefined).length);
    const loaded = changed?.metadata.labels?.[moduleVersionReadyLabel(namespace, "main-module")];
    if (changed && plugin(changed) === "v2" && loaded !== "v2") early.push(changed.metadata.name);
  });
  await cluster.editOnload(namespace, { onload: imagesOf("v2") });
  await cluster.ready(namespace);
  await stop();
  expect(most).toBe(1);
  expect(early).toEqual([]);
  for (const node of nodes) expect(await loadedOn(node)).toEqual({ "main-module": "registry/onload-module:v2" });
});

test("goes on where it stood after every kill, with one node out at most", async () => {
  const nodes = await installed(2);
  let most = 0;
  let steps = 0;
  let killing = Promise.resolve();
  const stop = follow((all) => {
    most = Math.max(
      most,
      all.filter(({ metadata }) => !(pluginLabel({ namespace, name: "main" }) in metadata.labels!)).length,
    );
    // KMM and the operator change labels all the time; every third change hits.
    if (++steps % 3 !== 0) return;
    killing = killing.then(async () => {
      await cluster.stopOperators();
      await cluster.launchOperator();
    });
  });
  await cluster.editOnload(namespace, { onload: imagesOf("v2") });
  await cluster.ready(namespace);
  await stop();
  await killing;
  expect(steps).toBeGreaterThan(10);
  expect(most).toBe(1);
  for (const node of nodes) expect(await loadedOn(node)).toEqual({ "main-module": "registry/onload-module:v2" });
});

test("halts at a worker pod that crashes and quotes the end of its log", async () => {
  const nodes = await installed(2);
  await cluster.editOnload(namespace, { onload: imagesOf(BROKEN) });
  await cluster.condition(namespace, "Degraded", "True", "NodesFailed");
  const problem = await poll(
    async () => (await cluster.status(namespace))!.problems!.find(({ message }) => message.includes(LAST_WORDS)),
    { what: "The end of the worker's log in status", timeoutMs: PATIENCE_MS },
  );
  expect(problem).toMatchObject({ node: nodes[0]!, step: "LoadingOnload", reason: "ModuleLoadFailed" });
  expect(problem.message).toContain(`Pod kmm-worker-${nodes[0]}-main-module: container worker: CrashLoopBackOff`);
  expect(await loadedOn(nodes[0]!)).toEqual({});
  expect(await loadedOn(nodes[1]!)).toEqual({ "main-module": "registry/onload-module:v1" });
  await cluster.editOnload(namespace, { onload: imagesOf("v3") });
  await cluster.ready(namespace);
});

test("a cordon or any other taint unloads nothing, and a cordoned node waits", async () => {
  const nodes = await installed(2, { upgrade: { maxUnavailable: 2 } });
  const labels = [moduleReadyLabel(namespace, "main-module"), onloadModuleLabel({ namespace, name: "main" })];
  const lost: string[] = [];
  const stop = follow((all) => {
    const cordoned = all.find(({ metadata }) => metadata.name === nodes[0]);
    for (const label of labels) if (cordoned && !(label in (cordoned.metadata.labels ?? {}))) lost.push(label);
  });
  const taints = [{ key: "example.com/maintenance", effect: "NoExecute" }];
  await cluster.client.mergePatch(NODES, { name: nodes[0]! }, { spec: { unschedulable: true, taints } });
  await cluster.editOnload(namespace, { onload: imagesOf("v2") });
  await poll(async () => (await cluster.versionOn(nodes[1]!, namespace)) === "v2", {
    what: "The other node's upgrade",
    timeoutMs: PATIENCE_MS,
  });
  await cluster.condition(namespace, "Progressing", "False");
  await stop();
  expect(lost).toEqual([]);
  expect(await loadedOn(nodes[0]!)).toEqual({ "main-module": "registry/onload-module:v1" });
  expect((await cluster.status(namespace))!.problems).toMatchObject([{ node: nodes[0]!, reason: "Cordoned" }]);
  expect((await cluster.node(nodes[0]!)).spec?.unschedulable).toBe(true);
  await cluster.client.mergePatch(NODES, { name: nodes[0]! }, { spec: { unschedulable: null, taints: null } });
  await cluster.ready(namespace);
});

test("gives up no node for an image that KMM cannot find, and plan names it", async () => {
  const nodes = await installed(2);
  await cluster.editOnload(namespace, { onload: imagesOf(MISSING) });
  const why = await cluster.condition(namespace, "Degraded", "True", "NodesNotReady");
  expect(why).toContain("registry/onload-module:missing");
  expect(why).toContain("ImagePullBackOff");
  await cluster.condition(namespace, "Progressing", "False");
  for (const node of nodes) {
    expect(await cluster.versionOn(node, namespace)).toBe("v1");
    expect(await loadedOn(node)).toEqual({ "main-module": "registry/onload-module:v1" });
  }
  const plan = await run(
    [
      await builtExecutable(),
      "plan",
      "main",
      `--namespace=${namespace}`,
      `--kubeconfig=${cluster.plane.kubeconfigPath}`,
    ],
    { allowFailure: true },
  );
  expect(plan.code).toBe(0);
  expect(plan.stdout).toContain("registry/onload-module:missing");
  expect(plan.stdout).toContain("ModuleImageMissing");
  await cluster.editOnload(namespace, { onload: imagesOf("v2") });
  await cluster.ready(namespace);
});

test("a rebooted node counts as ready only once KMM has loaded the module again", async () => {
  const [node = ""] = await installed(1);
  kmm.pause();
  const bootID = await cluster.kubelet.reboot(node);
  // Although KMM's ready labels stay on the node all the time.
  await cluster.condition(namespace, "Ready", "False");
  expect((await cluster.node(node)).metadata.labels).toHaveProperty([moduleReadyLabel(namespace, "main-module")]);
  kmm.resume();
  await cluster.ready(namespace);
  const config = await cluster.client.get<NodeModulesConfig>(NODE_MODULES_CONFIGS, { name: node });
  expect(config!.status!.modules).toMatchObject([{ name: "main-module", bootId: bootID }]);
});

test("an administrator cannot make KMM unload a driver under pods by accident, and KMM goes on all the same", async () => {
  const [name = ""] = await installed(1);
  const { client } = cluster;
  const module = `${namespace}.main-module`;
  const label = (key: string) => () =>
    client.mergePatch<Node>(NODES, { name }, { metadata: { labels: { [key]: null } } } as never);
  const attacks: Record<string, () => Promise<unknown>> = {
    "the version that KMM has loaded is taken from a node": label(
      `beta.kmm.node.kubernetes.io/version-worker-pod.${module}`,
    ),
    "the version that it is to load": label(`kmm.node.kubernetes.io/version-module.${module}`),
    "what makes the Module select the node": label("kubernetes.io/os"),
    "KMM is told to load nothing": () =>
      client.mergePatch(NODE_MODULES_CONFIGS, { name }, { spec: { modules: [] } } as never),
    "KMM forgets what it has loaded": () => client.delete(NODE_MODULES_CONFIGS, { name }),
    "what it has loaded is set": () =>
      client.mergePatch(NODE_MODULES_CONFIGS, { name }, { status: { modules: [] } } as never, {
        subresource: "status",
      }),
    "the Module is deleted": () => client.delete(MODULES, { namespace, name: "main-module" }),
  };
  for (const [what, attack] of Object.entries(attacks)) {
    expect([what, await refusal(attack())]).toEqual([what, expect.stringContaining("under running pods")]);
  }
  expect(await loadedOn(name)).toEqual({ "main-module": "registry/onload-module:v1" });
  const allow = { metadata: { annotations: { [ALLOW_DELETION_ANNOTATION]: "true" } } };
  await client.mergePatch(NODE_MODULES_CONFIGS, { name }, allow);
  await client.delete(NODE_MODULES_CONFIGS, { name });
  await poll(async () => "main-module" in (await loadedOn(name)), {
    what: "KMM having loaded it anew",
    timeoutMs: PATIENCE_MS,
  });
  await cluster.ready(namespace);
});

test("a version that has no image for the kernel of the nodes leaves their drivers loaded", async () => {
  const nodes = await installed(2);
  const lost: string[] = [];
  const stop = follow((_, changed) => {
    const { labels = {}, name: node = "" } = changed?.metadata ?? {};
    if (changed && !(moduleReadyLabel(namespace, "main-module") in labels)) lost.push(node);
  });
  const { kernelMappings, ...rest } = imagesOf("v2");
  const onload = { ...rest, kernelMappings: kernelMappings.map((mapping) => ({ ...mapping, regexp: "^typo" })) };
  await cluster.editOnload(namespace, { onload });
  const why = await cluster.condition(namespace, "Degraded", "True");
  expect(why).toMatch(/No entry of spec\.onload\.kernelMappings matches kernel \S+ \(regexp \^typo\);/);
  for (const node of nodes) expect(await loadedOn(node)).toEqual({ "main-module": "registry/onload-module:v1" });
  await stop();
  expect(lost).toEqual([]);
  await cluster.editOnload(namespace, { onload: imagesOf("v2") });
  await cluster.ready(namespace);
});
