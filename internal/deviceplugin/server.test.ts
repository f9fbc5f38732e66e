import { expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { tool } from "../testcluster/tools/index.ts";
import { deviceList } from "./devices.ts";
import { findKubelet, register } from "./kubelet.ts";
import { PluginServer } from "./server.ts";
import { KubeletClient } from "./testing/kubelet-client.ts";

await tool("kubelet-client");

test("a kubelet takes 300 lists of 5,000 devices, each of them, in order", async () => {
  const folder = await mkdtemp(join(tmpdir(), "onload-server-"));
  const server = new PluginServer(
    join(folder, "onload-x.sock"),
    deviceList({ count: 1, healthy: true, numaNodes: [] }),
    {
      allocate: () => Promise.reject(new Error("Nothing to allocate")),
      preferredAllocation: () => ({ containerResponses: [] }),
      listed: () => undefined,
      streamsChanged: () => undefined,
    },
  );
  try {
    await using kubelet = await KubeletClient.start(folder);
    await server.start();
    await register((await findKubelet(folder))!, "onload-x.sock", new AbortController().signal);
    await kubelet.next((event) => event.event === "list" && event["devices"] === 1);
    for (let i = 0; i < 300; i++) server.publish(deviceList({ count: 4700 + i, healthy: i % 2 === 0, numaNodes: [] }));
    for (let i = 0; i < 300; i++) {
      const list = await kubelet.next("list");
      expect(list).toMatchObject({ devices: 4700 + i, healthy: i % 2 === 0 ? 4700 + i : 0 });
    }
  } finally {
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  }
});
