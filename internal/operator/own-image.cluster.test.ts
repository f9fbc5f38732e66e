/** An operator that is told no image, as the shipped Deployment tells it none: the device plugin's is that of its own pod. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import type { DaemonSet, Pod } from "../api/core.ts";
import { devicePluginName } from "../api/names.ts";
import { DAEMON_SETS, PODS } from "../kube/resource.ts";
import { onloadSpec, OperatorCluster } from "./testing/operator-cluster.ts";

setDefaultTimeout(300_000);

let cluster: OperatorCluster;
beforeAll(async () => {
  cluster = await OperatorCluster.start();
});
afterAll(() => cluster[Symbol.asyncDispose]());

test("the image is found out although the pod could not be read at first, and no DaemonSet is made before", async () => {
  const own = { namespace: await cluster.createNamespace(), name: "operator-0" };
  await cluster.startOperator([], cluster.user, { pod: own });
  const namespace = await cluster.createNamespace();
  const pool = `p${crypto.randomUUID().slice(0, 8)}`;
  const [node = ""] = await cluster.kubelet.createNodes(1, pool, { pool });
  await cluster.createOnload(namespace, onloadSpec(pool, "v1"));
  const why = await cluster.condition(namespace, "Degraded", "True");
  expect(why).toContain("No image of the device plugin is known");
  const read = () => cluster.client.get<DaemonSet>(DAEMON_SETS, { namespace, name: devicePluginName("main") });
  expect(await read()).toBeUndefined();

  const containers = [
    { name: "proxy", image: "registry/proxy:1" },
    { name: "manager", image: "registry/onloadctl:7" },
  ];
  const spec = { containers, nodeName: "nowhere" };
  await cluster.client.create<Pod>(PODS, { apiVersion: "v1", kind: "Pod", metadata: own, spec } as Pod);
  await cluster.ready(namespace);
  const made = ((await read())!.spec.template.spec as { containers: { image: string }[] }).containers;
  expect(made.map(({ image }) => image)).toContain("registry/onloadctl:7");
  expect(await cluster.versionOn(node, namespace)).toBe("v1");
});
