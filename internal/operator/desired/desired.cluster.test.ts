import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { sharedControlPlane, type Cluster } from "../../testcluster/index.ts";
import { poll } from "../../testcluster/lib/poll.ts";
import type { KubeObject, Pod } from "../../api/core.ts";
import { PLUGIN_NAME_LABEL, VERSION_LABEL, devicePluginName, pluginLabel } from "../../api/names.ts";
import { withDefaults, type Onload, type OnloadSpecInput } from "../../api/onload.ts";
import { desiredDaemonSet } from "./daemonset.ts";
import { KMM_1 } from "../testing/kmm.ts";
import { desiredModules } from "./modules.ts";

// Starting a control plane takes a while on a busy machine.
setDefaultTimeout(180_000);

let cluster: Cluster;
let namespace: string;
const node = `desired-${crypto.randomUUID().slice(0, 8)}`;

beforeAll(async () => {
  cluster = await sharedControlPlane();
  namespace = await cluster.createNamespace("d");
  await cluster.request("POST", `/api/v1/namespaces/${namespace}/serviceaccounts`, {
    body: { metadata: { name: "onload-operator-sa" } },
  });
}, 180_000);

afterAll(async () => {
  await cluster.request("DELETE", `/api/v1/nodes/${node}`).catch(() => undefined);
  await cluster.request("DELETE", `/api/v1/namespaces/${namespace}`).catch(() => undefined);
});

/** A resource with every setting that reaches a Module or the DaemonSet. */
function onload(version: string): Onload {
  const spec: OnloadSpecInput = {
    selector: { a: "b" },
    serviceAccountName: "onload-operator-sa",
    onload: {
      kernelMappings: [
        {
          regexp: ".*",
          kernelModuleImage: "registry/onload-module:1",
          sfc: {},
          build: { dockerfileConfigMap: { name: "dockerfile" }, buildArgs: [{ name: "A", value: "" }] },
        },
      ],
      userImage: "registry/onload-user:1",
      version,
      imagePullPolicy: "Always",
    },
    devicePlugin: { imagePullPolicy: "IfNotPresent", resources: { limits: { memory: "1Gi" } } },
    imagePullSecrets: [{ name: "a" }, { name: "b" }],
    tolerations: [{ key: "trading", operator: "Equal", value: "yes", effect: "NoSchedule" }],
  };
  const metadata = { namespace, name: "onload", uid: crypto.randomUUID() };
  const raw: KubeObject = { apiVersion: "onload.amd.com/v1alpha1", kind: "Onload", metadata };
  return withDefaults({ ...raw, spec });
}

/** Applies an object as the operator does, except that a field which the API server would drop is an error. */
async function apply(path: string, object: KubeObject): Promise<KubeObject> {
  return await cluster.request(
    "PATCH",
    `${path}/${object.metadata.name}?fieldManager=onloadctl&force=true&fieldValidation=Strict`,
    { contentType: "apply", body: object },
  );
}

test("KMM 1.1's API keeps every field of the Modules", async () => {
  const { onload: first, sfc } = desiredModules(onload("1"), KMM_1);
  for (const module of [first, sfc!]) {
    const stored = await apply(`/apis/kmm.sigs.x-k8s.io/v1beta1/namespaces/${namespace}/modules`, module);
    expect((stored as typeof module).spec as object).toMatchObject(module.spec);
  }
});

describe("the DaemonSet", () => {
  const daemonSets = (): string => `/apis/apps/v1/namespaces/${namespace}/daemonsets`;
  const pods = async (): Promise<Pod[]> => {
    const selector = encodeURIComponent(`${PLUGIN_NAME_LABEL}=${devicePluginName("onload")}`);
    const list = await cluster.request<{ items: Pod[] }>(
      "GET",
      `/api/v1/namespaces/${namespace}/pods?labelSelector=${selector}`,
    );
    return list.items.filter(({ metadata }) => metadata.deletionTimestamp === undefined);
  };
  const label = async (value: string | null): Promise<void> => {
    await cluster.request("PATCH", `/api/v1/nodes/${node}`, {
      contentType: "merge",
      body: { metadata: { labels: { [pluginLabel({ namespace, name: "onload" })]: value } } },
    });
  };
  const observed = async (generation: number): Promise<boolean> => {
    const daemonSet = await cluster.request("GET", `${daemonSets()}/${devicePluginName("onload")}`);
    return daemonSet.status?.observedGeneration === generation;
  };

  test("is kept whole, runs where the label is, and changes no pod when the version changes", async () => {
    await cluster.request("POST", "/api/v1/nodes", { body: { metadata: { name: node } } });
    // Room for pods: the DaemonSet controller takes away only pods that have been scheduled.
    await cluster.request("PATCH", `/api/v1/nodes/${node}/status`, {
      contentType: "merge",
      body: { status: { allocatable: { pods: "10", cpu: "4", memory: "4Gi" } } },
    });
    const first = desiredDaemonSet(onload("1"), "registry/onloadctl:1");
    const stored = await apply(daemonSets(), first);
    expect((stored as typeof first).spec as object).toMatchObject(first.spec);
    await poll(() => observed(1), { what: "the DaemonSet being seen" });
    expect(await pods()).toEqual([]);

    await label("1");
    await poll(async () => (await pods())[0]?.spec?.nodeName === node, { what: "a pod on the labelled node" });
    const [pod] = await pods();
    expect(pod!.metadata.labels![VERSION_LABEL]).toBe("1");

    await apply(daemonSets(), desiredDaemonSet(onload("2"), "registry/onloadctl:2"));
    await poll(() => observed(2), { what: "the new template being seen" });
    expect((await pods()).map(({ metadata }) => metadata.uid)).toEqual([pod!.metadata.uid]);

    await label(null);
    await poll(async () => (await pods()).length === 0, { what: "the pod going when the label goes" });
    // No kubelet is here to end the pod.
    await cluster.request("DELETE", `/api/v1/namespaces/${namespace}/pods/${pod!.metadata.name}?gracePeriodSeconds=0`);
    await label("2");
    await poll(async () => (await pods())[0]?.metadata.labels?.[VERSION_LABEL] === "2", {
      what: "a pod of the new version",
    });
  }, 120_000);

  test("applied again unchanged, it is the same: nothing in it fights with the API server's defaults", async () => {
    const body = desiredDaemonSet(onload("3"), "registry/onloadctl:3");
    const once = await apply(daemonSets(), body);
    const twice = await apply(daemonSets(), body);
    expect(twice.metadata.generation).toBe(once.metadata.generation!);
  });
});
