import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sharedControlPlane, type Cluster } from "../testcluster/index.ts";
import { silentLogger } from "../cli/log.ts";
import type { Client } from "./client.ts";
import { connect } from "./connect.ts";
import {
  type ApiError,
  ConnectionError,
  isAlreadyExists,
  isConflict,
  isForbidden,
  isTooManyRequests,
} from "./errors.ts";
import { Informer } from "./informer.ts";
import type { KubeObject } from "../api/core.ts";
import { MODULES, ONLOADS, type Resource } from "../api/resources.ts";
import { CONFIG_MAPS, NODES, PODS, SERVICE_ACCOUNTS } from "./resource.ts";
import { eventually } from "./testing/eventually.ts";
import { TcpProxy } from "./testing/tcp-proxy.ts";
import { discover, serverVersion } from "./testing/discovery.ts";

interface ConfigMap extends KubeObject {
  data?: Record<string, string>;
}

let cluster: Cluster;
let client: Client;
let namespace: string;
let folder: string;

beforeAll(async () => {
  cluster = await sharedControlPlane();
  client = await connect({ kubeconfig: cluster.kubeconfigPath });
  namespace = await cluster.createNamespace("kube");
  folder = await mkdtemp(join(tmpdir(), "onloadctl-kube-"));
}, 120_000);

afterAll(async () => {
  await cluster.request("DELETE", `/api/v1/namespaces/${namespace}`);
  client.transport.close();
  await rm(folder, { recursive: true });
});

/** A kubeconfig for the administrator's certificate that leads elsewhere, as through a proxy. */
async function kubeconfigTo(server: string, user: object = {}): Promise<string> {
  const path = join(folder, `${crypto.randomUUID()}.kubeconfig`);
  const { certPath, keyPath } = cluster.admin;
  const config = {
    "current-context": "c",
    contexts: [{ name: "c", context: { cluster: "c", user: "u" } }],
    clusters: [{ name: "c", cluster: { server, "certificate-authority": cluster.caPath } }],
    users: [{ name: "u", user: { "client-certificate": certPath, "client-key": keyPath, ...user } }],
  };
  await writeFile(path, JSON.stringify(config));
  return path;
}

const configMap = (name: string, data: Record<string, string>): ConfigMap => ({ metadata: { name, namespace }, data });

test("a hundred calls over mutual TLS take one connection, and 300 patches at once take 32", async () => {
  await using proxy = await TcpProxy.start(cluster.server);
  const through = await connect({ kubeconfig: await kubeconfigTo(proxy.url) });
  for (let i = 0; i < 100; i++) await serverVersion(through);
  expect(proxy.opened).toBe(1);
  const names = Array.from({ length: 300 }, (_, i) => `many-${i}`);
  await Promise.all(names.map((name) => through.apply(CONFIG_MAPS, configMap(name, {}))));
  const started = performance.now();
  const patch = { metadata: { labels: { version: "1" } } };
  await Promise.all(names.map((name) => through.mergePatch(CONFIG_MAPS, { namespace, name }, patch)));
  const took = performance.now() - started;
  process.stderr.write(`300 PATCHes over 32 connections: ${took.toFixed(0)} ms\n`);
  expect(proxy.opened).toBeLessThanOrEqual(33);
  const page = await through.list(CONFIG_MAPS, { namespace, labelSelector: "version=1", pageSize: 70 });
  expect(page.items.length).toBe(300);
  through.transport.close();
});

test("an informer follows a selection, and pages its first list", async () => {
  const informer = new Informer<ConfigMap, "colour">({
    client,
    resource: CONFIG_MAPS,
    namespaces: [namespace],
    labelSelector: "follow=yes",
    pageSize: 2,
    indexes: { colour: (object) => [object.data?.["colour"] ?? "none"] },
    transform: ({ metadata, data }) => ({ metadata, ...(data ? { data } : {}) }),
    log: silentLogger,
  });
  const followed = (name: string, colour: string, follow = "yes"): ConfigMap => ({
    metadata: { name, namespace, labels: { follow } },
    data: { colour },
  });
  for (let i = 0; i < 5; i++) await client.apply(CONFIG_MAPS, followed(`follow-${i}`, "red"));
  await client.apply(CONFIG_MAPS, followed("other", "red", "no"));
  const stop = new AbortController();
  const running = informer.run(stop.signal);
  await informer.synced(stop.signal);
  expect(informer.store.byIndex("colour", "red").length).toBe(5);
  await client.apply(CONFIG_MAPS, followed("follow-0", "blue"));
  await eventually(informer, () => informer.store.byIndex("colour", "blue").length === 1);
  // It leaves the selection without being deleted.
  await client.apply(CONFIG_MAPS, followed("follow-0", "blue", "no"));
  await eventually(informer, () => informer.store.get(`${namespace}/follow-0`) === undefined);
  await client.apply(CONFIG_MAPS, followed("other", "red", "yes"));
  await eventually(informer, () => informer.store.get(`${namespace}/other`) !== undefined);
  stop.abort();
  await running;
});

test("a connection that goes silent is noticed by watches and by calls", async () => {
  await using proxy = await TcpProxy.start(cluster.server);
  const through = await connect({ kubeconfig: await kubeconfigTo(proxy.url), timeoutMs: 1000 });
  const informer = new Informer<ConfigMap>({
    client: through,
    resource: CONFIG_MAPS,
    namespaces: [namespace],
    silenceMs: 1000,
    log: silentLogger,
  });
  const stop = new AbortController();
  const running = informer.run(stop.signal);
  await informer.synced(stop.signal);
  await through.apply(CONFIG_MAPS, configMap("silence", { value: "1" }));
  await eventually(informer, () => informer.store.get(`${namespace}/silence`)?.data?.["value"] === "1");
  proxy.silence();
  await expect(serverVersion(through)).rejects.toThrow("no answer within 1 s");
  await through.apply(CONFIG_MAPS, configMap("silence", { value: "2" }));
  await eventually(informer, () => informer.store.get(`${namespace}/silence`)?.data?.["value"] === "2");
  stop.abort();
  await running;
  through.transport.close();
});

test("server-side apply: conflicts without force, ownership with it, and fields left out go", async () => {
  const ref = { namespace, name: "ssa" };
  const apply = (data: Record<string, string>, options: object) =>
    client.apply(CONFIG_MAPS, configMap("ssa", data), options);
  await apply({ a: "1", b: "1" }, {});
  await apply({ c: "theirs" }, { fieldManager: "somebody" });
  const conflict = await apply({ a: "2" }, { fieldManager: "somebody", force: false }).catch((error: unknown) => error);
  expect(isConflict(conflict)).toBe(true);
  expect((conflict as ApiError).message).toContain('conflict with "onloadctl"');
  // Without b: ours, so it goes; c is not ours, so it stays.
  const result = await apply({ a: "3" }, {});
  expect(result.data).toEqual({ a: "3", c: "theirs" });
  await apply({ a: "4" }, { dryRun: true });
  expect((await client.get<ConfigMap>(CONFIG_MAPS, ref))?.data?.["a"]).toBe("3");
});

test("merge patch takes a version as precondition, create and delete know what is there", async () => {
  const ref = { namespace, name: "patched" };
  const created = await client.create(CONFIG_MAPS, configMap("patched", { a: "1", b: "1" }));
  expect(
    isAlreadyExists(await client.create(CONFIG_MAPS, configMap("patched", {})).catch((error: unknown) => error)),
  ).toBe(true);
  const { resourceVersion, uid } = created.metadata;
  const patched = await client.mergePatch<ConfigMap>(CONFIG_MAPS, ref, { data: { b: null } }, { resourceVersion });
  expect(patched.data).toEqual({ a: "1" });
  const outdated = client.mergePatch(CONFIG_MAPS, ref, { data: { a: "2" } }, { resourceVersion });
  expect(isConflict(await outdated.catch((error: unknown) => error))).toBe(true);
  expect(isConflict(await client.delete(CONFIG_MAPS, ref, { uid: "another" }).catch((error: unknown) => error))).toBe(
    true,
  );
  expect(await client.delete(CONFIG_MAPS, ref, { uid: uid! })).toBe(true);
  expect(await client.delete(CONFIG_MAPS, ref)).toBe(false);
  expect(await client.get(CONFIG_MAPS, ref)).toBeUndefined();
});

test("a status subresource is written apart", async () => {
  const name = `node-${namespace}`;
  await client.create(NODES, { metadata: { name } });
  await client.mergePatch(
    NODES,
    { name },
    { status: { allocatable: { "amd.com/onload": "3" } } },
    { subresource: "status" },
  );
  await client.mergePatch(NODES, { name }, { status: { allocatable: { "amd.com/onload": "9" } } });
  const node = await client.get<KubeObject & { status: { allocatable: object } }>(NODES, { name });
  expect(node?.status.allocatable).toEqual({ "amd.com/onload": "3" });
  await client.delete(NODES, { name });
});

const POD_DISRUPTION_BUDGETS: Resource = {
  group: "policy",
  version: "v1",
  plural: "poddisruptionbudgets",
  kind: "PodDisruptionBudget",
  namespaced: true,
};

test("evictions respect disruption budgets", async () => {
  const pod = {
    metadata: { name: "guarded", namespace, labels: { app: "guarded" } },
    spec: { containers: [{ name: "c", image: "i" }] },
  };
  await cluster.request("POST", `/api/v1/namespaces/${namespace}/serviceaccounts`, {
    body: { metadata: { name: "guard" } },
  });
  await client.create(PODS, { ...pod, spec: { ...pod.spec, serviceAccountName: "guard" } } as KubeObject);
  const running = { status: { phase: "Running", conditions: [{ type: "Ready", status: "True" }] } };
  await client.mergePatch(PODS, pod.metadata, running, { subresource: "status" });
  const budget = {
    metadata: { name: "guard", namespace },
    spec: { minAvailable: 1, selector: { matchLabels: { app: "guarded" } } },
  };
  await client.create(POD_DISRUPTION_BUDGETS, budget as KubeObject);
  const refused = await client.evict(pod.metadata).catch((error: unknown) => error);
  expect(isTooManyRequests(refused)).toBe(true);
  expect((refused as Error).message).toStartWith(
    `Cannot evict Pod "${namespace}/guarded": Cannot evict pod as it would violate`,
  );
  await client.delete(POD_DISRUPTION_BUDGETS, budget.metadata);
  expect(await client.evict(pod.metadata, { uid: "another" })).toBe("gone");
  expect(await client.evict(pod.metadata, { gracePeriodSeconds: 0 })).toBe("evicted");
  expect(await client.evict(pod.metadata)).toBe("gone");
});

test("discovery says whether a kind is served; a log that does not exist is undefined", async () => {
  expect((await discover(client, "apps", "v1")).some(({ name }) => name === "daemonsets")).toBe(true);
  expect((await discover(client, MODULES.group, MODULES.version)).some(({ name }) => name === "modules")).toBe(true);
  expect(await discover(client, "no.such.group", "v1")).toEqual([]);
  expect(await client.podLog({ namespace, name: "nobody" })).toBeUndefined();
});

test("a kind whose CRD comes, goes and comes again is followed without a restart", async () => {
  const group = `t${crypto.randomUUID().slice(0, 8)}.example.com`;
  const things: Resource = { group, version: "v1", plural: "things", kind: "Thing", namespaced: true };
  const informer = new Informer({ client, resource: things, log: silentLogger, absentRetryMs: 100 });
  const stop = new AbortController();
  const running = informer.run(stop.signal);
  await informer.synced(stop.signal);
  expect(informer.state).toBe("absent");
  const crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
  const body = {
    metadata: { name: `things.${group}` },
    spec: {
      group,
      scope: "Namespaced",
      names: { kind: "Thing", plural: "things" },
      versions: [{ name: "v1", served: true, storage: true, schema: { openAPIV3Schema: { type: "object" } } }],
    },
  };
  for (let round = 0; round < 2; round++) {
    await cluster.request("POST", crds, { body });
    await eventually(informer, () => informer.state === "synced");
    await client.create(things, { metadata: { name: "a", namespace } });
    await eventually(informer, () => informer.store.size === 1);
    await cluster.request("DELETE", `${crds}/things.${group}`);
    await eventually(informer, () => informer.state === "absent" && informer.store.size === 0);
  }
  stop.abort();
  await running;
});

test("refusals and failures are one clear line", async () => {
  const user = await cluster.addUser(`nobody-${namespace}`);
  const nobody = await connect({ kubeconfig: user.kubeconfigPath });
  const forbidden = await nobody.list(NODES).catch((error: unknown) => error);
  expect(isForbidden(forbidden)).toBe(true);
  expect((forbidden as Error).message).toStartWith(
    `Cannot list nodes: nodes is forbidden: User "nobody-${namespace}" cannot list`,
  );
  const invalid = await client.apply(CONFIG_MAPS, configMap("Bad_Name", {})).catch((error: unknown) => error);
  expect(invalid).toMatchObject({ name: "ApiError", status: 422 });
  expect((invalid as ApiError).causes[0]?.field).toBe("metadata.name");

  const wrongToken = { "client-certificate": undefined, "client-key": undefined, token: "wrong" };
  const unauthorised = await connect({ kubeconfig: await kubeconfigTo(cluster.server, wrongToken) });
  await expect(unauthorised.list(NODES)).rejects.toThrow("Cannot list nodes: Unauthorized");

  const nowhere = await connect({ kubeconfig: await kubeconfigTo("https://127.0.0.1:1") });
  await expect(nowhere.list(NODES)).rejects.toThrow(/^Cannot list nodes: API server https:\/\/127\.0\.0\.1:1: .+$/);

  const untrusted = join(folder, "untrusted.kubeconfig");
  const config = { ...(JSON.parse(await Bun.file(await kubeconfigTo(cluster.server)).text()) as object) };
  await writeFile(
    untrusted,
    JSON.stringify({ ...config, clusters: [{ name: "c", cluster: { server: cluster.server } }] }),
  );
  const distrustful = await connect({ kubeconfig: untrusted });
  const broken = await distrustful.list(NODES).catch((error: unknown) => error);
  expect(broken).toBeInstanceOf(ConnectionError);
  expect((broken as Error).message).toMatch(/certificate/);
  for (const other of [nobody, unauthorised, nowhere, distrustful]) other.transport.close();
});

test("a service account's token that is rotated is used from then on", async () => {
  await client.create(SERVICE_ACCOUNTS, { metadata: { name: "rotating", namespace } });
  const tokenPath = `/api/v1/namespaces/${namespace}/serviceaccounts/rotating/token`;
  const newToken = async (): Promise<string> =>
    (await cluster.request<{ status: { token: string } }>("POST", tokenPath, { body: { spec: {} } })).status.token;
  const dir = join(folder, "serviceaccount");
  await Bun.write(join(dir, "ca.crt"), Bun.file(cluster.caPath));
  await Bun.write(join(dir, "namespace"), namespace);
  await Bun.write(join(dir, "token"), await newToken());
  const { hostname, port } = new URL(cluster.server);
  const env = { KUBERNETES_SERVICE_HOST: hostname, KUBERNETES_SERVICE_PORT: port };
  const pod = await connect({ env, home: folder, serviceAccountDir: dir });
  expect(pod.namespace).toBe(namespace);
  const whoAmI: Resource = {
    group: "authentication.k8s.io",
    version: "v1",
    plural: "selfsubjectreviews",
    kind: "SelfSubjectReview",
    namespaced: false,
  };
  const ask = async (): Promise<string> => {
    const { status } = await pod.create<KubeObject & { status?: { userInfo: { username: string } } }>(whoAmI, {
      metadata: {} as KubeObject["metadata"],
    });
    return status!.userInfo.username;
  };
  const me = `system:serviceaccount:${namespace}:rotating`;
  expect(await ask()).toBe(me);
  // The old token no longer counts: the account is another one of that name, and the file has its token.
  await client.delete(SERVICE_ACCOUNTS, { namespace, name: "rotating" });
  await client.create(SERVICE_ACCOUNTS, { metadata: { name: "rotating", namespace } });
  await Bun.write(join(dir, "token"), await newToken());
  expect(await ask()).toBe(me);
  pod.transport.close();
});

test("nothing in the constants is misspelt", async () => {
  const groups = new Map<string, Set<string>>();
  const modules = [await import("./resource.ts"), await import("../api/resources.ts")];
  const resources = modules
    .flatMap((module) => Object.values<unknown>({ ...module }))
    .filter((value): value is Resource => typeof value === "object");
  // Ours, KMM 2's and OpenShift's are not installed here.
  const elsewhere = [
    "nodemodulesconfigs",
    "moduleimagesconfigs",
    "machineconfigs",
    "machineconfigpools",
    "securitycontextconstraints",
  ];
  for (const { group, version, plural, kind, namespaced } of resources.filter(
    (r) => r !== ONLOADS && !elsewhere.includes(r.plural),
  )) {
    const served = (await discover(client, group, version)).find(({ name }) => name === plural);
    expect(served).toMatchObject({ name: plural, kind, namespaced });
    groups.set(group, groups.get(group) ?? new Set());
  }
  expect(groups.size).toBeGreaterThan(5);
});
