/** The admission policies on a real API server: what people can and cannot do, and that the operator still can. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync } from "node:fs";
import type { DaemonSet, Deployment, KubeObject, Node, Pod } from "../api/core.ts";
import {
  devicePluginName,
  FORCE_ANNOTATION,
  KMM_KERNEL_LABEL,
  KMM_MODULE_NAME_LABEL,
  kmm1ModuleLoaderLabel,
  LEASE_NAME,
  moduleVersionLabel,
  onloadModuleLabel,
  onloadModuleName,
  PLUGIN_NAME_LABEL,
  pluginLabel,
  RETRY_ANNOTATION,
} from "../api/names.ts";
import { MODULES, ONLOADS } from "../api/resources.ts";
import { withDefaults, type Onload } from "../api/onload.ts";
import type { Client } from "../kube/client.ts";
import type { Lease } from "../kube/kinds.ts";
import { collectionPath, DAEMON_SETS, DEPLOYMENTS, LEASES, NAMESPACES, NODES, PODS } from "../kube/resource.ts";
import { poll } from "../testcluster/lib/poll.ts";
import { KMM_2 } from "./testing/kmm.ts";
import { imagesOf, onloadSpec, PATIENCE_MS, type OperatorCluster } from "./testing/operator-cluster.ts";
import { ProtectedCluster, refusal } from "./testing/protected-cluster.ts";
import { tryPods } from "./view/pod-trial.ts";

setDefaultTimeout(600_000);

const CONTROLLER_REVISIONS = { ...DAEMON_SETS, plural: "controllerrevisions", kind: "ControllerRevision" };
const ALLOW = { metadata: { annotations: { "onload.amd.com/allow-deletion": "true" } } };

interface NamespaceStatus {
  status: { conditions?: { type: string; message: string }[] };
}

let made: ProtectedCluster;
let cluster: OperatorCluster;
let namespace: string;
beforeAll(async () => {
  made = await ProtectedCluster.start(3);
  ({ cluster, namespace } = made);
});
afterAll(() => made?.[Symbol.asyncDispose]());

const collect = (client: Client, path: string): Promise<unknown> =>
  client.transport.json({ method: "DELETE", path, action: "delete all" });
const ref = (): { namespace: string; name: string } => ({ namespace, name: "main" });

async function loaderDaemonSets(): Promise<DaemonSet[]> {
  const labelSelector = "kmm.node.kubernetes.io/role=module-loader";
  return (await cluster.client.list<DaemonSet>(DAEMON_SETS, { namespace, labelSelector })).items;
}

/** A pod that holds amd.com/onload on each node; no controller makes it again. */
async function createTraders(): Promise<void> {
  for (const node of made.nodes) {
    await cluster.client.create(PODS, {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { namespace: "default", name: `trader-${node}`, labels: { app: "trader" } },
      spec: {
        nodeName: node,
        containers: [{ name: "app", image: "app", resources: { limits: { "amd.com/onload": "1" } } }],
      },
    } as unknown as Pod);
  }
  await poll(async () => (await traders()).filter(({ status }) => status?.phase === "Running").length === 3, {
    what: "The traders running",
    timeoutMs: PATIENCE_MS,
  });
}

async function traders(): Promise<Pod[]> {
  return (await cluster.client.list<Pod>(PODS, { namespace: "default", labelSelector: "app=trader" })).items;
}

async function podsWith(labelSelector: string): Promise<Pod[]> {
  return (await cluster.client.list<Pod>(PODS, { namespace, labelSelector })).items;
}
const loaders = (): Promise<Pod[]> => podsWith(`${KMM_MODULE_NAME_LABEL}=${onloadModuleName("main")}`);

describe("who may deploy Onload", () => {
  test("the admin of a namespace may not make a resource, and is told who may", async () => {
    const why = await refusal(made.create(made.tenant, "mine"));
    expect(why).toContain("tenant may not create, change or delete Onload resources");
    expect(why).toContain("ClusterRole onload-operator-onload-deployer-role");
  });

  test("who has the role may, and the operator rolls it out under all policies", async () => {
    await made.create(made.deployer, "main");
    await cluster.ready(namespace);
    expect(await cluster.condition(namespace, "Protected", "True", "PoliciesInstalled")).toContain("may deploy Onload");
    // No policy takes the pods that are tried for a resource for pods that somebody makes.
    const onload = withDefaults((await cluster.client.get<Onload>(ONLOADS, ref()))!);
    const options = { kmm: KMM_2, withoutAccount: false, hasAll: true };
    expect(await tryPods(cluster.client, onload, options, AbortSignal.timeout(60_000))).toEqual({ refusals: [] });
  });

  const attacks: Record<string, () => Promise<unknown>> = {
    "select other nodes": () => made.edit(made.tenant, { spec: { selector: { pool: "tpyo" } } }),
    "change how nodes are drained": () =>
      made.edit(made.tenant, { spec: { upgrade: { drain: { timeoutSeconds: 0 } } } }),
    "try failed nodes again": () =>
      made.edit(made.tenant, { metadata: { annotations: { [RETRY_ANNOTATION]: "now" } } }),
    "set any other annotation of ours": () =>
      made.edit(made.tenant, { metadata: { annotations: { "onload.amd.com/confirm": "1" } } }),
    "take the finalizer away": () => made.edit(made.tenant, { metadata: { finalizers: null } }),
    "keep it for ever": () =>
      made.edit(made.tenant, { metadata: { finalizers: ["onload.amd.com/node-cleanup", "example.com/hold"] } }),
    "have the garbage collector delete it": () =>
      made.edit(made.tenant, {
        metadata: { ownerReferences: [{ apiVersion: "v1", kind: "ConfigMap", name: "gone", uid: "gone" }] },
      }),
    "delete it": () => made.tenant.delete(ONLOADS, ref()),
    "delete all of the namespace": () => collect(made.tenant, collectionPath(ONLOADS, namespace)),
  };
  for (const [name, attack] of Object.entries(attacks)) {
    test(`the admin of its namespace cannot ${name}`, async () => {
      expect(await refusal(attack())).toContain("may not create, change or delete Onload resources");
    });
  }

  test("the admin of its namespace can label it, as tools do", async () => {
    await made.edit(made.tenant, { metadata: { labels: { team: "a" }, annotations: { "example.com/note": "b" } } });
  });

  test("an account of the operator's name in another namespace is not the operator", async () => {
    const name = "onload-operator-controller-manager";
    await cluster.plane.request("POST", `/api/v1/namespaces/${namespace}/serviceaccounts`, {
      body: { metadata: { name } },
    });
    await made.bindInNamespace("ServiceAccount", name, "cluster-admin");
    const impostor = await made.clientOf(await cluster.plane.serviceAccountKubeconfig(namespace, name));
    expect(await refusal(impostor.delete(ONLOADS, ref()))).toContain("may not create, change or delete");
    const module = { namespace, name: onloadModuleName("main") };
    expect(await refusal(impostor.delete(MODULES, module))).toContain("delete the Onload resource instead");
  });
});

test("the admin of a namespace cannot say that an operator acts, in case none does", async () => {
  const spec = { holderIdentity: "nobody", renewTime: `${new Date().toISOString().slice(0, -1)}000Z` };
  const lease = (name: string, where = namespace): Lease => {
    return { apiVersion: "coordination.k8s.io/v1", kind: "Lease", metadata: { namespace: where, name }, spec };
  };
  const labels = { "app.kubernetes.io/part-of": "onload", "control-plane": "controller-manager" };
  const template = { metadata: { labels: { app: "x" } }, spec: { containers: [{ name: "a", image: "a" }] } };
  const deployment = (name: string, mine: object): Deployment => {
    const metadata = { namespace, name, labels: mine };
    const wanted = { replicas: 0, selector: { matchLabels: { app: "x" } }, template };
    return { apiVersion: "apps/v1", kind: "Deployment", metadata, spec: wanted } as never;
  };
  await made.tenant.create(LEASES, lease("another"));
  await made.tenant.create(DEPLOYMENTS, deployment("another", { app: "x" }));
  const mine = { namespace, name: "another" };
  for (const work of [
    () => made.tenant.create(LEASES, lease(LEASE_NAME)),
    () => made.tenant.create(DEPLOYMENTS, deployment("operator", labels)),
    () => made.tenant.mergePatch<Deployment>(DEPLOYMENTS, mine, { metadata: { labels } } as never),
  ]) {
    expect(await refusal(work())).toContain("it would say that an Onload operator acts");
  }
  for (const client of [cluster.client, made.thief]) {
    const home = "onload-operator-system";
    expect(await refusal(client.create(LEASES, lease(LEASE_NAME, home), { dryRun: true }))).toBe("");
  }
});

describe("drivers are not unloaded under pods", () => {
  beforeAll(createTraders);

  const daemonSet = async (): Promise<{ namespace: string; name: string }> => {
    const [owner] = (await loaders())[0]!.metadata.ownerReferences!;
    return { namespace, name: owner!.name };
  };
  const loader = async (): Promise<{ namespace: string; name: string }> => {
    const [pod] = await loaders();
    return { namespace, name: pod!.metadata.name };
  };
  const plugin = async (): Promise<{ namespace: string; name: string }> => {
    const [pod] = await podsWith(`${PLUGIN_NAME_LABEL}=${devicePluginName("main")}`);
    return { namespace, name: pod!.metadata.name };
  };
  const collected = {
    metadata: { ownerReferences: [{ apiVersion: "v1", kind: "ConfigMap", name: "gone", uid: "gone" }] },
  };
  const orphaned = { metadata: { ownerReferences: null } } as never;
  const inStatus = { subresource: "status" } as const;
  const kept = { metadata: { finalizers: ["example.com/hold"] } };
  const nodeInfo = (client: Client, changed: object): Promise<unknown> =>
    client.mergePatch<Node>(NODES, { name: made.nodes[0]! }, { status: { nodeInfo: changed } } as never, inStatus);
  const onNode = (client: Client, label: string, options: { subresource?: "status" } = {}): Promise<unknown> =>
    client.mergePatch<Node>(
      NODES,
      { name: made.nodes[0]! },
      { metadata: { labels: { [label]: null } } } as never,
      options,
    );
  const revisionOf = async (owner: { name: string }): Promise<{ namespace: string; name: string }> => {
    const { items } = await cluster.client.list<KubeObject>(CONTROLLER_REVISIONS, { namespace });
    const found = items.find(({ metadata }) => metadata.ownerReferences?.some(({ name }) => name === owner.name));
    return { namespace, name: found!.metadata.name };
  };
  const outdated = { metadata: { labels: { "controller-revision-hash": "x" } } };
  /** As kubectl debug does. */
  const debug = (client: Client, { name }: { name: string }): Promise<unknown> =>
    client.transport.json({
      method: "PATCH",
      path: `/api/v1/namespaces/${namespace}/pods/${name}/ephemeralcontainers`,
      contentType: "application/strategic-merge-patch+json",
      body: { spec: { ephemeralContainers: [{ name: "debug", image: "debug" }] } },
      action: "debug",
    });
  const withImage = async (client: Client, pod: { namespace: string; name: string }): Promise<unknown> => {
    const containers = (await client.get<Pod>(PODS, pod))!.spec!.containers!;
    const others = containers.map((each) => ({ ...each, image: "registry/other:1" }));
    return client.mergePatch(PODS, pod, { spec: { containers: others } });
  };
  const attacks: Record<string, (client: Client) => Promise<unknown>> = {
    "delete the Module": (client) => client.delete(MODULES, { namespace, name: onloadModuleName("main") }),
    "delete all Modules": (client) => collect(client, collectionPath(MODULES, namespace)),
    "delete all DaemonSets": (client) => collect(client, collectionPath(DAEMON_SETS, namespace)),
    "edit the Module": (client) =>
      client.mergePatch(MODULES, { namespace, name: onloadModuleName("main") }, { spec: { selector: { no: "node" } } }),
    "delete our DaemonSet": (client) => client.delete(DAEMON_SETS, { namespace, name: devicePluginName("main") }),
    "restart our DaemonSet, as kubectl rollout does": (client) => {
      const annotations = { "kubectl.kubernetes.io/restartedAt": new Date().toISOString() };
      const patch = { spec: { template: { metadata: { annotations } } } };
      return client.mergePatch(DAEMON_SETS, { namespace, name: devicePluginName("main") }, patch);
    },
    "delete KMM's DaemonSet": async (client) => client.delete(DAEMON_SETS, await daemonSet()),
    "edit KMM's DaemonSet": async (client) =>
      client.mergePatch<DaemonSet>(DAEMON_SETS, await daemonSet(), {
        spec: { template: { spec: { nodeSelector: { no: "node" } } } },
      } as never),
    "have KMM's DaemonSet collected": async (client) => client.mergePatch(DAEMON_SETS, await daemonSet(), collected),
    "delete a module-loader pod": async (client) => client.delete(PODS, await loader()),
    "delete it by force": async (client) => client.delete(PODS, await loader(), { gracePeriodSeconds: 0 }),
    "evict a module-loader pod": async (client) => client.evict(await loader(), {}),
    "end a module-loader pod by a deadline": async (client) =>
      client.mergePatch(PODS, await loader(), { spec: { activeDeadlineSeconds: 1 } }),
    "give a module-loader pod another image": async (client) => withImage(client, await loader()),
    "have a module-loader pod collected": async (client) => client.mergePatch(PODS, await loader(), collected),
    "give a device plugin another image": async (client) => withImage(client, await plugin()),
    "have a device plugin collected": async (client) => client.mergePatch(PODS, await plugin(), collected),
    "take a device plugin out of its DaemonSet": async (client) =>
      client.mergePatch(PODS, await plugin(), { metadata: { labels: { [PLUGIN_NAME_LABEL]: null } } }),
    "take a module-loader pod out of its DaemonSet": async (client) =>
      client.mergePatch(PODS, await loader(), {
        metadata: { labels: { [kmm1ModuleLoaderLabel(namespace, onloadModuleName("main"))]: null } },
      }),
    "have the DaemonSet controller replace a module-loader pod": async (client) =>
      client.mergePatch(PODS, await loader(), {
        metadata: { labels: { "controller-revision-hash": "x", "pod-template-generation": "99" } },
      }),
    "take a module-loader pod from its owner": async (client) => client.mergePatch(PODS, await loader(), orphaned),
    "take a device plugin from its owner": async (client) => client.mergePatch(PODS, await plugin(), orphaned),
    "take KMM's DaemonSet from its owner": async (client) =>
      client.mergePatch(DAEMON_SETS, await daemonSet(), orphaned),
    "make module-loader pods outdated by their revision": async (client) =>
      client.mergePatch(CONTROLLER_REVISIONS, await revisionOf(await daemonSet()), outdated),
    "add a container to a module-loader pod": async (client) => debug(client, await loader()),
    "add a container to a device plugin": async (client) => debug(client, await plugin()),
    "take the latch of a Module from a node": (client) =>
      onNode(client, `latch.onload.amd.com/${namespace}.${onloadModuleName("main")}`),
    "take it with the node's status": (client) =>
      onNode(client, `latch.onload.amd.com/${namespace}.${onloadModuleName("main")}`, { subresource: "status" }),
    "take the kernel, by which KMM chooses pods, from a node": (client) => onNode(client, KMM_KERNEL_LABEL),
    "take the version, by which KMM chooses pods, from a node": (client) =>
      onNode(client, kmm1ModuleLoaderLabel(namespace, onloadModuleName("main"))),
    "change the version of a Module on a node": (client) =>
      client.mergePatch<Node>(NODES, { name: made.nodes[0]! }, {
        metadata: { labels: { [onloadModuleLabel(ref())]: "v0" } },
      } as never),
    "hide a module-loader pod": async (client) =>
      client.mergePatch(PODS, await loader(), { metadata: { labels: { "kmm.node.kubernetes.io/role": "x" } } }),
    "hide it with its status": async (client) =>
      client.mergePatch(
        PODS,
        await loader(),
        { metadata: { labels: { "kmm.node.kubernetes.io/role": "x" } } },
        inStatus,
      ),
    "say that a module-loader pod has failed, which ends it": async (client) =>
      client.mergePatch(PODS, await loader(), { status: { phase: "Failed" } }, inStatus),
    "say that a device plugin has failed": async (client) =>
      client.mergePatch(PODS, await plugin(), { status: { phase: "Failed" } }, inStatus),
    "keep a module-loader pod for ever": async (client) => client.mergePatch(PODS, await loader(), kept),
    "keep a device plugin for ever": async (client) => client.mergePatch(PODS, await plugin(), kept),
    "have KMM's DaemonSet collected, with its status": async (client) =>
      client.mergePatch(DAEMON_SETS, await daemonSet(), collected, inStatus),
    "have our DaemonSet collected, with its status": (client) =>
      client.mergePatch(DAEMON_SETS, { namespace, name: devicePluginName("main") }, collected, inStatus),
    "say that KMM's DaemonSet has no pods, which lets KMM delete it": async (client) =>
      client.mergePatch<DaemonSet>(
        DAEMON_SETS,
        await daemonSet(),
        { status: { currentNumberScheduled: 0, numberMisscheduled: 0 } } as never,
        inStatus,
      ),
    "take the device plugin's label from a node, by which others are known": (client) =>
      onNode(client, pluginLabel(ref())),
    "tell KMM of another kernel on a node": (client) => nodeInfo(client, { kernelVersion: "6.6.6" }),
    "tell KMM of a reboot": (client) => nodeInfo(client, { bootID: "another" }),
    "change what the operator notes on a node": (client) =>
      client.mergePatch<Node>(NODES, { name: made.nodes[0]! }, {
        metadata: { annotations: { [`${pluginLabel(ref())}.failure`]: "x" } },
      } as never),
    "end module-loader pods by a taint": (client) =>
      client.mergePatch<Node>(NODES, { name: made.nodes[0]! }, {
        spec: { taints: [{ key: "maintenance", effect: "NoExecute" }] },
      } as never),
    "end them by a taint of Kubernetes' own, which no pod of a DaemonSet tolerates": (client) =>
      client.mergePatch<Node>(NODES, { name: made.nodes[0]! }, {
        spec: { taints: [{ key: "node.kubernetes.io/out-of-service", value: "nodeshutdown", effect: "NoExecute" }] },
      } as never),
    "delete a node that is in service": (client) => client.delete(NODES, { name: made.nodes[0]! }),
  };
  for (const [name, attack] of Object.entries(attacks)) {
    test(`nobody can ${name}: no administrator of the cluster`, async () => {
      expect(await refusal(attack(cluster.client))).toMatch(/under running pods/);
    });
    test(`nor the admin of the namespace: ${name}`, async () => {
      expect(await refusal(attack(made.tenant))).toMatch(
        /under running pods|cannot \w+ resource "(modules|nodes|controllerrevisions|(nodes|pods|daemonsets)\/status|pods\/ephemeralcontainers)"/,
      );
    });
  }

  test("the admin of the namespace cannot allow it either", async () => {
    for (const work of [
      async () => made.tenant.mergePatch(DAEMON_SETS, await daemonSet(), ALLOW),
      async () => made.tenant.mergePatch(DAEMON_SETS, { namespace, name: devicePluginName("main") }, ALLOW),
      async () => made.tenant.mergePatch(PODS, await loader(), ALLOW),
    ]) {
      expect(await refusal(work())).toContain("only by those who may deploy Onload");
    }
  });

  test("nor can who may change nodes, and not deploy", async () => {
    await made.bindAgent();
    const name = made.nodes[0]!;
    const why = await refusal(made.agent.mergePatch<Node>(NODES, { name }, ALLOW as never));
    expect(why).toContain("only by those who may deploy Onload");
    await made.agent.mergePatch<Node>(NODES, { name }, {
      metadata: { annotations: { "example.com/a": "b" } },
    } as never);
  });

  test("who may not deploy cannot end device plugins, again and again, so that nodes take no pods", async () => {
    const pod = await plugin();
    for (const work of [
      () => made.tenant.delete(PODS, pod),
      () => made.tenant.evict(pod, {}),
      () => collect(made.tenant, `${collectionPath(PODS, namespace)}?labelSelector=${PLUGIN_NAME_LABEL}`),
    ]) {
      expect(await refusal(work())).toContain("its node takes no pod with Onload");
    }
    await cluster.client.delete(PODS, pod);
    await cluster.ready(namespace);
  });

  test("nor can they by making the node too large to be looked at", async () => {
    const name = made.nodes[0]!;
    const prefix = "kmm.node.kubernetes.io/version-module.";
    const many = Array.from({ length: 12_000 }, (_, i) => [`${prefix}${String(i).padEnd(40, "x")}-module`, ""]);
    const latch = `latch.onload.amd.com/${namespace}.${onloadModuleName("main")}`;
    for (const labels of [Object.fromEntries(many), { [latch]: null }]) {
      await refusal(made.agent.mergePatch<Node>(NODES, { name }, { metadata: { labels } } as never));
    }
    const { labels = {} } = (await cluster.node(name)).metadata;
    expect(labels).toHaveProperty([latch]);
    expect(Object.keys(labels).length).toBeLessThan(100);
  });

  test("nor by so many annotations that the API server is busy with each change of the node", async () => {
    const name = made.nodes[0]!;
    const annotations = Object.fromEntries(Array.from({ length: 20_000 }, (_, i) => [`a${i}`, ""]));
    const why = await refusal(made.agent.mergePatch<Node>(NODES, { name }, { metadata: { annotations } } as never));
    expect(why).toContain("annotations, and may have 500");
    for (const [kind, key] of [
      ["annotations", "a"],
      ["labels", "l"],
    ] as const) {
      const of = (count: number): object =>
        Object.fromEntries(Array.from({ length: count }, (_, i) => [`${key}${i}`, ""]));
      const create = (count: number): Promise<unknown> =>
        cluster.client.create<Node>(NODES, { metadata: { name: "huge", [kind]: of(count) } } as never, {
          dryRun: true,
        });
      expect(await refusal(create(501))).toContain(`${kind}, and may have 500`);
      // The API server adds some labels.
      expect(await refusal(create(490))).toBe("");
    }
    expect(Object.keys((await cluster.node(name)).metadata.annotations ?? {}).length).toBeLessThan(100);
  });

  // Beyond its budget an expression fails, and the policy of nodes then refuses nothing.
  test.each([
    ["like those of KMM", "beta.kmm.node.kubernetes.io/version-worker-pod.other.", "-module"],
    ["as long as they may be", `${["a", "b", "c"].map((each) => each.repeat(63)).join(".")}.${"d".repeat(61)}/`, ""],
  ])("nor by nearly as many labels and annotations as a node may have, %s", async (_, start, end) => {
    const name = made.nodes[0]!;
    const { labels = {}, annotations = {} } = (await cluster.node(name)).metadata;
    const width = 63 - start.slice(start.indexOf("/") + 1).length - end.length;
    const fill = (others: object, value: string | null): Record<string, string | null> =>
      Object.fromEntries(
        Array.from({ length: 490 - Object.keys(others).length }, (__, i) => [
          `${start}${`k${i}`.padEnd(width, "x")}${end}`,
          value,
        ]),
      );
    const set = (value: string | null): Promise<unknown> =>
      cluster.client.mergePatch<Node>(NODES, { name }, {
        metadata: { labels: fill(labels, value), annotations: fill(annotations, value) },
      } as never);
    await set("v");
    const { metadata } = await cluster.node(name);
    expect([metadata.labels, metadata.annotations].map((each) => Object.keys(each ?? {}).length)).toEqual([490, 490]);
    for (const attack of ["take the latch of a Module from a node", "end module-loader pods by a taint"]) {
      expect(await refusal(attacks[attack]!(cluster.client))).toMatch(/under running pods/);
    }
    // The operator's own work is judged, too.
    const note = { metadata: { annotations: { [`${pluginLabel(ref())}.failure`]: "x" } } } as never;
    expect(await refusal(made.thief.mergePatch<Node>(NODES, { name }, note, { dryRun: true }))).toBe("");
    await set(null);
  });

  test("nor by the label of a Module whose name KMM 1.1 takes for that of ours", async () => {
    const [, start = "", end = ""] = /^(.+)-(.+)$/.exec(namespace)!;
    const name = onloadModuleName("main");
    const prefix = "kmm.node.kubernetes.io/version-module";
    for (const label of [
      moduleVersionLabel(start, `${end}-${name}`),
      `${prefix}X.${namespace}.${name}`,
      `${prefix}.x.${namespace}.${name}`,
      `${prefix}-loader.${namespace}.${name}`,
      `beta.kmm.node.kubernetes.io/version-device-pluginX.${namespace}.${name}`,
    ]) {
      const patch = { metadata: { labels: { [label]: "x" } } } as never;
      const why = await refusal(made.agent.mergePatch<Node>(NODES, { name: made.nodes[0]! }, patch));
      expect({ label, why }).toEqual({ label, why: expect.stringContaining("for that of another Module") as never });
    }
    // The same name in another namespace is another Module.
    const free = { metadata: { labels: { [moduleVersionLabel("elsewhere", name)]: "x" } } } as never;
    expect(await refusal(made.agent.mergePatch<Node>(NODES, { name: made.nodes[0]! }, free, { dryRun: true }))).toBe(
      "",
    );
  });

  test("nobody but the operator writes the status of a resource, which says by what selector it has its nodes", async () => {
    const patch = { status: { selector: { pool: "tpyo" } } } as never;
    const why = await refusal(cluster.client.mergePatch(ONLOADS, ref(), patch, inStatus));
    expect(why).toContain("only the Onload operator writes the status");
  });

  test("a namespace is not made to vanish with all that is in it", async () => {
    const path = `/api/v1/namespaces/${namespace}/finalize`;
    const object = (await cluster.client.get(NAMESPACES, { name: namespace }))!;
    const body = { ...object, spec: { finalizers: [] } };
    const why = await refusal(cluster.client.transport.json({ method: "PUT", path, body, action: "finalize" }));
    expect(why).toContain("are being emptied");
  });

  test("a namespace with a resource is not deleted by mistake, and the refusal names the resource", async () => {
    const why = await refusal(cluster.client.delete(NAMESPACES, { name: namespace }));
    expect(why).toContain(`the Onload resource main is in namespace ${namespace}: delete that first`);
    const other = await cluster.createNamespace();
    await cluster.client.delete(NAMESPACES, { name: other });
  });

  test("nor while the nodes of a deleted one are still to be cleaned", async () => {
    const other = await cluster.createNamespace();
    const metadata = { namespace: other, name: "leaving", finalizers: ["example.com/hold"] };
    const spec = onloadSpec("no-such-pool", "v1");
    await made.deployer.create(ONLOADS, { apiVersion: "onload.amd.com/v1alpha1", kind: "Onload", metadata, spec });
    await made.deployer.delete(ONLOADS, metadata);
    await poll(async () => (await cluster.onload(other, "leaving"))?.metadata.finalizers?.length === 1, {
      what: "The operator being done with it",
      timeoutMs: PATIENCE_MS,
    });
    expect(await refusal(cluster.client.delete(NAMESPACES, { name: other }))).toContain(
      "wait until its nodes are clean",
    );
    await made.deployer.mergePatch(ONLOADS, metadata, { metadata: { finalizers: null } });
    await cluster.gone(other, "leaving");
    await cluster.client.delete(NAMESPACES, { name: other });
  });

  test("nobody but the operator makes what only the operator can delete", async () => {
    const labels = {
      "app.kubernetes.io/managed-by": "onload-operator",
      "app.kubernetes.io/part-of": "onload",
      app: "x",
    };
    const template = { metadata: { labels: { app: "x" } }, spec: { containers: [{ name: "a", image: "a" }] } };
    const create = (name: string, mine: object): Promise<unknown> =>
      made.tenant.create<DaemonSet>(DAEMON_SETS, {
        apiVersion: "apps/v1",
        kind: "DaemonSet",
        metadata: { namespace, name, labels: mine },
        spec: { selector: { matchLabels: { app: "x" } }, template },
      } as never);
    expect(await refusal(create("a", labels))).toContain("only the Onload operator makes objects");
    const pod = { apiVersion: "v1", kind: "Pod", metadata: { namespace, name: "a", labels }, spec: template.spec };
    expect(await refusal(made.tenant.create(PODS, pod as unknown as Pod))).toContain("only the Onload operator makes");
    await create("b", { app: "x" });
    const mine = { namespace, name: "b" };
    const why = await refusal(made.tenant.mergePatch(DAEMON_SETS, mine, { metadata: { labels } }));
    expect(why).toContain("the operator makes b from the Onload resource");
    await made.tenant.delete(DAEMON_SETS, mine);
  });

  test("a policy that only warns is told, and one that denies again", async () => {
    const binding = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings/onload-operator-drivers";
    const set = (validationActions: string[]): Promise<unknown> =>
      cluster.plane.request("PATCH", binding, { contentType: "merge", body: { spec: { validationActions } } });
    await set(["Warn"]);
    const why = await cluster.condition(namespace, "Protected", "False");
    expect(why).toContain("onload-operator-drivers: does not deny");
    await set(["Deny"]);
    await cluster.condition(namespace, "Protected", "True");
    // The API server takes a moment to enforce a binding that was changed, and whatever happens until then is allowed.
    const [loader] = await loaderDaemonSets();
    const path = `${collectionPath(DAEMON_SETS, namespace)}/${loader!.metadata.name}?dryRun=All`;
    await poll(async () => (await refusal(collect(cluster.client, path))).includes("under running pods"), {
      what: "The policy to be enforced again",
      timeoutMs: PATIENCE_MS,
    });
  });

  test("a policy that takes somebody else for the operator is told, and one that is gone", async () => {
    const policies = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies";
    const deploy = `${policies}/onload-operator-deploy`;
    const { spec } = await cluster.plane.request("GET", deploy);
    const set = (variables: unknown): Promise<unknown> =>
      cluster.plane.request("PATCH", deploy, { contentType: "merge", body: { spec: { variables } } });
    const wider = spec.variables.map((each: { name: string; expression: string }) =>
      each.name === "isOperator"
        ? { ...each, expression: `(${each.expression}) || request.userInfo.username == "nobody"` }
        : each,
    );
    await set(wider);
    const why = await cluster.condition(namespace, "Protected", "Unknown", "PoliciesDiffer");
    expect(why).toContain("onload-operator-deploy: admits a further user");
    await set(spec.variables);
    await cluster.condition(namespace, "Protected", "True");
    const gone = `${policies}/onload-operator-crd-deletion`;
    const whole = await cluster.plane.request("GET", gone);
    await cluster.plane.request("DELETE", gone);
    expect(await cluster.condition(namespace, "Protected", "False")).toContain("crd-deletion: not installed");
    const { name, labels } = whole.metadata;
    await cluster.plane.request("POST", policies, { body: { ...whole, metadata: { name, labels } } });
    await cluster.condition(namespace, "Protected", "True");
  });

  test("an annotation that opens the way for a deletion is told until it is gone", async () => {
    const [set] = (await cluster.client.list<DaemonSet>(DAEMON_SETS, { namespace })).items.filter(({ metadata }) =>
      metadata.name.endsWith("-onload-device-plugin-ds"),
    );
    const [node] = made.nodes;
    for (const [kind, name, ...where] of [
      ["Namespace", namespace],
      ["DaemonSet", set!.metadata.name, "-n", namespace],
      ["Node", node!],
    ] as const) {
      await cluster.plane.kubectl(["annotate", kind, name, ...where, "onload.amd.com/allow-deletion=true"]);
      expect(await cluster.condition(namespace, "Protected", "False", "DeletionAllowed")).toContain(
        `for ${kind} "${name}": who deletes these may take drivers away`,
      );
      await cluster.plane.kubectl(["annotate", kind, name, ...where, "onload.amd.com/allow-deletion-"]);
      await cluster.condition(namespace, "Protected", "True");
    }
  });

  test("pods of other Modules are no matter of these policies", async () => {
    const labels = { [KMM_MODULE_NAME_LABEL]: "gpu", "kmm.node.kubernetes.io/role": "module-loader" };
    const object = {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { namespace, name: "gpu-module-0123456789abcdef-fghij", labels },
      spec: { containers: [{ name: "a", image: "a" }] },
    };
    await cluster.client.create(PODS, object as unknown as Pod);
    await made.tenant.evict({ namespace, name: object.metadata.name }, {});
  });

  test("not even who may deploy can take the finalizer away, unless it is said to be meant", async () => {
    const why = await refusal(made.edit(made.deployer, { metadata: { finalizers: null } }));
    expect(why).toContain("the operator takes the finalizer onload.amd.com/node-cleanup away when the nodes are clean");
    // kubectl replace writes what is in a file, and no more.
    const { apiVersion, kind, metadata, spec } = (await cluster.onload(namespace))!;
    const file = { apiVersion, kind, metadata: { namespace, name: metadata.name }, spec };
    const { resourceVersion } = metadata;
    const replaced = made.deployer.replace(ONLOADS, {
      ...file,
      metadata: { ...file.metadata, resourceVersion },
    } as never);
    expect(await refusal(replaced)).toContain("To change the resource, use `kubectl apply`: `kubectl replace`");
  });

  test("a node's other labels are no matter of these policies", async () => {
    const name = made.nodes[0]!;
    const label = (labels: Record<string, string | null>): Promise<unknown> =>
      cluster.client.mergePatch<Node>(NODES, { name }, { metadata: { labels } } as never);
    const module = ".ns.gpu-module";
    const ofModule = async (): Promise<string[]> =>
      Object.keys((await cluster.node(name)).metadata.labels ?? {}).filter((key) => key.endsWith(module));
    const [rack, version] = ["example.com/rack", `kmm.node.kubernetes.io/version-module${module}`];
    await label({ [rack]: "7", [version]: "7" });
    // KMM puts labels of its own beside it, and may overlook that it is gone: whoever takes all of them away may do that, too.
    await poll(async () => (await ofModule()).length > 1, { what: "KMM's labels", timeoutMs: PATIENCE_MS });
    await label({ [rack]: null, [version]: null });
    await poll(
      async () => {
        const left = await ofModule();
        if (left.length > 0) await label(Object.fromEntries(left.map((key) => [key, null])));
        return left.length === 0;
      },
      { what: "The end of KMM's labels", timeoutMs: PATIENCE_MS },
    );
  });

  test("a taint on every node does not make KMM unload their drivers", async () => {
    const taint = (taints: object[] | null): Promise<unknown> =>
      Promise.all(
        made.nodes.map((name) => cluster.client.mergePatch<Node>(NODES, { name }, { spec: { taints } } as never)),
      );
    await taint([{ key: "dedicated", value: "trading", effect: "NoSchedule" }]);
    let serial = 0;
    await poll(
      async () => {
        // KMM looks at the Module again.
        const metadata = { labels: { touched: String(serial++) } };
        await cluster.client.mergePatch(MODULES, { namespace, name: onloadModuleName("main") }, { metadata });
        return readFileSync(cluster.plane.state.path("kmm-manager.log"), "utf8").includes(
          "could not garbage collect DaemonSets",
        );
      },
      { what: "KMM being refused the deletion of its DaemonSet", timeoutMs: PATIENCE_MS, intervalMs: 500 },
    );
    expect(await loaders()).toHaveLength(3);
    await taint(null);
  });

  test("nothing has been unloaded by all this", async () => {
    expect(cluster.kubelet.violations).toEqual([]);
    expect(await loaders()).toHaveLength(3);
    expect(await traders()).toHaveLength(3);
  });
});

test("an upgrade goes through under all policies, pods deleted by force included", async () => {
  const consent = { metadata: { annotations: { [FORCE_ANNOTATION]: "true" } } };
  await cluster.client.mergePatch(NAMESPACES, { name: "default" }, consent);
  await made.edit(made.deployer, { spec: { onload: imagesOf("v2") } });
  await cluster.ready(namespace);
  for (const node of made.nodes) expect(await cluster.versionOn(node, namespace)).toBe("v2");
  expect(await traders()).toEqual([]);
  expect(cluster.kubelet.violations).toEqual([]);
  // KMM may change its own objects: it takes the former version's DaemonSet away.
  await poll(async () => (await loaderDaemonSets()).length === 1, {
    what: "The end of the former version's DaemonSet",
    timeoutMs: PATIENCE_MS,
  });
});

test("KMM may change its objects even where it is an administrator of the cluster, and no other such account may", async () => {
  const { name, namespace: home } = { name: "kmm-operator-controller-manager", namespace: "kmm-operator-system" };
  const other = { name: "deployer", namespace: home };
  await cluster.plane.request("POST", `/api/v1/namespaces/${home}/serviceaccounts`, { body: { metadata: other } });
  for (const each of [name, other.name]) {
    await cluster.plane.bind({
      role: "cluster-admin",
      subject: { kind: "ServiceAccount", name: each, namespace: home },
    });
  }
  const [daemonSet] = await loaderDaemonSets();
  const { name: loads } = daemonSet!.metadata;
  const as = async (account: string): Promise<Client> =>
    made.clientOf(await cluster.plane.serviceAccountKubeconfig(home, account));
  const change = { spec: { template: { spec: { nodeSelector: { no: "node" } } } } } as never;
  const edit = async (account: string): Promise<unknown> =>
    (await as(account)).mergePatch<DaemonSet>(DAEMON_SETS, { namespace, name: loads }, change, { dryRun: true });
  expect(await refusal(edit(name))).toBe("");
  expect(await refusal(edit(other.name))).toContain("under running pods");
  // As long as it has pods, not even KMM deletes it.
  const path = `${collectionPath(DAEMON_SETS, namespace)}/${loads}?dryRun=All`;
  expect(await refusal(collect(await as(name), path))).toContain("under running pods");
});

test("a namespace that is deleted on purpose ends, and its nodes are emptied before their drivers go", async () => {
  await createTraders();
  await made.edit(made.deployer, { spec: { upgrade: { drain: { force: false } } } });
  expect(await refusal(cluster.client.delete(NAMESPACES, { name: namespace }))).toContain("delete that first");
  await cluster.client.mergePatch(NAMESPACES, { name: namespace }, ALLOW);
  await cluster.client.delete(NAMESPACES, { name: namespace });
  // Bare pods are not evicted without force: all stays as it is, and the status says why.
  const why = await cluster.condition(namespace, "Degraded", "True");
  expect(why).toContain("no controller would recreate it");
  expect(await loaders()).toHaveLength(3);
  // The namespace says what it waits for, too.
  await poll(
    async () => {
      const { status } = (await cluster.client.get(NAMESPACES, { name: namespace })) as unknown as NamespaceStatus;
      const failure = status.conditions?.find(({ type }) => type === "NamespaceDeletionContentFailure");
      if (failure?.message.includes("delete the Onload resource instead")) return true;
      throw new Error(JSON.stringify(status));
    },
    { what: "The namespace's condition", timeoutMs: PATIENCE_MS },
  );
  await made.edit(made.deployer, { spec: { upgrade: { drain: { force: true } } } });
  await poll(async () => (await cluster.client.get(NAMESPACES, { name: namespace })) === undefined, {
    what: "The end of the namespace",
    timeoutMs: PATIENCE_MS,
  });
  expect(cluster.kubelet.violations).toEqual([]);
  for (const node of made.nodes) expect(await cluster.traces(node)).toEqual([]);
});
