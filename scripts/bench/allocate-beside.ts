/** How long Allocate takes while pods are looked into: the compiled plugin, grpc-go for the kubelet, a kubelet's list of pods. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { Server, ServerCredentials, type sendUnaryData } from "@grpc/grpc-js";
import { executableCommand, PLUGIN_RUNTIME } from "../../internal/api/plugin-pod.ts";
import { FakeHost } from "../../internal/deviceplugin/testing/host.ts";
import { KubeletClient } from "../../internal/deviceplugin/testing/kubelet-client.ts";
import { run } from "../../internal/testcluster/lib/command.ts";
import { poll } from "../../internal/testcluster/lib/poll.ts";
import { freePorts } from "../../internal/testcluster/lib/ports.ts";
import { PodResourcesListerService, type ListPodResourcesResponse } from "../../proto/podresources/v1/api.gen.ts";

const RESOURCE = "amd.com/onload";
const CALLS = 10_000;

/** Percentiles in milliseconds, and of how many pods the plugin's metrics tell. */
export interface AllocateTimes {
  p50: number;
  p99: number;
  pods: number;
}

/**
 * Measures a plugin.
 *
 * @param uids of the pods that hold a device each, in a container called app; it waits until all are in the metrics
 * @param flags by which the plugin looks into them; none: it does not, and there are no pods
 */
export async function allocateTimes(
  executable: string,
  uids: readonly string[] = [],
  flags: readonly string[] = [],
): Promise<AllocateTimes> {
  const host = await FakeHost.ready();
  const resources = join(host.root, "pod-resources");
  await mkdir(resources);
  const list = await serveList(resources, uids);
  await run([executable, "device-plugin", "copy-executable", `--to=${join(host.root, "onloadctl")}`]);
  const kubelet = await KubeletClient.start(host.kubeletDir);
  const [port = 0] = await freePorts(1);
  const [program, ...command] = executableCommand(join(host.root, "onloadctl"));
  const folders = [`--host-root=${host.root}`, `--kubelet-dir=${host.kubeletDir}`, `--proc-dir=${host.root}/proc`];
  const addresses = [`--pod-resources-dir=${resources}`, `--metrics-bind-address=127.0.0.1:${port}`];
  const plugin = spawn(
    program!,
    [...command, "device-plugin", ...folders, ...addresses, ...flags, "--log-level=error"],
    { env: { ...process.env, ...PLUGIN_RUNTIME }, stdio: ["ignore", "ignore", "inherit"] },
  );
  try {
    await kubelet.next("list");
    await writeCheckpoint(host.kubeletDir, uids);
    const pods = await poll(
      async () => {
        const metrics = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
        const seen = metrics.split("\nonload_pod_info{").length - 1;
        return seen >= uids.length ? { seen } : undefined;
      },
      { what: "Metrics of every pod", timeoutMs: 120_000 },
    );
    kubelet.send({ quiet: true });
    // What the first calls compile is not measured.
    await kubelet.ask({ bench: CALLS }, "bench", 120_000);
    const { p50us, p99us } = await kubelet.ask({ bench: CALLS }, "bench", 120_000);
    return { p50: p50us / 1000, p99: p99us / 1000, pods: pods.seen };
  } finally {
    plugin.kill("SIGKILL");
    if (plugin.exitCode === null && plugin.signalCode === null) await once(plugin, "exit");
    await kubelet[Symbol.asyncDispose]();
    list.forceShutdown();
    await host.remove();
  }
}

/** The kubelet's service that tells which pods have which devices: each has one, in a container called app. */
export async function serveList(folder: string, uids: readonly string[]): Promise<Server> {
  const podResources = uids.map((_, i) => ({
    name: `pod-${i}`,
    namespace: "trading",
    containers: [{ name: "app", devices: [{ resourceName: RESOURCE, deviceIds: [`${i}`] }] as never }],
  }));
  const server = new Server();
  server.addService(PodResourcesListerService, {
    list: (_call: unknown, callback: sendUnaryData<ListPodResourcesResponse>) => callback(null, { podResources }),
  });
  const bind = promisify(server.bindAsync.bind(server));
  await bind(`unix:${join(folder, "kubelet.sock")}`, ServerCredentials.createInsecure());
  return server;
}

/** The kubelet's checkpoint of the same pods, in which are their UIDs. */
export async function writeCheckpoint(folder: string, uids: readonly string[]): Promise<void> {
  const entries = uids.map((PodUID, i) => ({
    PodUID,
    ContainerName: "app",
    ResourceName: RESOURCE,
    DeviceIDs: { "-1": [`${i}`] },
    AllocResp: "",
  }));
  const data = { Data: { PodDeviceEntries: entries, RegisteredDevices: {} }, Checksum: 0 };
  await writeFile(join(folder, "kubelet_internal_checkpoint"), JSON.stringify(data));
}
