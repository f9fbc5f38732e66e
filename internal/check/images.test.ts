import { expect, test } from "bun:test";
import type { CustomResourceDefinition, Deployment, Node } from "../api/core.ts";
import type { RawOnload } from "../operator/cache/caches.ts";
import { FakeApiServer } from "../kube/testing/fake-api-server.ts";
import { collect, neededImages } from "./images.ts";

function deployment(namespace: string, name: string, containers: object[], initContainers?: object[]): Deployment {
  return {
    kind: "Deployment",
    metadata: { namespace, name },
    spec: { template: { spec: { containers, ...(initContainers && { initContainers }) } } },
  } as Deployment;
}

const node = (name: string, kernelVersion: string, labels: object = { onload: "yes" }): Node =>
  ({ apiVersion: "v1", kind: "Node", metadata: { name, labels }, status: { nodeInfo: { kernelVersion } } }) as never;

const onload = (name: string, changes: object = {}): RawOnload =>
  ({
    apiVersion: "onload.amd.com/v1alpha1",
    kind: "Onload",
    metadata: { namespace: "ns", name },
    spec: {
      selector: { onload: "yes" },
      serviceAccountName: "sa",
      onload: {
        version: "v1",
        userImage: "r/user:v1",
        kernelMappings: [
          { regexp: "^5\\.", kernelModuleImage: "r/module:v1-${KERNEL_FULL_VERSION}" },
          {
            regexp: "^6\\.",
            kernelModuleImage: "r/built:v1",
            build: { dockerfileConfigMap: { name: "dockerfile" } },
          },
        ],
      },
      ...changes,
    },
  }) as never;

const KMM = [
  deployment("kmm", "kmm-operator-controller", [
    {
      name: "manager",
      image: "r/kmm:v2.4.1",
      env: [
        { name: "RELATED_IMAGE_WORKER", value: "r/kmm-worker:v2.4.1" },
        { name: "RELATED_IMAGES_BUILD", value: "r/kaniko:1" },
        { name: "OPERATOR_NAMESPACE", value: "r/none:1" },
        { name: "RELATED_IMAGE_SIGN" },
      ],
    },
    { name: "kube-rbac-proxy", image: "r/proxy:1" },
  ]),
  deployment("kmm", "kmm-operator-webhook-server", [{ name: "webhook-server", image: "r/kmm-webhook:v2.4.1" }]),
];

test("of the operator, of resources by the kernels of their nodes, and of KMM, each once", () => {
  const { images, problems } = collect(
    {
      onloads: { value: [onload("a"), onload("b", { devicePlugin: { devicePluginImage: "r/onloadctl:1" } })] },
      nodes: {
        value: [node("n1", "5.14.0-1"), node("n2", "6.1.0-1"), node("n3", "5.15.0-1", {}), node("n4", "4.18.0")],
      },
      crds: { value: [] },
      operators: { value: [deployment("ops", "manager", [{ name: "manager", image: "r/onloadctl:1" }])] },
      kmm: [{ value: KMM }],
    },
    ["r/onloadctl:2"],
  );
  expect(problems).toEqual([]);
  expect(images.map(({ image }) => image)).toEqual([
    "r/onloadctl:2",
    "r/onloadctl:1",
    "r/user:v1",
    "r/module:v1-5.14.0-1",
    "r/built:v1",
    "r/kmm:v2.4.1",
    "r/proxy:1",
    "r/kmm-worker:v2.4.1",
    "r/kaniko:1",
    "r/kmm-webhook:v2.4.1",
  ]);
  expect(images.filter(({ isBuilt }) => isBuilt).map(({ image }) => image)).toEqual(["r/built:v1"]);
  expect(images[1]!.uses).toEqual(["operator: container manager of manager", "ns/b: device plugin"]);
  expect(images[3]!.uses).toEqual(["ns/a: module for 5.14.0-1", "ns/b: module for 5.14.0-1"]);
});

test("of the operator, what it is told to run as the device plugin, and what runs before its containers, too", () => {
  const env = [
    { name: "DEVICE_PLUGIN_IMG", value: "r/plugin:1" },
    { name: "DEVICE_PLUGIN_IMG_NOTE", value: "r/none:1" },
  ];
  const before = { name: "wait", image: "r/wait:1", env: [{ name: "RELATED_IMAGE_X", value: "r/x:1" }] };
  const operator = deployment("ops", "manager", [{ name: "manager", image: "r/onloadctl:1", env }], [before]);
  const none = { value: [] };
  const { images } = collect({
    onloads: none,
    nodes: none,
    crds: none,
    operators: { value: [operator] },
    kmm: [{ value: KMM }],
  });
  expect(images.slice(0, 4)).toEqual([
    { image: "r/wait:1", uses: ["operator: container wait of manager"], isBuilt: false },
    { image: "r/onloadctl:1", uses: ["operator: container manager of manager"], isBuilt: false },
    { image: "r/x:1", uses: ["operator: RELATED_IMAGE_X of manager"], isBuilt: false },
    { image: "r/plugin:1", uses: ["operator: DEVICE_PLUGIN_IMG of manager"], isBuilt: false },
  ]);
  expect(images.map(({ image }) => image)).not.toContain("r/none:1");
});

test("what could not be read is said", () => {
  const problem = "Cannot list nodes: forbidden";
  const seen = { onloads: { value: [onload("a", { selector: 1 })] }, crds: { value: [] }, operators: { value: [] } };
  const { problems } = collect({ ...seen, nodes: { problem }, kmm: [{ problem }] }, ["r/onloadctl:1"]);
  expect(problems[0]).toBe(problem);
  expect(problems[1]).toContain("ns/a: ");
  expect(problems).toHaveLength(2);
});

test("module images of a resource that selects no node, and the image of an operator that is not there, are said to be missing", () => {
  const none = { value: [] };
  const nodes = { value: [node("n1", "5.14.0-1", {})] };
  const seen = {
    onloads: { value: [onload("a")] },
    nodes,
    crds: none,
    operators: none,
    kmm: [{ value: KMM }] as const,
  };
  const forModules =
    "ns/a: no node has the labels of spec.selector: images of kernel modules are not in the list; label the nodes first";
  const forOperator = "No operator is installed: its image is not in the list; name it with --image";
  expect(collect(seen).problems).toEqual([forOperator, forModules]);
  expect(collect(seen, ["r/onloadctl:1"]).problems).toEqual([forModules]);
  // A cluster may have many.
  const many = { ...seen, onloads: { value: ["a", "b", "c", "d", "e"].map((name) => onload(name)) } };
  expect(collect(many, ["r/onloadctl:1"]).problems).toEqual([
    forModules.replace("ns/a", "ns/a, ns/b, ns/c and 2 more"),
  ]);
  // Which nodes there are is not known: that is said already.
  const problem = "Cannot list nodes: forbidden";
  expect(collect({ ...seen, nodes: { problem } }, ["r/onloadctl:1"]).problems).toEqual([problem]);
});

test("without KMM the list is not whole, which is said", () => {
  const none = { value: [] };
  const { problems } = collect({ onloads: none, nodes: none, crds: none, operators: none, kmm: [none] });
  expect(problems).toEqual(["KMM is not installed: its images are not in the list"]);
});

test("KMM whose CRDs are there, but no Deployment of a known name, is not called missing", () => {
  const none = { value: [] };
  const versions = [{ name: "v1beta1", served: true }];
  const crd = {
    metadata: { name: "modules" },
    spec: { group: "kmm.sigs.x-k8s.io", names: { kind: "Module" }, versions },
  };
  const crds = { value: [crd as unknown as CustomResourceDefinition] };
  const { problems } = collect({ onloads: none, nodes: none, crds, operators: none, kmm: [none] });
  expect(problems).toHaveLength(1);
  expect(problems[0]).toMatch(/^No Deployment is called .*: images of KMM are not in the list$/);
});

test("whether KMM is installed is not told where CRDs cannot be read", () => {
  const none = { value: [] };
  const problem = "Cannot list customresourcedefinitions: forbidden";
  const { problems } = collect({ onloads: none, nodes: none, crds: { problem }, operators: none, kmm: [none] });
  expect(problems.join()).not.toContain("KMM is not installed");
  expect(problems.join()).toContain("No Deployment is called");
});

test("of KMM's namespace that cannot be listed, its operator is known all the same, and the rest is said", async () => {
  await using server = await FakeApiServer.start();
  server.put("/apis/apps/v1/deployments", KMM[0] as never);
  server.fail("GET", /^\/apis\/apps\/v1\/namespaces\/kmm\/deployments/, Infinity, (response) => {
    response.writeHead(403, { "content-type": "application/json" });
    response.end(JSON.stringify({ kind: "Status", code: 403, reason: "Forbidden", message: "not in this namespace" }));
  });
  const signal = AbortSignal.timeout(20_000);
  const { images, problems } = await neededImages(server.client(), [], undefined, [], signal);
  expect(problems).toEqual([expect.stringContaining("not in this namespace")]);
  expect(images[0]).toMatchObject({ image: "r/kmm:v2.4.1" });
});

test("who is not logged in is told so at once, and not of each kind that is read", async () => {
  await using server = await FakeApiServer.start();
  server.fail("GET", /./, Infinity, (response) => {
    response.writeHead(401, { "content-type": "application/json" });
    response.end(JSON.stringify({ kind: "Status", code: 401, reason: "Unauthorized", message: "Unauthorized" }));
  });
  const look = neededImages(server.client(), undefined, undefined, [], AbortSignal.timeout(20_000));
  await expect(look).rejects.toThrow(/: Unauthorized; .* log in again$/);
});

test("rights that are missing are said once, with the command that gives them", () => {
  const refused = (kind: string, group = ""): { problem: string } => ({
    problem: `Cannot list ${kind}: ${kind} is forbidden: User "jane" cannot list resource "${kind}" in API group "${group}" at the cluster scope`,
  });
  const { problems } = collect({
    onloads: refused("onloads", "onload.amd.com"),
    crds: refused("customresourcedefinitions", "apiextensions.k8s.io"),
    operators: refused("deployments", "apps"),
    nodes: refused("nodes"),
    kmm: [refused("deployments", "apps")],
  });
  expect(problems).toHaveLength(1);
  expect(problems[0]).toEndWith(
    "kubectl create clusterrolebinding onload-viewer --clusterrole=onload-operator-onload-viewer-role --user=jane",
  );
});
