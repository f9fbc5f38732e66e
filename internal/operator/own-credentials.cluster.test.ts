/** What somebody who has the operator's own credentials cannot do, on a real API server. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { poll } from "../testcluster/lib/poll.ts";
import type { DaemonSet, Node, Pod } from "../api/core.ts";
import { devicePluginName, onloadModuleName } from "../api/names.ts";
import { MODULES, ONLOADS } from "../api/resources.ts";
import { DAEMON_SETS, NODES, PODS } from "../kube/resource.ts";
import { PATIENCE_MS, type OperatorCluster } from "./testing/operator-cluster.ts";
import { ProtectedCluster, refusal } from "./testing/protected-cluster.ts";

setDefaultTimeout(600_000);

let made: ProtectedCluster;
let cluster: OperatorCluster;
let namespace: string;
beforeAll(async () => {
  made = await ProtectedCluster.start(1);
  ({ cluster, namespace } = made);
  await made.create(made.deployer, "main");
  await cluster.ready(namespace);
});
afterAll(() => made?.[Symbol.asyncDispose]());

describe("the operator's own credentials cannot", () => {
  const daemonSetWith = (change: (pod: any) => void, metadata: object = {}): (() => Promise<unknown>) => {
    return async () => {
      const own = await cluster.client.get<DaemonSet>(DAEMON_SETS, { namespace, name: devicePluginName("main") });
      const { spec } = structuredClone(own!) as { spec: any };
      change(spec.template.spec);
      const name = devicePluginName("other");
      const object = { apiVersion: "apps/v1", kind: "DaemonSet", metadata: { namespace, name, ...metadata }, spec };
      return made.thief.create<DaemonSet>(DAEMON_SETS, object as never, { dryRun: true });
    };
  };
  const hostPath =
    (path: string, name = "host-onload") =>
    (pod: any): void => {
      pod.volumes = [...pod.volumes.filter((volume: any) => volume.name !== name), { name, hostPath: { path } }];
    };
  const patchNode = (change: object) => () =>
    made.thief.mergePatch<Node>(NODES, { name: made.nodes[0]! }, change as never);
  const attacks: Record<string, [() => Promise<unknown>, string]> = {
    "taint a node": [
      patchNode({ spec: { taints: [{ key: "evil", effect: "NoSchedule" }] } }),
      "only labels and annotations of a node",
    ],
    "cordon a node": [patchNode({ spec: { unschedulable: true } }), "only labels and annotations of a node"],
    "make a node a control plane": [
      patchNode({ metadata: { labels: { "node-role.kubernetes.io/control-plane": "" } } }),
      "only its own labels",
    ],
    "remove somebody else's label": [patchNode({ metadata: { labels: { pool: null } } }), "only its own labels"],
    "unload somebody else's module": [
      patchNode({ metadata: { labels: { "kmm.node.kubernetes.io/version-module.ns.gpu": "1" } } }),
      "only its own labels",
    ],
    "change somebody else's annotation": [
      patchNode({ metadata: { annotations: { "example.com/a": "b" } } }),
      "only its own annotations",
    ],
    "make a DaemonSet in kube-system": [
      daemonSetWith(() => undefined, { namespace: "kube-system" }),
      "nothing in a namespace kube-*",
    ],
    "make a DaemonSet of another name": [daemonSetWith(() => undefined, { name: "evil" }), "-onload-device-plugin-ds"],
    "mount the node's root": [daemonSetWith(hostPath("/")), "may mount only"],
    "mount the node's root by another name": [daemonSetWith(hostPath("/./")), "may mount only"],
    "mount /etc": [daemonSetWith(hostPath("/etc/cron.d")), "may mount only"],
    "mount the kubelet's folder": [daemonSetWith(hostPath("//var/lib/kubelet/pki")), "may mount only"],
    "mount the kubelet's keys in place of its plugins": [
      daemonSetWith(hostPath("/var/lib/kubelet", "kubelet")),
      "may mount only",
    ],
    "mount what is not where it says": [daemonSetWith(hostPath("/etc/./device-plugins", "kubelet")), "may mount only"],
    "mount the kubelet's keys in place of what it says of pods": [
      daemonSetWith(hostPath("/var/lib/kubelet/pki", "pod-resources")),
      "may mount only",
    ],
    "mount the kubelet's folder by way of what it says of pods": [
      daemonSetWith(hostPath("/var/lib/kubelet/pod-resources/..", "pod-resources")),
      "must not contain '..'",
    ],
    "mount a further folder": [daemonSetWith(hostPath("/opt/onload", "more")), "may mount only"],
    "mount a Secret": [
      daemonSetWith((pod) => pod.volumes.push({ name: "s", secret: { secretName: "s" } })),
      "may mount only",
    ],
    "read a Secret as a variable": [
      daemonSetWith((pod) => {
        pod.containers[0].env = [{ name: "S", valueFrom: { secretKeyRef: { name: "s", key: "k" } } }];
      }),
      "no Secret",
    ],
    "have a token in its pods": [
      daemonSetWith((pod) => {
        pod.automountServiceAccountToken = true;
      }),
      "get no token",
    ],
    "have KMM load another module": [
      () =>
        made.thief.mergePatch(MODULES, { namespace, name: onloadModuleName("main") }, {
          spec: { moduleLoader: { container: { modprobe: { moduleName: "rootkit" } } } },
        } as never),
      "only the modules onload and sfc",
    ],
    "have KMM run a device plugin of its choice": [
      () =>
        made.thief.mergePatch(MODULES, { namespace, name: onloadModuleName("main") }, {
          spec: { devicePlugin: { container: { image: "evil:1" } } },
        } as never),
      "no device plugin",
    ],
    "delete an Onload resource whose namespace stays": [
      () => made.thief.delete(ONLOADS, { namespace, name: "main" }),
      "may not create, change or delete",
    ],
    "let go of one that is not being deleted": [
      () => made.edit(made.thief, { metadata: { finalizers: null } }),
      "when the nodes are clean",
    ],
    "delete a pod that has nothing to do with it": [
      async () => {
        const metadata = { namespace: "default", name: "bystander" };
        await cluster.client.create(PODS, {
          apiVersion: "v1",
          kind: "Pod",
          metadata,
          spec: { containers: [{ name: "a", image: "a" }] },
        } as unknown as Pod);
        return made.thief.delete(PODS, metadata);
      },
      "only its own pods",
    ],
    "deploy Onload": [
      () => made.edit(made.thief, { spec: { selector: { pool: "x" } } }),
      "may not create, change or delete",
    ],
  };
  for (const [name, [attack, why]] of Object.entries(attacks)) {
    test(name, async () => {
      expect(await refusal(attack())).toContain(why);
    });
  }

  test("but the folder of Onload's files may be any that is no part of the system", async () => {
    for (const path of ["/opt/onload", "/var/lib/onload", "/usr/local/onload", "/data"]) {
      expect(await refusal(daemonSetWith(hostPath(path))())).toBe("");
    }
  });

  test("and the kubelet's folder of plugins may be anywhere", async () => {
    for (const path of ["/var/lib/kubelet/device-plugins", "/opt/rke/var/lib/kubelet/device-plugins"]) {
      expect(await refusal(daemonSetWith(hostPath(path, "kubelet"))())).toBe("");
      const beside = path.replace("device-plugins", "pod-resources");
      expect(await refusal(daemonSetWith(hostPath(beside, "pod-resources"))())).toBe("");
    }
  });
});

test("but they remove what the original operator has left in a namespace kube-*", async () => {
  const metadata = { namespace: "kube-system", name: onloadModuleName("old") };
  const module = (await cluster.client.get(MODULES, { namespace, name: onloadModuleName("main") }))!;
  await cluster.client.create(MODULES, { ...module, metadata });
  expect(await refusal(made.thief.mergePatch(MODULES, metadata, { metadata: { labels: { a: "b" } } }))).toContain(
    "nothing in a namespace kube-*",
  );
  await made.thief.delete(MODULES, metadata);
});

test("but they do install and remove Onload, for who may deploy it", async () => {
  await made.deployer.delete(ONLOADS, { namespace, name: "main" });
  await cluster.gone(namespace);
  expect((await cluster.client.list(MODULES, { namespace })).items).toEqual([]);
  // Those of KMM are collected a moment after their Modules.
  await poll(async () => (await cluster.client.list(DAEMON_SETS, { namespace })).items.length === 0, {
    what: "The end of the DaemonSets",
    timeoutMs: PATIENCE_MS,
  });
  expect(await cluster.traces(made.nodes[0]!)).toEqual([]);
});
