/** A cluster that runs the original operator moves over: its resource, objects, labels and pods as that one leaves them. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { startControlPlane, startKmm, startKwok, type ControlPlane } from "../testcluster/index.ts";
import { builtExecutable } from "../testcluster/lib/built.ts";
import { checkout } from "../testcluster/lib/paths.ts";
import { poll } from "../testcluster/lib/poll.ts";
import type { Pod } from "../api/core.ts";
import {
  devicePluginName,
  devicePluginSelector,
  objectLabels,
  onloadModuleLabel,
  onloadModuleName,
  pluginLabel,
  sfcModuleLabel,
  sfcModuleName,
} from "../api/names.ts";
import { installAll } from "./testing/install.ts";

setDefaultTimeout(240_000);

const NAMESPACE = "onload-runtime";
const key = { namespace: NAMESPACE, name: "onload" };
const selector = { onload: "yes" };

let plane: ControlPlane;
let nodes: string[];

beforeAll(async () => {
  plane = await startControlPlane();
  await startKmm(plane);
  const kwok = await startKwok(plane);
  // The original's CRD has the same name.
  await plane.apply(await readFile(join(checkout, "internal/manifests/crd/onload.amd.com_onloads.yaml"), "utf8"));
  for (const [path, metadata] of [
    ["/api/v1/namespaces", { name: NAMESPACE }],
    [`/api/v1/namespaces/${NAMESPACE}/serviceaccounts`, { name: "sa" }],
  ] as const) {
    await plane.request("POST", path, { body: { metadata } });
  }
  const labels = {
    ...selector,
    [onloadModuleLabel(key)]: "8.1",
    [sfcModuleLabel(key)]: "8.1",
    [pluginLabel(key)]: "8.1",
  };
  nodes = await kwok.createNodes(2, { labels, allocatable: { "amd.com/onload": "100" } });
  await kwok.createPods(2, { namespace: NAMESPACE, prefix: "app", nodes, limits: { "amd.com/onload": "1" } });
});

afterAll(async () => {
  await plane?.[Symbol.asyncDispose]();
});

/** The objects of the original operator, made by its own requests. */
async function createOriginals(uid: string): Promise<void> {
  const owner = { apiVersion: "onload.amd.com/v1alpha1", kind: "Onload", name: "onload", uid };
  const ownerReferences = [{ ...owner, controller: true, blockOwnerDeletion: true }];
  const container = (module: string): object => ({
    modprobe: { moduleName: module, parameters: ["--first-time"] },
    kernelMappings: [{ regexp: ".*", containerImage: "r/module:8.1" }],
    imagePullPolicy: "Always",
    version: "8.1",
    ...(module === "sfc" ? { inTreeModuleToRemove: "sfc" } : {}),
  });
  for (const [name, module] of [
    [onloadModuleName("onload"), "onload"],
    [sfcModuleName("onload"), "sfc"],
  ] as const) {
    await plane.request(
      "POST",
      `/apis/kmm.sigs.x-k8s.io/v1beta1/namespaces/${NAMESPACE}/modules?fieldManager=manager`,
      {
        body: {
          apiVersion: "kmm.sigs.x-k8s.io/v1beta1",
          kind: "Module",
          metadata: { name, labels: objectLabels(key, "module"), ownerReferences },
          spec: { selector, moduleLoader: { serviceAccountName: "sa", container: container(module) } },
        },
      },
    );
  }
  await plane.request("POST", `/apis/apps/v1/namespaces/${NAMESPACE}/daemonsets?fieldManager=manager`, {
    body: {
      metadata: {
        name: devicePluginName("onload"),
        labels: { ...objectLabels(key, "device-plugin"), "onload.amd.com/version": "8.1" },
        ownerReferences,
      },
      spec: {
        updateStrategy: { type: "OnDelete" },
        selector: { matchLabels: devicePluginSelector(key) },
        template: {
          metadata: { labels: devicePluginSelector(key) },
          spec: {
            nodeSelector: selector,
            hostIPC: true,
            volumes: [{ name: "run", hostPath: { path: "/var/run" } }],
            affinity: {
              nodeAffinity: {
                requiredDuringSchedulingIgnoredDuringExecution: {
                  nodeSelectorTerms: [{ matchExpressions: [{ key: pluginLabel(key), operator: "Exists" }] }],
                },
              },
            },
            containers: [
              {
                name: "device-plugin",
                image: "r/plugin:8.1",
                lifecycle: { preStop: { exec: { command: ["/bin/sh", "-c", "rm -r /opt/onload"] } } },
              },
            ],
          },
        },
      },
    },
  });
}

async function pods(label?: string): Promise<Pod[]> {
  const query = label === undefined ? "" : `?labelSelector=${encodeURIComponent(label)}`;
  return (await plane.request<{ items: Pod[] }>("GET", `/api/v1/namespaces/${NAMESPACE}/pods${query}`)).items;
}
const uids = (list: Pod[]): string[] => list.map(({ metadata }) => metadata.uid!).sort();
const isRunning = ({ status }: Pod): boolean => status?.phase === "Running";
const LOADERS = "kmm.node.kubernetes.io/module.name";
const onloads = `/apis/onload.amd.com/v1alpha1/namespaces/${NAMESPACE}/onloads`;
const images = (version: string): object => ({
  version,
  userImage: `r/user:${version}`,
  imagePullPolicy: "Always",
  kernelMappings: [{ regexp: ".*", kernelModuleImage: `r/module:${version}`, sfc: {} }],
});
const editImages = (version: string): Promise<unknown> =>
  plane.request("PATCH", `${onloads}/onload`, { body: { spec: { onload: images(version) } }, contentType: "merge" });
const PLUGINS = "app.kubernetes.io/component=device-plugin";

test("no driver is reloaded and no application evicted; the device plugin becomes ours", async () => {
  const { metadata } = await plane.request("POST", onloads, {
    body: {
      apiVersion: "onload.amd.com/v1alpha1",
      kind: "Onload",
      metadata: { name: "onload" },
      spec: {
        selector,
        serviceAccountName: "sa",
        onload: images("8.1"),
        devicePlugin: { devicePluginImage: "r/onloadctl:1", libMounthPath: "/usr/lib64" },
      },
    },
  });
  await createOriginals(metadata.uid);
  // Two nodes with two loaders, a plugin and an application each.
  await poll(async () => (await pods()).filter(isRunning).length === 8, {
    what: "the original's pods running",
    timeoutMs: 120_000,
  });
  const loaders = uids(await pods(LOADERS));
  const apps = uids((await pods()).filter((pod) => pod.metadata.name.startsWith("app-")));
  const plugins = uids(await pods(PLUGINS));
  expect([loaders.length, apps.length, plugins.length]).toEqual([4, 2, 2]);

  const operator = await installAll(plane);
  plane.state.start(
    "operator",
    [
      await builtExecutable(),
      "operator",
      `--kubeconfig=${operator.kubeconfigPath}`,
      "--metrics-bind-address=0",
      "--health-probe-bind-address=0",
    ],
    { cwd: checkout },
  );

  await poll(
    async () => {
      const { status } = await plane.request("GET", `${onloads}/onload`);
      const now = await pods(PLUGINS);
      const isReady = status?.conditions?.some((each: any) => each.type === "Ready" && each.status === "True");
      return isReady && now.length === 2 && now.every((pod) => isRunning(pod) && !plugins.includes(pod.metadata.uid!));
    },
    { what: "every node running our device plugin", timeoutMs: 120_000 },
  );
  expect(uids(await pods(LOADERS))).toEqual(loaders);
  expect(uids((await pods()).filter((pod) => pod.metadata.name.startsWith("app-")))).toEqual(apps);
  expect(JSON.stringify(await pods(PLUGINS))).not.toContain("rm -r");
  // A deletion of the resource in the foreground would take them first.
  const modules = await plane.request("GET", `/apis/kmm.sigs.x-k8s.io/v1beta1/namespaces/${NAMESPACE}/modules`);
  const daemonSet = await plane.request(
    "GET",
    `/apis/apps/v1/namespaces/${NAMESPACE}/daemonsets/${devicePluginName("onload")}`,
  );
  expect([...modules.items, daemonSet].map(({ metadata }) => metadata.ownerReferences)).toEqual([
    undefined,
    undefined,
    undefined,
  ]);
  // The last plugin's pod may have come a moment before status says so.
  await poll(
    async () => {
      const { status } = await plane.request("GET", `${onloads}/onload`);
      const conditions = Object.fromEntries(status.conditions.map((each: any) => [each.type, each.reason]));
      expect(conditions).toEqual({
        Ready: "AllNodesReady",
        Progressing: "AsExpected",
        Degraded: "AsExpected",
        Protected: "PoliciesInstalled",
      });
      return true;
    },
    { what: "Nothing left to do", timeoutMs: 60_000 },
  );
});

test("going back to the original's version in the middle of an upgrade reloads nothing where it still runs", async () => {
  const [first, second] = nodes as [string, string];
  const on = async (node: string, label?: string): Promise<Pod[]> =>
    (await pods(label)).filter(({ spec }) => spec?.nodeName === node);
  const apps = async (node: string): Promise<Pod[]> =>
    (await on(node)).filter(({ metadata }) => metadata.name.startsWith("app-"));
  const [loaders, kept] = [uids(await on(second, LOADERS)), uids(await apps(second))];
  const versionOf = async (node: string): Promise<string | undefined> =>
    (await plane.request(`GET`, `/api/v1/nodes/${node}`)).metadata.labels[pluginLabel(key)];

  await editImages("8.2");
  // Pods without a controller are not evicted: the upgrade waits on each node until a person ends them.
  await poll(async () => (await versionOf(first)) === undefined, { what: "The first node's drain", timeoutMs: 60_000 });
  for (const { metadata } of await apps(first)) {
    await plane.request("DELETE", `/api/v1/namespaces/${NAMESPACE}/pods/${metadata.name}`);
  }
  await poll(async () => (await versionOf(first)) === "8.2" && (await versionOf(second)) === undefined, {
    what: "The first node's upgrade and the second one's drain",
    timeoutMs: 120_000,
  });
  await editImages("8.1");
  await poll(
    async () => {
      const { status, metadata } = await plane.request("GET", `${onloads}/onload`);
      const isReady = status.conditions.some((each: any) => each.type === "Ready" && each.status === "True");
      return isReady && status.observedGeneration === metadata.generation && (await versionOf(first)) === "8.1";
    },
    { what: "Both nodes at the version they came with", timeoutMs: 120_000 },
  );
  expect(uids(await on(second, LOADERS))).toEqual(loaders);
  expect(uids(await apps(second))).toEqual(kept);
});
