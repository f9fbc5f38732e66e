import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { sharedControlPlane, type Cluster } from "../../testcluster/index.ts";
import { poll } from "../../testcluster/lib/poll.ts";
import type { KubeObject, Pod } from "../../api/core.ts";
import { PLUGIN_NAME_LABEL, VERSION_LABEL, devicePluginName, pluginLabel } from "../../api/names.ts";
import { onloadCrd } from "../../api/crd.ts";
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

/** Values that a field may be given by mistake, or by somebody who looks for a way in. */
const ODD: readonly unknown[] = [
  "",
  " ",
  "a",
  "A",
  "a b",
  "a/b",
  "a:b",
  "a..b",
  "-a",
  "a-",
  "0",
  "-1",
  "1e3",
  "5%",
  "é",
  "a\n",
  "a\u0000b",
  "$(HOME)",

  "/",
  "/a",
  "/a/../b",
  "a".repeat(64),
  "a".repeat(300),
  "Exists",
  "Equal",
  "NoExecute",
  "1Gi",
  "-1Gi",
  "10.0.0.1:80",

  "registry.example.com/UPPER CASE",
  "Registry/a:b",
  "a/B",
  "a@sha256:1",
  "300.1.1.1:80",
  "[::1]:80",
  "[:::]:80",
  -1,
  0,
  1,
  2000,
  2147483647,
  2147483648,
  4294967296,
  true,
  false,
];

/** Rules can compare quantities only since Kubernetes 1.29. The status quotes this refusal. */
const BEYOND_RULES = /resources\.requests: Invalid value: .* must be less than or equal to \w+ limit/;

/** A resource's form, from the CRD itself: the API server of a test tells nothing that the cluster does not have. */
interface Form {
  type?: string;
  properties?: Record<string, Form>;
  additionalProperties?: Form;
  items?: Form;
}

/** Every field that has no fields of its own, as a path of names; lists have one item. */
function fields(form: Form, path: readonly string[] = []): string[][] {
  if (form.items) return fields(form.items, [...path, "0"]);
  if (form.additionalProperties) return [[...path, "memory"]];
  const inner = Object.entries(form.properties ?? {});
  return inner.length === 0 ? [[...path]] : inner.flatMap(([name, each]) => fields(each, [...path, name]));
}

/** A copy of a value with one field set; what is not there on the way is made. */
function withField(value: any, [name, ...rest]: readonly string[], field: unknown): any {
  if (name === undefined) return field;
  const copy = Array.isArray(value) ? [...value] : /^\d+$/.test(name) ? [] : { ...value };
  copy[name] = withField(copy[name], rest, field);
  return copy;
}

test("whatever the API server admits in a resource, it also admits in the objects that follow from it", async () => {
  const crd = onloadCrd();
  await cluster.apply(JSON.stringify(crd));
  const form = crd.spec.versions[0]!.schema!.openAPIV3Schema!.properties!["spec"] as Form;
  const { spec } = onload("1");
  const trials = fields(form).flatMap((path) => [
    ...ODD.map((value) => ({ path, spec: withField(spec, path, value) })),
    ...(path.at(-1) === "memory"
      ? ["", "cpu", "a b", "amd.com/onload"].map((key) => ({
          path,
          spec: withField(spec, [...path.slice(0, -1), key], "1"),
        }))
      : []),
  ]);
  expect(trials.length).toBeGreaterThan(1000);
  const verdict = async (path: string, body: object): Promise<string> => {
    const answer = cluster.request("POST", `${path}?dryRun=All&fieldValidation=Strict`, { body });
    return answer.then(
      () => "",
      (error: Error) => error.message,
    );
  };
  const base = { apiVersion: "onload.amd.com/v1alpha1", kind: "Onload", metadata: { name: "trial", namespace } };
  const wrong: object[] = [];
  let admitted = 0;
  const judge = async ({ path, spec: tried }: (typeof trials)[number]): Promise<void> => {
    const onloads = `/apis/onload.amd.com/v1alpha1/namespaces/${namespace}/onloads`;
    if ((await verdict(onloads, { ...base, spec: tried })) !== "") return;
    admitted++;
    const resource = withDefaults({ ...base, metadata: { ...base.metadata, uid: crypto.randomUUID() }, spec: tried });
    const modules = desiredModules(resource, KMM_1);
    const daemonSet = desiredDaemonSet(
      resource,
      resource.spec.devicePlugin.devicePluginImage || "registry/onloadctl:1",
    );
    daemonSet.metadata.name = "trial";
    const refusals = await Promise.all([
      verdict(`/apis/apps/v1/namespaces/${namespace}/daemonsets`, daemonSet),
      ...[modules.onload, modules.sfc].map((module) =>
        module
          ? verdict(`/apis/kmm.sigs.x-k8s.io/v1beta1/namespaces/${namespace}/modules`, {
              ...module,
              metadata: { ...module.metadata, name: `trial-${module.metadata.name}` },
            })
          : "",
      ),
    ]);
    const refusal = refusals.find((text) => text !== "" && !BEYOND_RULES.test(text));
    const value = path.reduce((is: any, name) => is?.[name], tried);
    if (refusal !== undefined) wrong.push({ field: path.join("."), value, refusal: refusal.slice(0, 400) });
  };
  for (let at = 0; at < trials.length; at += 50) await Promise.all(trials.slice(at, at + 50).map(judge));
  expect(wrong).toEqual([]);
  expect(admitted).toBeGreaterThan(200);
});
