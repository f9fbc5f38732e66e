/** The operator as a process against a real API server, real controllers and KMM 1.1.0; only the kubelets are played. */
import { afterAll, afterEach, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { poll } from "../testcluster/lib/poll.ts";
import type { DaemonSet, KubeObject, OwnerReference, Pod } from "../api/core.ts";
import { loadLabel } from "./kmm/load-label.ts";
import {
  FINALIZER,
  FORCE_ANNOTATION,
  kmm1DevicePluginLabel,
  kmm1ModuleLoaderLabel,
  onloadModuleLabel,
  onloadModuleName,
  pluginLabel,
  RETRY_ANNOTATION,
} from "../api/names.ts";
import { MODULES, ONLOADS } from "../api/resources.ts";
import { silentLogger } from "../cli/log.ts";
import type { OnloadStatus } from "../api/onload.ts";
import { CONFIG_MAPS, DAEMON_SETS, DEPLOYMENTS, NAMESPACES, NODES, PODS } from "../kube/resource.ts";
import { imagesOf, onloadSpec, OperatorCluster, PATIENCE_MS } from "./testing/operator-cluster.ts";
import { watchOutage } from "./testing/outage.ts";
import { Session } from "./view/session.ts";

setDefaultTimeout(600_000);

let cluster: OperatorCluster;
let namespace: string;
let pool: string;
beforeAll(async () => {
  cluster = await OperatorCluster.start();
});
afterAll(() => cluster[Symbol.asyncDispose]());

afterEach(async () => {
  cluster.kubelet.fate = () => "ready";
  cluster.kubelet.mayGo = () => true;
  cluster.kubelet.review();
  await cluster.clear();
});

/** Nodes of a pool of their own, and a namespace. */
async function setUp(nodes: number): Promise<string[]> {
  namespace = await cluster.createNamespace();
  pool = `p${crypto.randomUUID().slice(0, 8)}`;
  return cluster.kubelet.createNodes(nodes, pool, { pool });
}

/** Lets the namespace have so many pods; gives what ends that. */
async function createQuota(pods: number): Promise<() => Promise<unknown>> {
  const quotas = `/api/v1/namespaces/${namespace}/resourcequotas`;
  const name = "limited";
  await cluster.plane.request("POST", quotas, { body: { metadata: { name }, spec: { hard: { pods: `${pods}` } } } });
  const isCounted = async (): Promise<boolean> =>
    (await cluster.plane.request<{ status?: { hard?: object } }>("GET", `${quotas}/${name}`)).status?.hard !==
    undefined;
  await poll(isCounted, { what: "The quota in force", timeoutMs: PATIENCE_MS });
  return () => cluster.plane.request("DELETE", `${quotas}/${name}`);
}

/** What `onloadctl status` says to a person if a Deployment such as KMM's has no pod in the namespace either. */
async function toldOfKmm(): Promise<readonly string[]> {
  const name = "kmm-operator-controller";
  const labels = { app: name };
  const template = { metadata: { labels }, spec: { containers: [{ name: "manager", image: "r/kmm:v2.6.0" }] } };
  await cluster.client.create<KubeObject>(DEPLOYMENTS, {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { namespace, name },
    spec: { selector: { matchLabels: labels }, template },
  } as KubeObject);
  const { signal } = new AbortController();
  const session = await Session.open(cluster.client, namespace, silentLogger, signal);
  const look = async (): Promise<readonly string[] | undefined> => {
    const [seen] = await session.observe(undefined, Date.now(), signal);
    return seen!.attention.length > 0 ? seen!.attention : undefined;
  };
  try {
    return await poll(look, { what: "What refuses KMM's own pods", timeoutMs: PATIENCE_MS, intervalMs: 500 });
  } finally {
    await session.close();
    await cluster.client.delete(DEPLOYMENTS, { namespace, name });
  }
}

/** A pod bound to a node that holds amd.com/onload. Its controller, if it has one, makes no other. */
async function createHolder(name: string, nodeName: string, owned = true): Promise<void> {
  const resources = { limits: { "amd.com/onload": "1" } };
  const metadata = {
    name,
    namespace,
    labels: { app: name },
    ...(owned ? { ownerReferences: [await controller(name)] } : {}),
  };
  await cluster.client.create(PODS, {
    apiVersion: "v1",
    kind: "Pod",
    metadata,
    spec: { nodeName, containers: [{ name: "app", image: "app", resources }] },
  } as unknown as Pod);
  await poll(async () => (await pod(name))?.status?.phase === "Running", {
    what: "The pod running",
    timeoutMs: PATIENCE_MS,
  });
}

/** Any object will do: a real controller would make the pod again at once, on a node that has no room for it. */
async function controller(name: string): Promise<OwnerReference> {
  const map = await cluster.client.create<KubeObject>(CONFIG_MAPS, {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name, namespace },
  });
  return { apiVersion: "v1", kind: "ConfigMap", name, uid: map.metadata.uid!, controller: true };
}

describe("one operator", () => {
  beforeAll(async () => {
    await cluster.startOperator();
  });
  afterAll(() => cluster.stopOperators());

  test("a quota with room for some of the pods holds up only the node whose pod it refuses", async () => {
    const nodes = await setUp(2);
    // A node has one pod of KMM and one device plugin.
    const endQuota = await createQuota(3);
    await cluster.createOnload(namespace, onloadSpec(pool, "v1"));
    const halfDone = async (): Promise<OnloadStatus | undefined> => {
      const status = await cluster.status(namespace);
      return status?.nodes?.ready === 1 && status.problems?.length === 1 ? status : undefined;
    };
    const status = (await poll(halfDone, { what: "One node Ready, and one told", timeoutMs: PATIENCE_MS }))!;
    expect(nodes).toContain(status.problems![0]!.node);
    expect(status.problems).toMatchObject([
      {
        reason: "PodRefused",
        message: expect.stringMatching(
          new RegExp(`is refused: .*exceeded quota: limited.*; raise that ResourceQuota of namespace "${namespace}"`),
        ),
      },
    ]);
    await endQuota();
    await cluster.ready(namespace);
    expect((await cluster.status(namespace))!.nodes).toMatchObject({ ready: 2, failed: 0 });
  });

  test("quotes at once what refuses a pod, and goes on when nothing does any more", async () => {
    const [node] = (await setUp(1)) as [string];
    const endQuota = await createQuota(0);
    await cluster.createOnload(namespace, onloadSpec(pool, "v1"));
    const quoted = await cluster.condition(namespace, "Degraded", "True", "NodesNotReady");
    // That of the device plugin may be refused first.
    expect(quoted).toMatch(/ is refused: DaemonSet main-.*exceeded quota: limited/);
    expect(quoted).toContain(`raise that ResourceQuota of namespace "${namespace}"`);
    expect((await cluster.status(namespace))!.problems).toMatchObject([{ node, reason: "PodRefused" }]);
    await cluster.told(namespace, "PodRefused");
    const ofKmm = async (): Promise<boolean> =>
      (await cluster.condition(namespace, "Degraded", "True")).includes(
        "KMM's pod for onload is refused: DaemonSet main-module-",
      );
    await poll(ofKmm, { what: "What refuses KMM's pod", timeoutMs: PATIENCE_MS, intervalMs: 500 });
    expect(await toldOfKmm()).toEqual([
      expect.stringMatching(
        /^The pods of KMM's Deployment ".*\/kmm-operator-controller" are refused: .*exceeded quota: limited.*; raise that ResourceQuota/,
      ),
    ]);
    await endQuota();
    await cluster.ready(namespace);

    const enforce = (level: string | null): Promise<unknown> =>
      cluster.client.mergePatch(
        NAMESPACES,
        { name: namespace },
        { metadata: { labels: { "pod-security.kubernetes.io/enforce": level } } },
      );
    await enforce("baseline");
    const plugins = await cluster.client.list<Pod>(PODS, { namespace, labelSelector: "onload.amd.com/name" });
    for (const { metadata } of plugins.items) await cluster.client.delete(PODS, { namespace, name: metadata.name });
    // What the quota has refused a few seconds ago is quoted until something else is.
    const secured = await poll(
      async () => {
        const message = await cluster.condition(namespace, "Degraded", "True", "NodesNotReady");
        return message.includes("exceeded quota") ? undefined : message;
      },
      { what: "What refuses the plugin's pod now", timeoutMs: PATIENCE_MS },
    );
    expect(secured).toContain("The device plugin's pod is refused: DaemonSet main-onload-device-plugin-ds: pods");
    expect(secured).toMatch(/violates PodSecurity "baseline:latest": .*enforce=privileged/);
    await enforce(null);
    await cluster.ready(namespace);
  });

  test("a ServiceAccount that was misspelt at first is corrected without another version", async () => {
    await setUp(2);
    await cluster.createOnload(namespace, onloadSpec(pool, "v1", { serviceAccountName: "misspelt" }));
    const refused = async (): Promise<boolean> =>
      (await cluster.status(namespace))?.problems?.[0]?.message.includes("KMM's pod for onload is refused") ?? false;
    await poll(refused, { what: "The refusal of KMM's pod", timeoutMs: PATIENCE_MS });
    await cluster.editOnload(namespace, { serviceAccountName: "onload" });
    await cluster.ready(namespace);
  });

  test("installs on every node with one PATCH each, and leaves nothing behind", async () => {
    const nodes = await setUp(4);
    const before = cluster.requests().length;
    await cluster.createOnload(namespace, onloadSpec(pool, "v1"));
    await cluster.ready(namespace);
    for (const node of nodes) {
      const { labels = {} } = (await cluster.node(node)).metadata;
      expect(labels[pluginLabel({ namespace, name: "main" })]).toBe("v1");
      expect(labels[onloadModuleLabel({ namespace, name: "main" })]).toBe("v1");
      // What KMM 1.1 would make of them, one request after the other, is there already.
      expect(labels[kmm1ModuleLoaderLabel(namespace, onloadModuleName("main"))]).toBe("v1");
      expect(labels[kmm1DevicePluginLabel(namespace, onloadModuleName("main"))]).toBe("v1");
    }
    const patches = cluster
      .requests()
      .slice(before)
      .filter(({ verb, objectRef }) => verb === "patch" && objectRef?.resource === "nodes");
    // A PATCH of a node that Kubernetes' own controllers have just changed is refused, and changes nothing.
    const taken = patches.filter(({ responseStatus }) => responseStatus?.code !== 409);
    expect(taken.map(({ objectRef }) => objectRef?.name).sort()).toEqual(nodes);
    expect((await cluster.onload(namespace))!.metadata.finalizers).toContain(FINALIZER);
    // This cluster has no admission policies, and the status says so.
    expect(await cluster.condition(namespace, "Protected", "False", "PoliciesMissing")).toContain(
      "manifests admission",
    );
    await cluster.told(namespace, "NodeReady", nodes[0]!);
    const story = (await cluster.events(namespace))
      // How far the resource is may name it too.
      .filter(({ reason, note }) => note.includes(nodes[0]!) && reason !== "Installing")
      .map(({ reason }) => reason);
    expect(story).toEqual(["NodeLabelled", "NodeReady"]);

    await cluster.deleteOnload(namespace);
    await cluster.gone(namespace);
    for (const node of nodes) expect(await cluster.traces(node)).toEqual([]);
    expect((await cluster.client.list(MODULES, { namespace })).items).toEqual([]);
  });

  test("upgrades one node at a time, evicts pods, and names the budget that holds one", async () => {
    const nodes = await setUp(3);
    await cluster.createOnload(namespace, onloadSpec(pool, "v1"));
    await cluster.ready(namespace);
    await createHolder("held", nodes[1]!);
    await cluster.plane.request("POST", `/apis/policy/v1/namespaces/${namespace}/poddisruptionbudgets`, {
      body: { metadata: { name: "keep-it" }, spec: { minAvailable: 1, selector: { matchLabels: { app: "held" } } } },
    });
    const outage = await watchOutage(cluster.client, pool, { namespace, name: "main" });
    await cluster.editOnload(namespace, { onload: imagesOf("v2") });
    const drains = async (): Promise<boolean> =>
      (await cluster.condition(namespace, "Progressing", "True", "Upgrading")).includes(`${nodes[1]} Draining`);
    await poll(drains, { what: "The drain that the budget holds", timeoutMs: PATIENCE_MS });
    expect(await cluster.differences(namespace, "Upgrading")).toEqual([]);
    await cluster.editOnload(namespace, { upgrade: { drain: { timeoutSeconds: 3 } } });
    const why = await cluster.condition(namespace, "Degraded", "True", "NodesFailed");
    expect(why).toContain(`Node "${nodes[1]}" failed at Draining`);
    expect(why).toContain(`${namespace}/held`);
    expect(why).toContain("keep-it");
    const problem = (await cluster.status(namespace))!.problems![0]!;
    expect(problem).toMatchObject({ node: nodes[1]!, step: "Draining", reason: "EvictionBlocked" });
    expect(await cluster.differences(namespace, "NodesFailed")).toEqual([]);
    // Halted: the third node is left alone; the module is still there, under the pod.
    expect(await cluster.versionOn(nodes[2]!, namespace)).toBe("v1");
    expect((await cluster.node(nodes[1]!)).metadata.labels).toHaveProperty(
      [onloadModuleLabel({ namespace, name: "main" })],
      "v1",
    );

    await cluster.plane.request("DELETE", `/apis/policy/v1/namespaces/${namespace}/poddisruptionbudgets/keep-it`);
    await cluster.ready(namespace);
    for (const node of nodes) expect(await cluster.versionOn(node, namespace)).toBe("v2");
    expect(outage.most()).toBe(1);
    expect(cluster.kubelet.violations).toEqual([]);
    expect(await cluster.differences(namespace, "AllNodesReady")).toEqual([]);
    await outage.stop();
  });

  test("leaves a bare pod alone unless forced, and unless its namespace agrees", async () => {
    const nodes = await setUp(1);
    await cluster.createOnload(namespace, onloadSpec(pool, "v1"));
    await cluster.ready(namespace);
    await createHolder("bare", nodes[0]!, false);
    await cluster.editOnload(namespace, { onload: imagesOf("v2"), upgrade: { drain: { timeoutSeconds: 2 } } });
    expect(await cluster.condition(namespace, "Degraded", "True")).toContain("no controller would recreate it");
    expect((await pod("bare"))!.metadata.deletionTimestamp).toBeUndefined();
    await cluster.editOnload(namespace, { upgrade: { drain: { force: true } } });
    const why = await cluster.condition(namespace, "Degraded", "True");
    expect(why).toContain(`set annotation ${FORCE_ANNOTATION}=true on the pod or its namespace`);
    expect((await pod("bare"))!.metadata.deletionTimestamp).toBeUndefined();
    const metadata = { annotations: { [FORCE_ANNOTATION]: "true" } };
    await cluster.client.mergePatch(NAMESPACES, { name: namespace }, { metadata });
    await cluster.ready(namespace);
    // Who administers the operator may agree for all namespaces.
    const without = { metadata: { annotations: { [FORCE_ANNOTATION]: null } } };
    await cluster.client.mergePatch(NAMESPACES, { name: namespace }, without);
    await createHolder("bare-too", nodes[0]!, false);
    await cluster.stopOperators();
    await cluster.startOperator(["--allow-force-drain"]);
    await cluster.editOnload(namespace, { onload: imagesOf("v3") });
    await cluster.ready(namespace);
    expect(await cluster.versionOn(nodes[0]!, namespace)).toBe("v3");
    await cluster.stopOperators();
    await cluster.startOperator();
    expect(cluster.kubelet.violations).toEqual([]);
  });

  test("deleted in the foreground, as GitOps tools do, it takes no driver from under a pod", async () => {
    const nodes = await setUp(2);
    await cluster.createOnload(namespace, onloadSpec(pool, "v1"));
    await cluster.ready(namespace);
    await createHolder("held", nodes[1]!);
    const budgets = `/apis/policy/v1/namespaces/${namespace}/poddisruptionbudgets`;
    await cluster.plane.request("POST", budgets, {
      body: { metadata: { name: "keep-it" }, spec: { minAvailable: 1, selector: { matchLabels: { app: "held" } } } },
    });
    const onload = `/apis/onload.amd.com/v1alpha1/namespaces/${namespace}/onloads/main`;
    // Goes first, as everything does that blocks its owner's deletion.
    const { uid } = (await cluster.onload(namespace))!.metadata;
    const owner = {
      apiVersion: "onload.amd.com/v1alpha1",
      kind: "Onload",
      name: "main",
      uid,
      blockOwnerDeletion: true,
    };
    await cluster.plane.request("POST", `/api/v1/namespaces/${namespace}/configmaps`, {
      body: { metadata: { name: "blocks", ownerReferences: [owner] } },
    });
    await cluster.plane.request("DELETE", onload, { body: { propagationPolicy: "Foreground" } });
    await poll(async () => (await cluster.client.get(CONFIG_MAPS, { namespace, name: "blocks" })) === undefined, {
      what: "The garbage collector",
      timeoutMs: PATIENCE_MS,
    });
    expect(await cluster.differences(namespace, "Deleting")).toEqual([]);
    await cluster.editOnload(namespace, { upgrade: { drain: { timeoutSeconds: 2 } } });
    expect(await cluster.condition(namespace, "Degraded", "True", "NodesFailed")).toContain("keep-it");
    const module = await cluster.client.get(MODULES, { namespace, name: onloadModuleName("main") });
    expect(module).toBeDefined();
    expect(module!.metadata.deletionTimestamp).toBeUndefined();
    await cluster.plane.request("DELETE", `${budgets}/keep-it`);
    await cluster.gone(namespace);
    expect((await cluster.client.list(MODULES, { namespace })).items).toEqual([]);
    expect(cluster.kubelet.violations).toEqual([]);
  });

  test("halts at an image that cannot be pulled, says which, and goes on with a new version", async () => {
    const nodes = await setUp(3);
    const told = new Set<string>();
    const events: Promise<unknown>[] = [];
    cluster.kubelet.fate = (each) => {
      const image = JSON.stringify(each.spec);
      if (!image.includes("onload-module:bad")) return "ready";
      const { uid = "", name } = each.metadata;
      if (!told.has(uid)) events.push(tellSecretMissing(namespace, { kind: "Pod", namespace, name, uid }));
      told.add(uid);
      return {
        reason: "ImagePullBackOff",
        message: 'Back-off pulling image "registry/onload-module:bad": 401 Unauthorized',
      };
    };
    await cluster.createOnload(namespace, onloadSpec(pool, "v1", { imagePullSecrets: [{ name: "regcred" }] }));
    await cluster.ready(namespace);
    const outage = await watchOutage(cluster.client, pool, { namespace, name: "main" });
    await cluster.editOnload(namespace, { onload: imagesOf("bad") });
    const why = await cluster.condition(namespace, "Degraded", "True", "NodesFailed");
    expect(why).toContain(`Node "${nodes[0]}" failed at LoadingOnload`);
    expect(why).toContain("registry/onload-module:bad");
    await Promise.all(events);
    const problem = await poll(
      async () => (await cluster.status(namespace))!.problems!.find(({ message }) => message.includes("cannot read")),
      { what: "The missing Secret in the status", timeoutMs: PATIENCE_MS },
    );
    expect(problem.reason).toBe("ModuleImageMissing");
    expect(problem.message).toContain('the kubelet cannot read the Secret "regcred": it is missing there');
    expect(await cluster.condition(namespace, "Progressing", "False", "Halted")).toContain(
      "2 nodes still to be upgraded",
    );
    await cluster.editOnload(namespace, { onload: imagesOf("v3") });
    await cluster.ready(namespace);
    for (const node of nodes) expect(await cluster.versionOn(node, namespace)).toBe("v3");
    expect(outage.most()).toBe(1);
    await outage.stop();
    await cluster.told(namespace, "ModuleImageMissing");
    const missing = (await cluster.events(namespace)).filter(({ reason }) => reason === "ModuleImageMissing");
    expect(missing[0]!.type).toBe("Warning");
  });

  test("rolls back to the last version that was Ready, and tries again when told to", async () => {
    const nodes = await setUp(3);
    // The second node cannot load v2.
    let broken = true;
    cluster.kubelet.fate = (each) => {
      const bad = broken && each.spec?.nodeName === nodes[1] && JSON.stringify(each.spec).includes("onload-module:v2");
      return bad ? { reason: "CrashLoopBackOff", message: "back-off restarting failed container" } : "ready";
    };
    await cluster.createOnload(namespace, onloadSpec(pool, "v1", { upgrade: { onFailure: "Rollback" } }));
    await cluster.ready(namespace);
    const outage = await watchOutage(cluster.client, pool, { namespace, name: "main" });
    await cluster.editOnload(namespace, { onload: imagesOf("v2") });
    expect(await cluster.condition(namespace, "Ready", "False", "RolledBack")).toContain("version v1");
    for (const node of nodes) expect(await cluster.versionOn(node, namespace)).toBe("v1");
    const status = (await cluster.status(namespace))!;
    expect(status.rollback).toMatchObject({ fromVersion: "v2", toVersion: "v1" });
    expect(status.rollback!.message).toContain(nodes[1]!);
    expect(status.version).toBe("v1");
    expect(await cluster.differences(namespace, "RolledBack")).toEqual([]);

    broken = false;
    await cluster.client.mergePatch(
      ONLOADS,
      { namespace, name: "main" },
      { metadata: { annotations: { [RETRY_ANNOTATION]: "1" } } },
    );
    await cluster.ready(namespace);
    for (const node of nodes) expect(await cluster.versionOn(node, namespace)).toBe("v2");
    expect((await cluster.status(namespace))!.rollback).toBeUndefined();
    expect(outage.most()).toBe(1);
    await outage.stop();
  });

  test("skips a cordoned node, touches no cordon, and takes it when it is uncordoned", async () => {
    const nodes = await setUp(3);
    await cluster.createOnload(namespace, onloadSpec(pool, "v1", { upgrade: { maxUnavailable: 2 } }));
    await cluster.ready(namespace);
    await cordon(nodes[0]!, true);
    await cluster.editOnload(namespace, { onload: imagesOf("v2"), upgrade: { paused: true } });
    expect(await cluster.differences(namespace, "Paused")).toEqual([]);
    await cluster.editOnload(namespace, { upgrade: { paused: false } });
    await poll(
      async () =>
        (await cluster.versionOn(nodes[1]!, namespace)) === "v2" &&
        (await cluster.versionOn(nodes[2]!, namespace)) === "v2",
      { what: "The other nodes' upgrade", timeoutMs: PATIENCE_MS },
    );
    await cluster.condition(namespace, "Progressing", "False");
    expect(await cluster.versionOn(nodes[0]!, namespace)).toBe("v1");
    expect((await cluster.node(nodes[0]!)).spec?.unschedulable).toBe(true);
    expect((await cluster.status(namespace))!.problems).toMatchObject([{ node: nodes[0]!, reason: "Cordoned" }]);
    expect(await cluster.differences(namespace, "NodesNotReady")).toEqual([]);
    await cordon(nodes[0]!, false);
    await cluster.ready(namespace);
  });

  test("puts drift back at once, and holds a change back that would reload drivers in place", async () => {
    const nodes = await setUp(2);
    await cluster.createOnload(namespace, onloadSpec(pool, "v1"));
    await cluster.ready(namespace);
    const module = { namespace, name: "main-module" };
    const load = loadLabel(namespace, module.name);
    for (const value of [null, "off"]) {
      await cluster.client.mergePatch(NODES, { name: nodes[0]! }, { metadata: { labels: { [load]: value } } });
      await poll(async () => (await cluster.node(nodes[0]!)).metadata.labels?.[load] === "on", {
        what: "The load label put back",
        timeoutMs: PATIENCE_MS,
      });
      await cluster.ready(namespace);
    }
    await cluster.client.mergePatch(MODULES, module, { metadata: { labels: { "app.kubernetes.io/part-of": "mine" } } });
    await poll(
      async () =>
        (await cluster.client.get(MODULES, module))?.metadata.labels?.["app.kubernetes.io/part-of"] === "onload",
      { what: "The label put back", timeoutMs: PATIENCE_MS },
    );
    const other = { ...imagesOf("v1"), kernelMappings: [{ regexp: ".*", kernelModuleImage: "registry/other:v1" }] };
    await cluster.editOnload(namespace, { onload: other });
    const why = await cluster.condition(namespace, "Degraded", "True", "ChangeHeldBack");
    expect(why).toContain("registry/other:v1");
    expect(await cluster.differences(namespace, "ChangeHeldBack")).toEqual([]);
    expect(JSON.stringify(await cluster.client.get(MODULES, module))).not.toContain("registry/other:v1");
    await cluster.editOnload(namespace, { onload: { ...other, version: "v1.1" } });
    await cluster.ready(namespace);
    expect(JSON.stringify(await cluster.client.get(MODULES, module))).toContain("registry/other:v1");
  });

  test("takes an edit back with one apply, and does not fight with kubectl and GitOps tools", async () => {
    const [node] = (await setUp(1)) as [string];
    const apply = async (manager: string, changes: object, ...flags: string[]): Promise<void> => {
      const object = {
        apiVersion: "onload.amd.com/v1alpha1",
        kind: "Onload",
        metadata: { namespace, name: "main" },
        spec: onloadSpec(pool, "v1", changes),
      };
      const args = ["apply", `--field-manager=${manager}`, ...flags, "-f", "-"];
      await cluster.plane.kubectl(args, { input: JSON.stringify(object) });
    };
    await apply("kubectl-client-side-apply", {});
    await cluster.ready(namespace);
    // Neither names our finalizer, and no field is in dispute.
    await apply("kubectl-client-side-apply", {});
    await apply("flux", {}, "--server-side");
    await apply("flux", { upgrade: { maxUnavailable: 2 } }, "--server-side", "--force-conflicts");
    await apply("argocd", { upgrade: { maxUnavailable: 2 } }, "--server-side");
    await cluster.ready(namespace);
    const { metadata, status } = (await cluster.onload(namespace))!;
    expect(metadata.finalizers).toEqual([FINALIZER]);
    expect(status!.observedGeneration).toBe(metadata.generation!);
    const ours = metadata.managedFields!.filter(({ manager }) => manager === "onloadctl");
    expect(ours.length).toBeGreaterThan(0);
    for (const { fieldsV1 } of ours) expect(fieldsV1).not.toHaveProperty(["f:spec"]);

    const plugin = { namespace, name: "main-onload-device-plugin-ds" };
    const writes = (): string[] =>
      cluster
        .requests()
        .filter(
          ({ verb, objectRef }) => ["patch", "update", "create"].includes(verb) && objectRef?.name === plugin.name,
        )
        .map(({ verb }) => verb);
    const before = writes().length;
    const edit = JSON.stringify({ spec: { template: { spec: { terminationGracePeriodSeconds: 7 } } } });
    await cluster.plane.kubectl(["patch", "daemonset", plugin.name, "-n", namespace, "--type=merge", "-p", edit]);
    const grace = async (): Promise<unknown> => {
      const found = await cluster.client.get<DaemonSet>(DAEMON_SETS, plugin);
      return (found!.spec.template.spec as { terminationGracePeriodSeconds?: number }).terminationGracePeriodSeconds;
    };
    await poll(async () => (await grace()) !== 7, { what: "The edit taken back", timeoutMs: PATIENCE_MS });
    await cluster.ready(namespace);
    // Something else that makes the operator look again shows that it is content.
    const label = (pods: string | null): Promise<unknown> =>
      cluster.client.mergePatch(NODES, { name: node }, { metadata: { labels: { pool: pods } } });
    await label(null);
    await poll(async () => (await cluster.traces(node)).length === 0, { what: "A clean node", timeoutMs: PATIENCE_MS });
    await label(pool);
    await cluster.ready(namespace);
    expect(writes().slice(before)).toEqual(["patch"]);
  });

  test("has nothing that a person's prune selects, and copies no label of the resource", async () => {
    await setUp(1);
    const labels = { team: "traders", "app.kubernetes.io/instance": "desk" };
    const metadata = (name: string): object => ({ namespace, name, labels });
    const onload = {
      apiVersion: "onload.amd.com/v1alpha1",
      kind: "Onload",
      metadata: metadata("main"),
      spec: onloadSpec(pool, "v1"),
    };
    const settings = { apiVersion: "v1", kind: "ConfigMap", metadata: metadata("settings") };
    const kinds = ["core/v1/ConfigMap", "apps/v1/DaemonSet", "kmm.sigs.x-k8s.io/v1beta1/Module"];
    const apply = async (items: object[], ...selection: string[]): Promise<string[]> => {
      const allowed = kinds.map((kind) => `--prune-allowlist=${kind}`);
      const args = ["apply", "--prune", ...selection, ...allowed, "-n", namespace, "-f", "-"];
      const said = await cluster.plane.kubectl(args, {
        input: JSON.stringify({ apiVersion: "v1", kind: "List", items }),
      });
      return said.split("\n").filter((line) => line.endsWith(" pruned"));
    };
    const owned = async (): Promise<KubeObject[]> => {
      const lists = [DAEMON_SETS, MODULES].map((kind) => cluster.client.list<KubeObject>(kind, { namespace }));
      return (await Promise.all(lists)).flatMap(({ items }) => items);
    };
    const uids = async (): Promise<unknown[]> => (await owned()).map(({ metadata: { uid } }) => uid).toSorted();
    await apply([onload, settings], "--selector=team=traders");
    await cluster.ready(namespace);
    const before = await uids();
    expect(before.length).toBeGreaterThan(2);
    for (const text of (await owned()).map((each) => JSON.stringify(each))) {
      expect(text).not.toContain("traders");
      expect(text).not.toContain('"desk"');
      expect(text).not.toContain("last-applied-configuration");
    }
    // kubectl takes only what it has applied itself.
    for (const selection of ["--selector=team=traders", "--selector=app.kubernetes.io/instance=desk", "--all"]) {
      await apply([onload, settings], selection);
      expect(await apply([onload], selection)).toEqual(["configmap/settings pruned"]);
      expect(await uids()).toEqual(before);
    }
  });

  test("gives a node to the older of two resources, and says so on the other", async () => {
    const nodes = await setUp(2);
    await cluster.createOnload(namespace, onloadSpec(pool, "v1"), "older");
    await cluster.ready(namespace, "older");
    // Creation times have seconds.
    await poll(
      () => cluster.status(namespace, "older").then((s) => Date.now() - Date.parse(s!.lastReady!.time) > 1100),
      { what: "A second" },
    );
    await cluster.createOnload(namespace, onloadSpec(pool, "v2"), "younger");
    const why = await cluster.condition(namespace, "Degraded", "True", undefined, "younger");
    expect(why).toContain(`Onload "${namespace}/older" selects this node too and keeps it`);
    expect(await cluster.differences(namespace, "NodesNotReady", "younger")).toEqual([]);
    expect(await cluster.versionOn(nodes[0]!, namespace, "younger")).toBeUndefined();
    await cluster.deleteOnload(namespace, "older");
    await cluster.ready(namespace, "younger");
    expect(await cluster.versionOn(nodes[0]!, namespace, "older")).toBeUndefined();
  });

  test("follows nodes that gain and lose the selector's label, and nodes that go", async () => {
    const nodes = await setUp(3);
    const label = (node: string, value: string | null) =>
      cluster.client.mergePatch(NODES, { name: node }, { metadata: { labels: { pool: value } } });
    await label(nodes[2]!, null);
    cluster.kubelet.fate = () => "pending";
    await cluster.createOnload(namespace, onloadSpec(pool, "v1"));
    expect(await cluster.differences(namespace, "Installing")).toEqual([]);
    cluster.kubelet.fate = () => "ready";
    cluster.kubelet.review();
    await cluster.ready(namespace);
    await label(nodes[2]!, pool);
    await poll(async () => (await cluster.status(namespace))?.nodes?.ready === 3, {
      what: "Three nodes",
      timeoutMs: PATIENCE_MS,
    });
    cluster.kubelet.mayGo = () => false;
    await label(nodes[0]!, null);
    expect(await cluster.differences(namespace, "LettingGo")).toEqual([]);
    cluster.kubelet.mayGo = () => true;
    cluster.kubelet.review();
    await poll(async () => (await cluster.traces(nodes[0]!)).length === 0, {
      what: "A clean node",
      timeoutMs: PATIENCE_MS,
    });
    await cluster.kubelet.deleteNode(nodes[1]!);
    await poll(async () => (await cluster.status(namespace))?.nodes?.desired === 1, {
      what: "One node",
      timeoutMs: PATIENCE_MS,
    });
    await cluster.ready(namespace);
    await label(nodes[2]!, null);
    expect(await cluster.differences(namespace, "NoMatchingNodes")).toEqual([]);
  });

  test("says what is wrong, stays up, and goes on when it is put right", async () => {
    const nodes = await setUp(1);
    const spec = onloadSpec(pool, "v1", { serviceAccountName: "missing" });
    spec.onload.kernelMappings = [{ regexp: "^4\\.", kernelModuleImage: "registry/onload-module:v1" }];
    await cluster.createOnload(namespace, spec);
    const account = await cluster.condition(namespace, "Degraded", "True", "ServiceAccountMissing");
    expect(account).toContain('"missing" does not exist');
    expect((await cluster.status(namespace))!.problems).toMatchObject([{ node: nodes[0]!, reason: "NoKernelMapping" }]);
    expect(await cluster.differences(namespace, "ServiceAccountMissing")).toEqual([]);
    // Without the admission policies the API server takes it.
    await cluster.editOnload(namespace, { selector: { "no key!": "x" } });
    expect(await cluster.differences(namespace, "InvalidSpec")).toEqual([]);
    await cluster.editOnload(namespace, { selector: { "no key!": null } });
    // The API server can evaluate this one, and we cannot.
    spec.onload.kernelMappings[0]!.regexp = "\\p{Letter}|.*";
    await cluster.editOnload(namespace, { serviceAccountName: "onload", onload: spec.onload });
    await poll(
      async () => {
        const { message = "" } = (await cluster.status(namespace))!.problems?.[0] ?? {};
        return message.includes("spec.onload.kernelMappings[0].regexp cannot be evaluated: ") || undefined;
      },
      { what: "The expression being named", timeoutMs: PATIENCE_MS },
    );
    // RE2's syntax, of which JavaScript has a part only.
    const kernelMappings = [{ regexp: "(?i)^[[:digit:]]+\\.", kernelModuleImage: "registry/onload-module:v1" }];
    await cluster.editOnload(namespace, { onload: { ...imagesOf("v1"), kernelMappings } });
    await cluster.ready(namespace);
    await cluster.condition(namespace, "Degraded", "False");
  });

  test("takes no node out of service for a Module that the API server refuses", async () => {
    const nodes = await setUp(2);
    const policies = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies";
    const resourceRules = [
      {
        apiGroups: ["kmm.sigs.x-k8s.io"],
        apiVersions: ["*"],
        operations: ["CREATE", "UPDATE"],
        resources: ["modules"],
      },
    ];
    const validations = [{ expression: "object.spec.moduleLoader.container.version != 'refused'", message: "no" }];
    await cluster.plane.request("POST", policies, {
      body: { metadata: { name: pool }, spec: { matchConstraints: { resourceRules }, validations } },
    });
    const namespaceSelector = { matchLabels: { "kubernetes.io/metadata.name": namespace } };
    await cluster.plane.request("POST", "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings", {
      body: {
        metadata: { name: pool },
        spec: { policyName: pool, validationActions: ["Deny"], matchResources: { namespaceSelector } },
      },
    });
    await cluster.createOnload(namespace, onloadSpec(pool, "v1"));
    await cluster.ready(namespace);
    // The policy takes a moment to be in force.
    await poll(
      async () => {
        const module = { spec: { moduleLoader: { container: { version: "refused" } } } };
        const refused = cluster.client.mergePatch(MODULES, { namespace, name: "main-module" }, module, {
          dryRun: true,
        });
        return refused.then(
          () => false,
          () => true,
        );
      },
      { what: "The policy", timeoutMs: PATIENCE_MS },
    );
    await cluster.editOnload(namespace, { onload: imagesOf("refused") });
    expect(await cluster.condition(namespace, "Degraded", "True", "ApplyFailed")).toContain("main-module");
    expect(await cluster.differences(namespace, "ApplyFailed")).toEqual([]);
    for (const node of nodes) expect(await cluster.versionOn(node, namespace)).toBe("v1");
    await cluster.editOnload(namespace, { onload: imagesOf("v2") });
    await cluster.ready(namespace);
    for (const node of nodes) expect(await cluster.versionOn(node, namespace)).toBe("v2");
  });

  test("survives the API server", async () => {
    const nodes = await setUp(3);
    await cluster.createOnload(namespace, onloadSpec(pool, "v1"));
    await cluster.ready(namespace);
    await cluster.editOnload(namespace, { onload: imagesOf("v2") });
    await poll(async () => (await cluster.versionOn(nodes[0]!, namespace)) !== "v1", {
      what: "The upgrade's begin",
      timeoutMs: PATIENCE_MS,
    });
    await cluster.plane.killApiServer();
    await cluster.plane.restartApiServer();
    await cluster.plane.compactEtcd();
    await cluster.ready(namespace);
    for (const node of nodes) expect(await cluster.versionOn(node, namespace)).toBe("v2");
    expect(cluster.kubelet.violations).toEqual([]);
  });
});

function pod(name: string): Promise<Pod | undefined> {
  return cluster.client.get<Pod>(PODS, { namespace, name });
}

async function cordon(node: string, unschedulable: boolean): Promise<void> {
  await cluster.client.mergePatch(NODES, { name: node }, { spec: { unschedulable } });
}

/** The kubelet's event about a pod's Secret that it cannot read. */
function tellSecretMissing(namespace: string, involvedObject: object): Promise<unknown> {
  return cluster.plane.request("POST", `/api/v1/namespaces/${namespace}/events`, {
    body: {
      metadata: { generateName: "secret-" },
      involvedObject,
      type: "Warning",
      lastTimestamp: new Date().toISOString().replace(/\.\d+/, ""),
      reason: "FailedToRetrieveImagePullSecret",
      message: "Unable to retrieve some image pull secrets (regcred); attempting to pull the image may not succeed.",
    },
  });
}
