import { expect, test } from "bun:test";
import { startControlPlane } from "../testcluster/index.ts";
import { createLogger } from "../cli/log.ts";
import { connect } from "./connect.ts";
import { Informer } from "./informer.ts";
import type { KubeObject } from "../api/core.ts";
import { CONFIG_MAPS } from "./resource.ts";
import { eventually } from "./testing/eventually.ts";
import { serverVersion } from "./testing/discovery.ts";

interface ConfigMap extends KubeObject {
  data?: Record<string, string>;
}

test("an informer survives the API server's crash, and etcd's compaction while it is away", async () => {
  await using plane = await startControlPlane({ controllerManager: false, scheduler: false });
  const client = await connect({ kubeconfig: plane.kubeconfigPath, timeoutMs: 5000 });
  const lines: string[] = [];
  const log = createLogger({ level: "debug", format: "json", write: (line) => void lines.push(line) });
  const informer = new Informer<ConfigMap>({ client, resource: CONFIG_MAPS, namespaces: ["default"], log });
  const stop = new AbortController();
  const running = informer.run(stop.signal);
  await informer.synced(stop.signal);
  const put = (name: string, value: string) =>
    client.apply<ConfigMap>(CONFIG_MAPS, { metadata: { name, namespace: "default" }, data: { value } });
  const has = (name: string, value: string | undefined): boolean =>
    informer.store.get(`default/${name}`)?.data?.["value"] === value;
  await put("a", "1");
  await put("gone", "1");
  await eventually(informer, () => has("a", "1") && has("gone", "1"));

  // Killed and back: the watch goes on where it was.
  await plane.killApiServer();
  await expect(serverVersion(client)).rejects.toThrow("Cannot read the API server's version: API server");
  expect(has("a", "1")).toBe(true);
  await plane.restartApiServer();
  await put("a", "2");
  await eventually(informer, () => has("a", "2"));

  // All history is forgotten while the watch is away, among it a deletion.
  const stranger = await connect({ kubeconfig: plane.kubeconfigPath });
  await plane.killApiServer();
  await plane.restartApiServer();
  await stranger.delete(CONFIG_MAPS, { namespace: "default", name: "gone" });
  await put("a", "3");
  await plane.killApiServer();
  await plane.compactEtcd();
  await plane.restartApiServer();
  await eventually(informer, () => has("a", "3") && has("gone", undefined));
  await put("b", "1");
  await eventually(informer, () => has("b", "1"));
  stop.abort();
  await running;
  const server = await client.list<ConfigMap>(CONFIG_MAPS, { namespace: "default" });
  const versions = (
    objects: Iterable<{ readonly metadata: { readonly name: string; readonly resourceVersion?: string } }>,
  ) => Array.from(objects, ({ metadata }) => `${metadata.name}@${metadata.resourceVersion}`).sort();
  expect(versions(informer.store.list())).toEqual(versions(server.items));
  expect(lines.filter((line) => line.includes("Lost configmaps")).length).toBeGreaterThanOrEqual(1);
  expect(lines.filter((line) => line.includes("Regained configmaps")).length).toBeGreaterThanOrEqual(1);
  client.transport.close();
  stranger.transport.close();
}, 120_000);

test("a watch whose version etcd has compacted lists again", async () => {
  await using plane = await startControlPlane({ controllerManager: false, scheduler: false });
  const client = await connect({ kubeconfig: plane.kubeconfigPath });
  const put = (value: string) =>
    client.apply<ConfigMap>(CONFIG_MAPS, { metadata: { name: "a", namespace: "default" }, data: { value } });
  const first = await put("1");
  await put("2");
  await plane.compactEtcd();
  await plane.restartApiServer();
  const watching = (async () => {
    for await (const event of client.watch(CONFIG_MAPS, { resourceVersion: first.metadata.resourceVersion! }))
      return event;
    return undefined;
  })();
  await expect(watching).rejects.toMatchObject({ name: "ApiError", status: 410, reason: "Expired" });
  client.transport.close();
});
