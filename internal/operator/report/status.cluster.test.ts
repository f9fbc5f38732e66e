import { expect, test } from "bun:test";
import { ONLOADS } from "../../api/resources.ts";
import { Store } from "../../kube/store.ts";
import type { RawOnload } from "../cache/caches.ts";
import { OperatorCluster, onloadSpec } from "../testing/operator-cluster.ts";
import { writeStatus } from "./status.ts";

test("the API server refuses the status of a resource that was deleted and made again since", async () => {
  await using cluster = await OperatorCluster.start({ kmm: false });
  const namespace = await cluster.createNamespace();
  const ref = { namespace, name: "main" };
  const get = async (): Promise<RawOnload> => (await cluster.client.get<RawOnload>(ONLOADS, ref))!;
  await cluster.createOnload(namespace, onloadSpec("p", "v1"));
  const first = await get();
  const cached = new Store<RawOnload>();
  const onloads = { store: cached, observe: (onload: RawOnload) => void cached.set(onload as never) };
  const writer = { client: cluster.client, caches: { onloads }, monotonic: () => 0 };
  cached.set(first as never);
  const write = (raw: RawOnload, version: string): Promise<number | undefined> =>
    writeStatus(writer, { statusWrittenAt: undefined }, raw, { version }, new AbortController().signal);
  expect(await write(first, "v1")).toBeUndefined();
  expect((await get()).status).toMatchObject({ version: "v1" });
  await cluster.deleteOnload(namespace);
  await cluster.gone(namespace);
  await cluster.createOnload(namespace, onloadSpec("p", "v1"));
  expect(await write(first, "v2")).toBeGreaterThan(0);
  expect((await get()).status).toMatchObject({ observedGeneration: -1 });
});
