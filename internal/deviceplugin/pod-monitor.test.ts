import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { Server, ServerCredentials, status, type sendUnaryData } from "@grpc/grpc-js";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { createServer } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { Registry } from "../probes/prom-client.ts";
import { PodResourcesListerService, type ListPodResourcesResponse } from "../../proto/podresources/v1/api.gen.ts";
import { serveLooks } from "../acceleration/serve.ts";
import { cgroupOf, FakeProc, mapsOf, mountsOf, tableOf } from "../acceleration/testing/fake-proc.ts";
import { silentLogger } from "../cli/log.ts";
import { poll } from "../testcluster/lib/poll.ts";
import { PodMetrics } from "./pod-metrics.ts";
import { PodMonitor } from "./pod-monitor.ts";
import { listPodResources } from "./pod-resources.ts";

const UIDS = ["0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9", "1a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9"] as const;
const { signal: never } = new AbortController();
type Answer = (callback: sendUnaryData<ListPodResourcesResponse>) => void;

let folder: string;
let proc: FakeProc;
let server: Server | undefined;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "onload-pods-"));
  await mkdir(join(folder, "pod-resources"));
  proc = new FakeProc();
});
afterEach(async () => {
  server?.forceShutdown();
  server = undefined;
  proc[Symbol.dispose]();
  await rm(folder, { recursive: true, force: true });
});

/** The kubelet's service, with an answer of the test. The node's test has the kubelet's own. */
async function kubelet(answer: Answer): Promise<void> {
  server = new Server();
  server.addService(PodResourcesListerService, {
    list: (_call: unknown, callback: sendUnaryData<ListPodResourcesResponse>) => answer(callback),
  });
  await promisify(server.bindAsync.bind(server))(
    `unix:${join(folder, "pod-resources/kubelet.sock")}`,
    ServerCredentials.createInsecure(),
  );
}

/** Pods `pod-0`, `pod-1`, … each with the device of its number, in service and checkpoint. */
async function give(count: number): Promise<ListPodResourcesResponse> {
  const entries = UIDS.slice(0, count).map((PodUID, i) => ({
    PodUID,
    ContainerName: "app",
    ResourceName: "amd.com/onload",
    DeviceIDs: { "-1": [`${i}`] },
    AllocResp: "",
  }));
  await writeFile(
    join(folder, "kubelet_internal_checkpoint"),
    JSON.stringify({ Data: { PodDeviceEntries: entries, RegisteredDevices: {} }, Checksum: 0 }),
  );
  const devices = (i: number): object[] => [{ resourceName: "amd.com/onload", deviceIds: [`${i}`] }];
  return {
    podResources: UIDS.slice(0, count).map((_, i) => ({
      name: `pod-${i}`,
      namespace: "trading",
      containers: [{ name: "app", devices: devices(i) as never }],
    })),
  };
}

const NODE = {
  healthy: true,
  problems: [],
  controlPlane: null,
  module: { version: null, acceleratesVeth: null },
  nics: [],
};

const readStacks = (): Promise<never> => Promise.reject(new Error("nobody asks"));

/** A monitor with a worker that looks into the test's own /proc, until it is disposed of. */
function watching({ worker = true, lookIntervalMs = 20, soonMs = 20 } = {}) {
  const registry = new Registry();
  const stop = new AbortController();
  const lookSocket = join(folder, "look/look.sock");
  const config = {
    kubeletDir: folder,
    podResourcesDir: join(folder, "pod-resources"),
    lookSocket,
    lookIntervalMs,
    soonMs,
  };
  const monitor = new PodMonitor(config, silentLogger, new PodMetrics(registry));
  const done = [monitor.run(stop.signal)];
  if (worker) done.push(serveLooks({ socket: lookSocket, procDir: proc.root, readStacks }, silentLogger, stop.signal));
  return {
    monitor,
    /** Series of containers, in their order. */
    series: async () => (await registry.metrics()).split("\n").filter((line) => line.startsWith("onload_pod_")),
    metrics: () => registry.metrics(),
    json: () => JSON.parse(monitor.text(NODE)),
    async [Symbol.asyncDispose]() {
      stop.abort();
      await Promise.all(done);
    },
  };
}

test("series follow what pods do, and go with them", async () => {
  let answer = await give(2);
  await kubelet((callback) => callback(null, answer));
  proc.add(70, { fds: { 3: "onload:[tcp:2:10]", 4: "onload:[tcpl:2:11]" } });
  const id = "88bb".repeat(16);
  proc.add(71, {
    cgroup: cgroupOf(UIDS[1], id),
    mountinfo: mountsOf(UIDS[1]),
    maps: mapsOf(["/lib/libc.so.6"]),
    environ: "A=1\0",
    fds: { 3: "socket:[501]" },
    net: { tcp: tableOf([{ local: "0B00000A:1F90", inode: 501 }]) },
  });
  await using watch = watching();
  const settled = async (count: number): Promise<string[]> =>
    await poll(
      async () => {
        const series = await watch.series();
        return series.filter((line) => line.startsWith("onload_pod_info")).length === count ? series : undefined;
      },
      { what: `The series of ${count} pods` },
    );
  const of = (i: number): string => `{namespace="trading",pod="pod-${i}",container="app"`;
  expect((await settled(2)).sort()).toEqual(
    [
      `onload_pod_info${of(0)},uid="${UIDS[0]}"} 1`,
      `onload_pod_info${of(1)},uid="${UIDS[1]}"} 1`,
      `onload_pod_processes${of(0)},library="mapped"} 1`,
      `onload_pod_processes${of(1)},library="preload_missing"} 1`,
      `onload_pod_stacks${of(0)}} 1`,
      `onload_pod_stacks${of(1)}} 0`,
      `onload_pod_sockets${of(0)},kind="tcp",accelerated="true"} 1`,
      `onload_pod_sockets${of(0)},kind="tcp_listen",accelerated="true"} 1`,
      `onload_pod_sockets${of(1)},kind="tcp",accelerated="false"} 1`,
      `onload_pod_accelerated${of(0)}} 1`,
      `onload_pod_accelerated${of(1)}} 0`,
    ].sort(),
  );
  expect(watch.json()).toMatchObject({
    node: NODE,
    containers: [
      { pod: "pod-0", accelerated: true, stackIds: [2] },
      { accelerated: false, stackIds: [] },
    ],
  });
  answer = await give(1);
  expect((await settled(1)).join("\n")).not.toContain("pod-1");
  answer = await give(0);
  expect(await settled(0)).toEqual([]);
  expect(await watch.metrics()).toContain('onload_deviceplugin_pod_looks_total{result="success"}');
});

test("an allocation is followed by a look, long before its time", async () => {
  let answer = await give(0);
  await kubelet((callback) => callback(null, answer));
  await using watch = watching({ lookIntervalMs: 3_600_000 });
  await poll(() => watch.json().lookedAt !== null, { what: "The first look" });
  proc.add(70, {});
  answer = await give(1);
  watch.monitor.allocated();
  await poll(async () => (await watch.series()).length > 0, { what: "The pod's series" });
});

test("an allocation is followed by a look although looks are dear, but not by one after the other", async () => {
  const answer = await give(1);
  await kubelet((callback) => callback(null, answer));
  await mkdir(join(folder, "look"));
  let looks = 0;
  const worker = createServer((connection) => {
    connection.on("data", () => {
      looks++;
      // After each of these a pause of two minutes is due.
      connection.end('{"containers":[],"cpuMs":10000}\n');
    });
  });
  await new Promise<void>((resolve) => worker.listen(join(folder, "look/look.sock"), resolve));
  try {
    await using watch = watching({ worker: false, soonMs: 20 });
    await poll(() => watch.json().lookedAt !== null, { what: "The first look" });
    watch.monitor.allocated();
    await poll(() => looks === 2, { what: "The look after an allocation" });
    watch.monitor.allocated();
    await watch.monitor.lookAnew();
    expect(looks).toBe(2);
  } finally {
    worker.close();
  }
});

describe("a look that somebody asks for", () => {
  const looks = async (watch: { metrics: () => Promise<string> }): Promise<number> =>
    Number(/pod_looks_total\{result="success"\} (\d+)/.exec(await watch.metrics())?.[1]);
  const first = async (soonMs: number) => {
    const answer = await give(1);
    await kubelet((callback) => callback(null, answer));
    proc.add(70, { fds: { 3: "onload:[tcp:2:10]" } });
    const watch = watching({ lookIntervalMs: 3_600_000, soonMs });
    await poll(async () => (await watch.series()).length > 0, { what: "The first look" });
    return watch;
  };

  test("is made at once, and tells of the present", async () => {
    await using watch = await first(0);
    // As many descriptors as before, of a process that has had no processor time.
    proc.remove("70/fd/3");
    proc.link("70/fd/4", "onload:[tcp:7:1]");
    await watch.monitor.lookAnew();
    expect(watch.json().containers).toMatchObject([{ stackIds: [7] }]);
    expect(await looks(watch)).toBe(2);
  });

  test("is shared by all who ask meanwhile, and is not made again while it is not paid for", async () => {
    await using watch = await first(0);
    await Promise.all(Array.from({ length: 100 }, () => watch.monitor.lookAnew()));
    for (let i = 0; i < 10; i++) await watch.monitor.lookAnew();
    expect(await looks(watch)).toBe(2);
  });

  test("is not made again within some seconds, even if the last one failed", async () => {
    await using watch = await first(60_000);
    server!.forceShutdown();
    for (let i = 0; i < 10; i++) await watch.monitor.lookAnew();
    expect(await watch.metrics()).toContain('pod_looks_total{result="error"} 1\n');
  });

  test("is not waited for without a limit", async () => {
    let silent = false;
    const answer = await give(1);
    await kubelet((callback) => (silent ? undefined : callback(null, answer)));
    proc.add(70);
    await using watch = watching({ lookIntervalMs: 3_600_000, soonMs: 0 });
    await poll(async () => (await watch.series()).length > 0, { what: "The first look" });
    silent = true;
    const begun = performance.now();
    await watch.monitor.lookAnew();
    expect(performance.now() - begun).toBeLessThan(4500);
    expect(watch.json().containers).toHaveLength(1);
  });
});

describe("what was known is kept for a while, and then forgotten", () => {
  test.each([
    ["the kubelet's service ends", () => server!.forceShutdown()],
    ["the kubelet refuses", undefined],
    ["the checkpoint is none", async () => await writeFile(join(folder, "kubelet_internal_checkpoint"), "{")],
  ])("if %s", async (_, fault) => {
    const answer = await give(1);
    let refuses = false;
    await kubelet((callback) => (refuses ? callback({ code: status.UNIMPLEMENTED }, null) : callback(null, answer)));
    proc.add(70, { fds: { 3: "onload:[tcp:2:10]" } });
    await using watch = watching();
    await poll(async () => (await watch.series()).length > 0, { what: "The series" });
    if (fault === undefined) refuses = true;
    else await fault();
    await poll(() => watch.json().problem !== undefined, { what: "The problem" });
    await poll(async () => (await watch.series()).length === 0, { what: "The end of the series" });
    expect(watch.json().containers).toEqual([]);
    expect(await watch.metrics()).toMatch(/pod_looks_total\{result="error"\} [1-9]/);
  });
});

describe("nothing is waited for without a limit", () => {
  test("a kubelet without the service, and one that does not answer", async () => {
    const pods = join(folder, "pod-resources");
    await expect(listPodResources(pods, never, 2000)).rejects.toThrow(
      `Cannot ask the kubelet at ${pods}/kubelet.sock which pods have devices: there is no such socket; if the kubelet ` +
        "has another --root-dir, set spec.devicePlugin.podResourcesDir",
    );
    await kubelet(() => undefined);
    await expect(listPodResources(pods, never, 100)).rejects.toThrow("no answer within 0.1 s");
    const stop = new AbortController();
    const asked = listPodResources(pods, stop.signal);
    stop.abort();
    await expect(asked).rejects.toThrow("Cannot ask the kubelet");
  });

  test("a worker that is not there", async () => {
    const answer = await give(1);
    await kubelet((callback) => callback(null, answer));
    await using watch = watching({ worker: false });
    await poll(() => watch.json().problem, { what: "The problem" });
    expect(watch.json().problem).toStartWith("Cannot look into containers: ");
  });
});
