/** What becomes of nodes that a person cordons in the middle of an upgrade, with KMM 1.1.0, which skips cordoned nodes. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import {
  kmm1DevicePluginLabel,
  kmm1ModuleLoaderLabel,
  onloadModuleLabel,
  onloadModuleName,
  pluginLabel,
} from "../api/names.ts";
import { NODES } from "../kube/resource.ts";
import { poll } from "../testcluster/lib/poll.ts";
import { loadLabel } from "./kmm/load-label.ts";
import { imagesOf, onloadSpec, OperatorCluster, PATIENCE_MS } from "./testing/operator-cluster.ts";

setDefaultTimeout(600_000);

let cluster: OperatorCluster;
beforeAll(async () => {
  cluster = await OperatorCluster.start();
  await cluster.startOperator();
});
afterAll(() => cluster[Symbol.asyncDispose]());

/** KMM 1.1 goes by the node's taint, which a controller adds a moment later. An uncordon is not waited for, on purpose. */
async function cordon(node: string, unschedulable: boolean): Promise<void> {
  await cluster.client.mergePatch(NODES, { name: node }, { spec: { unschedulable } });
  if (!unschedulable) return;
  const tainted = async (): Promise<boolean> =>
    ((await cluster.node(node)).spec?.taints ?? []).some(({ key }) => key === "node.kubernetes.io/unschedulable");
  await poll(tainted, { what: "The taint of the cordon", timeoutMs: PATIENCE_MS });
}

/** Waits until status names a problem of a node; gives its message. */
async function problem(namespace: string, node: string, reason: string): Promise<string> {
  let seen: unknown;
  return poll(
    async () => {
      seen = (await cluster.status(namespace))?.problems;
      const found = (await cluster.status(namespace))?.problems?.find((each) => each.node === node);
      if (found?.reason !== reason) throw new Error(JSON.stringify(seen));
      return `${found.step}: ${found.message}`;
    },
    { what: `Problem ${reason}`, timeoutMs: PATIENCE_MS, intervalMs: 100 },
  );
}

function patchesOf(node: string): number {
  return cluster.requests().filter(({ verb, objectRef }) => verb === "patch" && objectRef?.name === node).length;
}

test("nothing is unloaded on a cordoned node for a corrected version, and it goes on once uncordoned", async () => {
  const namespace = await cluster.createNamespace();
  const [node] = (await cluster.kubelet.createNodes(1, "cordoned", { pool: "cordoned" })) as [string];
  cluster.kubelet.fate = (pod) =>
    JSON.stringify(pod.spec).includes("onload-module:bad")
      ? { reason: "ImagePullBackOff", message: "Back-off pulling image" }
      : "ready";
  await cluster.createOnload(namespace, onloadSpec("cordoned", "v1"));
  await cluster.ready(namespace);
  await cluster.editOnload(namespace, { onload: imagesOf("bad") });
  await cluster.condition(namespace, "Degraded", "True", "NodesFailed");

  await cordon(node, true);
  await cluster.editOnload(namespace, { onload: imagesOf("v2") });
  expect(await cluster.condition(namespace, "Progressing", "False", "NodesNotReady")).toContain("1 Cordoned");
  expect(await problem(namespace, node, "Cordoned")).toBe(
    "Drained: The node is cordoned, and KMM loads nothing there: it stays as it is until uncordoned",
  );
  const labels = (await cluster.node(node)).metadata.labels!;
  expect(labels[onloadModuleLabel({ namespace, name: "main" })]).toBe("bad");
  await cordon(node, false);
  await cluster.ready(namespace);
  expect(await cluster.versionOn(node, namespace)).toBe("v2");

  await cluster.deleteOnload(namespace);
  await cluster.gone(namespace);
  expect(await cluster.traces(node)).toEqual([]);
});

test("KMM 1.1 loads nothing on a node with a taint, so that nothing is unloaded there, and the status says which taint", async () => {
  const namespace = await cluster.createNamespace();
  const kernel = "6.0.0-tainted";
  const [first, second] = (await cluster.kubelet.createNodes(2, "tainted", { pool: "tainted" }, kernel)) as [
    string,
    string,
  ];
  const taint = (node: string, taints: object[] | null): Promise<unknown> =>
    cluster.client.mergePatch(NODES, { name: node }, { spec: { taints } });
  const dedicated = [{ key: "dedicated", value: "trading", effect: "NoSchedule" }];
  await taint(second, dedicated);
  await cluster.createOnload(namespace, onloadSpec("tainted", "v1", { tolerations: [{ operator: "Exists" }] }));
  expect(await problem(namespace, second, "Tainted")).toContain(
    "The node has the taint dedicated=trading:NoSchedule, and this KMM loads nothing on such a node",
  );
  expect(await cluster.versionOn(second, namespace)).toBeUndefined();
  await taint(second, null);
  await cluster.ready(namespace);

  await taint(first, dedicated);
  await cluster.editOnload(namespace, { onload: imagesOf("v2") });
  expect(await problem(namespace, first, "Tainted")).toStartWith("Outdated: ");
  await cluster.condition(namespace, "Degraded", "True", "NodesNotReady");
  await poll(async () => (await cluster.versionOn(second, namespace)) === "v2", {
    what: "The upgrade of the other node",
    timeoutMs: PATIENCE_MS,
  });
  expect(await cluster.versionOn(first, namespace)).toBe("v1");
  await taint(first, null);
  await cluster.ready(namespace);
  expect(await cluster.versionOn(first, namespace)).toBe("v2");
  await cluster.deleteOnload(namespace);
  await cluster.gone(namespace);
});

test("KMM is reminded by one patch of a node that it left out because it was cordoned", async () => {
  const namespace = await cluster.createNamespace();
  const key = { namespace, name: "main" };
  const module = onloadModuleName(key.name);
  const [node] = (await cluster.kubelet.createNodes(1, "overlooked", { pool: "overlooked" }, "6.0.0-overlooked")) as [
    string,
  ];
  await cordon(node, true);
  // As if the node had been labelled a moment before, and cordoned before KMM saw it.
  const names = [
    pluginLabel(key),
    onloadModuleLabel(key),
    kmm1ModuleLoaderLabel(namespace, module),
    kmm1DevicePluginLabel(namespace, module),
  ];
  const labels = { ...Object.fromEntries(names.map((name) => [name, "v1"])), [loadLabel(namespace, module)]: "on" };
  await cluster.client.mergePatch(NODES, { name: node }, { metadata: { labels } });
  await cluster.createOnload(namespace, onloadSpec("overlooked", "v1"));
  expect(await problem(namespace, node, "Cordoned")).toStartWith("LoadingOnload: ");
  const noted = async (): Promise<boolean> =>
    Object.values((await cluster.node(node)).metadata.annotations ?? {}).some((note) => note.endsWith(" cordoned"));
  await poll(noted, { what: "The note that the node was seen cordoned", timeoutMs: PATIENCE_MS });
  const before = patchesOf(node);
  await cordon(node, false);
  await cluster.ready(namespace);
  // On a slow machine KMM may look for nodes only now, and then needs no reminder.
  expect(patchesOf(node) - before).toBeLessThanOrEqual(1);
  await cluster.deleteOnload(namespace);
  await cluster.gone(namespace);
  expect(await cluster.traces(node)).toEqual([]);
});
