import { afterAll, beforeAll, expect, test } from "bun:test";
import { poll } from "../lib/poll.ts";
import { sharedNodeCluster } from "../index.ts";
import type { NodeCluster } from "../index.ts";

const version = "0.0.1-cluster-test";
let cluster: NodeCluster;
let namespace: string;
let moduleImage: string;
let app: string;

beforeAll(async () => {
  cluster = await sharedNodeCluster();
  namespace = await cluster.plane.createNamespace("node");
  moduleImage = await cluster.images.onloadModule(version);
  app = await cluster.images.app();
}, 300_000);

afterAll(async () => {
  await cluster.plane.kubectl(["delete", "namespace", namespace, "--wait=false"]);
});

async function runPod(name: string, image: string, command: string[], annotations: Record<string, string> = {}) {
  const pod = {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace, annotations },
    spec: { restartPolicy: "Never", terminationGracePeriodSeconds: 0, containers: [{ name: "main", image, command }] },
  };
  await cluster.plane.apply(JSON.stringify(pod));
  const ended = await poll(
    async () => {
      const { status } = await cluster.plane.request("GET", `/api/v1/namespaces/${namespace}/pods/${name}`);
      return status.phase === "Succeeded" || status.phase === "Failed" ? (status.phase as string) : undefined;
    },
    { what: `End of pod ${name}`, timeoutMs: 60_000 },
  );
  return { phase: ended, log: await cluster.plane.kubectl(["logs", "-n", namespace, name]) };
}

test("a pod without the resource gets nothing of Onload, and logs come back", async () => {
  const { phase, log } = await runPod("plain", app, ["/test"]);
  expect(phase).toBe("Failed");
  expect(log).toContain("/dev/onload: missing");
  expect(log).toContain("mapped library: none");
}, 90_000);

test("a pod reaches the API server at its service address", async () => {
  const { phase, log } = await runPod("service", moduleImage, [
    "sh",
    "-c",
    "nc -w 5 10.96.0.1 443 </dev/null && echo ok",
  ]);
  expect({ phase, log }).toEqual({ phase: "Succeeded", log: "ok" });
}, 90_000);

test("Multus adds the network that a pod's annotation names", async () => {
  const config = {
    cniVersion: "0.3.1",
    type: "macvlan",
    master: "eth0",
    mode: "bridge",
    ipam: { type: "static", addresses: [{ address: "192.0.2.7/24" }] },
  };
  await cluster.plane.apply(
    JSON.stringify({
      apiVersion: "k8s.cni.cncf.io/v1",
      kind: "NetworkAttachmentDefinition",
      metadata: { name: "macvlan-sf0", namespace },
      spec: { config: JSON.stringify(config) },
    }),
  );
  const { log } = await runPod("multus", moduleImage, ["ip", "-4", "address", "show", "net1"], {
    "k8s.v1.cni.cncf.io/networks": "macvlan-sf0",
  });
  expect(log).toContain("192.0.2.7/24");
}, 90_000);

test("KMM loads and unloads the module, and the node's device files come and go", async () => {
  const name = "cluster-test";
  const nodePath = `/api/v1/nodes/${cluster.node.name}`;
  const label = `kmm.node.kubernetes.io/version-module.${namespace}.${name}`;
  const ready = `kmm.node.kubernetes.io/${namespace}.${name}.ready`;
  const setLabel = (value: string | null): Promise<unknown> =>
    cluster.plane.request("PATCH", nodePath, {
      body: { metadata: { labels: { [label]: value } } },
      contentType: "merge",
    });
  const hasReady = async (): Promise<boolean> =>
    ready in ((await cluster.plane.request("GET", nodePath)).metadata.labels as Record<string, string>);
  const deviceFile = async (): Promise<boolean> =>
    (await cluster.node.exec(["test", "-c", "/dev/onload"], { allowFailure: true })).code === 0;

  await cluster.plane.apply(
    JSON.stringify({
      apiVersion: "kmm.sigs.x-k8s.io/v1beta1",
      kind: "Module",
      metadata: { name, namespace },
      spec: {
        selector: { "kubernetes.io/os": "linux" },
        moduleLoader: {
          container: {
            version,
            modprobe: { moduleName: "onload", parameters: ["--first-time"] },
            kernelMappings: [{ regexp: "^.*$", containerImage: moduleImage }],
          },
        },
      },
    }),
  );
  expect(await deviceFile()).toBe(false);
  await setLabel(version);
  await poll(hasReady, { what: "KMM's ready label", timeoutMs: 60_000 });
  expect(await deviceFile()).toBe(true);
  await setLabel(null);
  await poll(async () => !(await hasReady()) && !(await deviceFile()), { what: "Unloading by KMM", timeoutMs: 90_000 });
  const journal = (await cluster.node.moduleJournal()).filter((line) => line.endsWith(version));
  expect(journal).toEqual([`load onload ${version}`, `unload onload ${version}`]);
  await cluster.plane.kubectl(["delete", "module", "-n", namespace, name]);
}, 180_000);

test("the kubelet can be ended and started again", async () => {
  await cluster.node.restartKubelet();
  const { phase } = await runPod("after-restart", app, ["/test"]);
  expect(phase).toBe("Failed");
}, 120_000);
