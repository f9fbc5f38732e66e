/**
 * Lists and watches ConfigMaps of a namespace over mutual TLS, creates, applies and deletes one, and prints what it
 * saw. A program of its own, so that the same sources can be run by Deno and as a compiled executable.
 *
 *   probe.ts NAMESPACE   (with $KUBECONFIG)
 */
import { silentLogger } from "../../cli/log.ts";
import { connect } from "../connect.ts";
import { Informer } from "../informer.ts";
import type { KubeObject } from "../../api/core.ts";
import { CONFIG_MAPS } from "../resource.ts";
import { eventually } from "./eventually.ts";

interface ConfigMap extends KubeObject {
  data?: Record<string, string>;
}

const namespace = process.argv.at(-1) ?? "";
const client = await connect();
const informer = new Informer<ConfigMap>({ client, resource: CONFIG_MAPS, namespaces: [namespace], log: silentLogger });
const stop = new AbortController();
const running = informer.run(stop.signal);
await informer.synced(stop.signal);
const before = informer.store.size;
const ref = { namespace, name: "probe" };
const seen: string[] = [];
informer.subscribe(({ key, old, current }) => {
  seen.push(`${key} ${old?.data?.["value"] ?? "-"} -> ${current?.data?.["value"] ?? "-"}`);
});
await client.create(CONFIG_MAPS, { metadata: ref, data: { value: "1" } } as ConfigMap);
await eventually(informer, () => informer.store.get(`${namespace}/probe`)?.data?.["value"] === "1");
await client.apply(CONFIG_MAPS, { metadata: ref, data: { value: "2" } } as ConfigMap);
await eventually(informer, () => informer.store.get(`${namespace}/probe`)?.data?.["value"] === "2");
await client.delete(CONFIG_MAPS, ref);
await eventually(informer, () => informer.store.size === before);
stop.abort();
await running;
client.transport.close();
process.stdout.write(`${JSON.stringify({ before, seen })}\n`);
