import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { createLogger } from "../cli/log.ts";
import { poll } from "../testcluster/lib/poll.ts";
import { tool } from "../testcluster/tools/index.ts";
import { fileOps } from "./file-ops.ts";
import { installHostFiles } from "./install-host-files.ts";
import { FakeHost, RunningPlugin } from "./testing/host.ts";
import { KubeletClient, type KubeletEvent } from "./testing/kubelet-client.ts";

// The judge is the kubelet's own client code over grpc-go; building it takes a minute the first time.
await tool("kubelet-client");

const isList = (devices: number, healthy: number) => (event: KubeletEvent) =>
  event.event === "list" && event["devices"] === devices && event["healthy"] === healthy;

let host: FakeHost;
beforeEach(async () => {
  host = await FakeHost.ready();
});
afterEach(() => host.remove());

describe("registration", () => {
  test("offers the devices under the names of the original, with their NUMA nodes", async () => {
    await using kubelet = await KubeletClient.start(host.kubeletDir);
    await using _plugin = new RunningPlugin(host.config());
    const registered = await kubelet.next("registered");
    expect(registered).toMatchObject({
      resource: "amd.com/onload",
      endpoint: "onload-onload-device-plugin-ds-x7k2p.sock",
      options: { get_preferred_allocation_available: true },
    });
    expect(registered["options"].pre_start_required).toBeUndefined();
    expect(await kubelet.next("list")).toMatchObject({
      devices: 100,
      healthy: 100,
      first: "sfc-0",
      nodes: { "0": 100 },
    });
  });

  test("waits for a kubelet that comes later", async () => {
    await using _plugin = new RunningPlugin(host.config());
    await poll(() => readdirSync(host.kubeletDir).length > 0, { what: "The plugin's socket" });
    await using kubelet = await KubeletClient.start(host.kubeletDir);
    await kubelet.next(isList(100, 100));
  });

  test("registers again with each new kubelet, which removes every socket first", async () => {
    await using kubelet = await KubeletClient.start(host.kubeletDir);
    await using _plugin = new RunningPlugin(host.config());
    await kubelet.next(isList(100, 100));
    expect(await kubelet.ask({ restart: 20 }, "restarted", 60_000)).toMatchObject({ event: "restarted" });
  });

  test("registers again with a kubelet that was killed and stays away for a while", async () => {
    await using _plugin = new RunningPlugin(host.config());
    {
      await using kubelet = await KubeletClient.start(host.kubeletDir);
      await kubelet.next(isList(100, 100));
    }
    // Its socket is still there, and nobody answers.
    expect(existsSync(join(host.kubeletDir, "kubelet.sock"))).toBe(true);
    await using next = await KubeletClient.start(host.kubeletDir);
    await next.next(isList(100, 100));
  });

  test("makes its socket again when somebody removes it", async () => {
    await using kubelet = await KubeletClient.start(host.kubeletDir);
    await using _plugin = new RunningPlugin(host.config());
    const { endpoint } = await kubelet.next("registered");
    await kubelet.next(isList(100, 100));
    rmSync(join(host.kubeletDir, endpoint));
    await kubelet.next("registered");
    await kubelet.next(isList(100, 100));
    expect(existsSync(join(host.kubeletDir, endpoint))).toBe(true);
  });

  test("takes over the socket that a killed predecessor left", async () => {
    const config = host.config();
    await using kubelet = await KubeletClient.start(host.kubeletDir);
    await Bun.write(join(host.kubeletDir, "onload-onload-device-plugin-ds-x7k2p.sock"), "");
    await using _plugin = new RunningPlugin(config);
    await kubelet.next(isList(100, 100));
  });

  test("gives the resource back when it ends", async () => {
    await using kubelet = await KubeletClient.start(host.kubeletDir);
    const plugin = new RunningPlugin(host.config());
    await kubelet.next(isList(100, 100));
    await plugin.stop();
    await kubelet.next(isList(0, 0));
    await kubelet.next("ended");
    expect(readdirSync(host.kubeletDir)).toEqual(["kubelet.sock"]);
  });

  test("leaves the resource to a successor that is there already", async () => {
    await using kubelet = await KubeletClient.start(host.kubeletDir);
    const old = new RunningPlugin(host.config({ podName: "old" }));
    await kubelet.next(isList(100, 100));
    await using _successor = new RunningPlugin(host.config({ podName: "new" }));
    await kubelet.next((event) => event.event === "registered" && event["endpoint"] === "onload-new.sock");
    await kubelet.next(isList(100, 100));
    await old.stop();
    await kubelet.next("ended");
    expect(kubelet.waiting.filter(isList(0, 0))).toEqual([]);
    expect(readdirSync(host.kubeletDir).sort()).toEqual(["kubelet.sock", "onload-new.sock"]);
  });
});

describe("health", () => {
  test("follows the device files both ways", async () => {
    await using kubelet = await KubeletClient.start(host.kubeletDir);
    await using _plugin = new RunningPlugin(host.config());
    await kubelet.next(isList(100, 100));
    await host.removeDevice("/dev/onload_epoll");
    await kubelet.next(isList(100, 0));
    await host.removeDevice("/dev/onload");
    await host.removeDevice("/dev/sfc_char");
    await host.addDevices();
    await kubelet.next(isList(100, 100));
  });

  test("follows the NICs both ways, without ending", async () => {
    await using kubelet = await KubeletClient.start(host.kubeletDir);
    await using _plugin = new RunningPlugin(host.config());
    await kubelet.next(isList(100, 100));
    await host.removeNic("0000:3b:00.0");
    await kubelet.next(isList(100, 0));
    await host.addNic({ address: "0000:5e:00.0", numaNode: 1 });
    expect(await kubelet.next(isList(100, 100))).toMatchObject({ nodes: { "1": 100 } });
  });

  test("does without a NIC where none is needed", async () => {
    await host.removeNic("0000:3b:00.0");
    await using kubelet = await KubeletClient.start(host.kubeletDir);
    await using _plugin = new RunningPlugin(host.config({ needNic: false }));
    expect(await kubelet.next("list")).toMatchObject({ devices: 100, healthy: 100, nodes: {} });
  });

  test("starts unhealthy before the module and the files are there", async () => {
    const bare = await FakeHost.create();
    try {
      await using kubelet = await KubeletClient.start(bare.kubeletDir);
      await using _plugin = new RunningPlugin(bare.config());
      await kubelet.next(isList(100, 0));
      await bare.addOnload("opt/onload");
      await bare.addNic({ address: "0000:3b:00.0" });
      await bare.addDevices();
      await kubelet.next(isList(100, 100));
    } finally {
      await bare.remove();
    }
  });
});

describe("allocation", () => {
  test("gives each container devices, libraries and LD_PRELOAD", async () => {
    await using kubelet = await KubeletClient.start(host.kubeletDir);
    await using _plugin = new RunningPlugin(host.config());
    await kubelet.next(isList(100, 100));
    const { containers } = await kubelet.ask({ allocate: [["sfc-0"], ["sfc-99"]] }, "allocated");
    expect(containers).toHaveLength(2);
    expect(containers[1]).toEqual(containers[0]);
    const library = (name: string, file = name): object => ({
      container_path: `/opt/onload/usr/lib64/${name}`,
      host_path: `/opt/onload/usr/lib64/${file}`,
      read_only: true,
    });
    expect(containers[0]).toEqual({
      envs: { LD_PRELOAD: "/opt/onload/usr/lib64/libonload.so" },
      mounts: [
        library("libonload.so"),
        library("libonload_ext.so", "libonload_ext.so.1.2.0"),
        library("libonload_ext.so.1", "libonload_ext.so.1.2.0"),
        library("libonload_ext.so.1.2.0"),
      ],
      devices: ["/dev/onload", "/dev/onload_epoll", "/dev/sfc_char"].map((path) => ({
        container_path: path,
        host_path: path,
        permissions: "rw",
      })),
    });
  });

  test("refuses ids that it never offered, in a sentence", async () => {
    await using kubelet = await KubeletClient.start(host.kubeletDir);
    await using _plugin = new RunningPlugin(host.config());
    await kubelet.next(isList(100, 100));
    const { error } = await kubelet.ask({ allocate: [["sfc-1", "sfc-100"]] }, "allocated");
    expect(error).toEndWith("Cannot allocate amd.com/onload: this node offers sfc-0 to sfc-99, not sfc-100");
  });

  test("refuses as soon as files are missing, in a sentence", async () => {
    await using kubelet = await KubeletClient.start(host.kubeletDir);
    await using _plugin = new RunningPlugin(host.config({ healthIntervalMs: 600_000 }));
    await kubelet.next(isList(100, 100));
    rmSync(join(host.root, "opt/onload/usr/lib64"), { recursive: true });
    const { error } = await kubelet.ask({ allocate: [["sfc-1"]] }, "allocated");
    expect(error).toContain("Cannot allocate amd.com/onload on this node: Onload's libraries are missing");
  });

  test("goes on while it cannot look at the node, but not when the files have changed meanwhile", async () => {
    await using kubelet = await KubeletClient.start(host.kubeletDir);
    const lines: string[] = [];
    const log = createLogger({ write: (line) => void lines.push(line) });
    await using _plugin = new RunningPlugin(host.config({ healthIntervalMs: 20 }), { log });
    await kubelet.next(isList(100, 100));
    using _broken = host.breakNic();
    await poll(() => lines.some((line) => line.includes("Cannot look at the node")), { what: "A look", intervalMs: 5 });
    expect((await kubelet.ask({ allocate: [["sfc-1"]] }, "allocated"))["error"]).toBeUndefined();
    expect(kubelet.waiting.filter(isList(100, 0))).toEqual([]);
    const from = await host.addOnload("image");
    installHostFiles(fileOps, {
      from,
      hostDir: join(host.root, "opt/onload"),
      nodeDir: "/opt/onload",
      version: "9.3.0",
    });
    const { error } = await kubelet.ask({ allocate: [["sfc-1"]] }, "allocated");
    expect(error).toContain("Cannot allocate amd.com/onload on this node: Cannot look at the node: ");
  });

  test("gives the files of the version that was installed last", async () => {
    await using kubelet = await KubeletClient.start(host.kubeletDir);
    await using _plugin = new RunningPlugin(host.config({ healthIntervalMs: 600_000 }));
    await kubelet.next(isList(100, 100));
    const from = await host.addOnload("image", { libraries: "usr/lib/x86_64-linux-gnu" });
    const { folder } = installHostFiles(fileOps, {
      from,
      hostDir: join(host.root, "opt/onload"),
      nodeDir: "/opt/onload",
      version: "9.3.0",
    });
    const { containers } = await kubelet.ask({ allocate: [["sfc-1"]] }, "allocated");
    expect(containers[0].mounts[0]).toEqual({
      container_path: "/opt/onload/usr/lib64/libonload.so",
      host_path: `/opt/onload/${folder}/usr/lib/x86_64-linux-gnu/libonload.so`,
      read_only: true,
    });
  });

  test("names a CDI device, whose file is there while the plugin is, and refuses where it cannot be written", async () => {
    const file = join(host.root, "var/run/cdi/amd.com-onload.json");
    await using kubelet = await KubeletClient.start(host.kubeletDir);
    {
      await using _plugin = new RunningPlugin(host.config({ strategy: "cdi" }));
      await kubelet.next(isList(100, 100));
      const { containers } = await kubelet.ask({ allocate: [["sfc-1"]] }, "allocated");
      expect(containers).toEqual([{ cdi_devices: [{ name: "amd.com/onload=all" }] }]);
      expect(await Bun.file(file).json()).toMatchObject({ kind: "amd.com/onload" });
    }
    expect(existsSync(file)).toBe(false);
    rmSync(join(host.root, "var/run/cdi"), { recursive: true });
    await Bun.write(join(host.root, "var/run/cdi"), "no folder");
    await using _plugin = new RunningPlugin(host.config({ strategy: "cdi" }));
    await kubelet.next(isList(100, 100));
    const { error } = await kubelet.ask({ allocate: [["sfc-1"]] }, "allocated");
    expect(error).toContain("Cannot allocate amd.com/onload on this node: The CDI file cannot be written");
  });

  test("prefers one NUMA node", async () => {
    await host.addNic({ address: "0000:5e:00.0", numaNode: 1 });
    await using kubelet = await KubeletClient.start(host.kubeletDir);
    await using _plugin = new RunningPlugin(host.config());
    expect(await kubelet.next("list")).toMatchObject({ nodes: { "0": 50, "1": 50 } });
    const available = ["sfc-0", "sfc-1", "sfc-3", "sfc-5", "sfc-6"];
    const answer = await kubelet.ask({ prefer: { available, include: [], size: 3 } }, "preferred");
    expect(answer["ids"]).toEqual(["sfc-1", "sfc-3", "sfc-5"]);
  });
});

describe("metrics and probes", () => {
  test("say what happened, and that the kubelet is gone", async () => {
    const ports: Record<string, number> = {};
    // Not a clock that stands still: after a first attempt that failed the plugin would wait for ever.
    let ahead = 0;
    const deps = {
      metricsAddress: { host: "127.0.0.1", port: 0 },
      probeAddress: { host: "127.0.0.1", port: 0 },
      listening: (what: string, bound: number) => void (ports[what] = bound),
      elapsed: () => performance.now() + ahead,
    };
    const get = async (path: string, what = "probes") => {
      const response = await fetch(`http://127.0.0.1:${ports[what]}${path}`);
      return { code: response.status, text: await response.text() };
    };
    await using _plugin = new RunningPlugin(host.config(), deps);
    {
      await using kubelet = await KubeletClient.start(host.kubeletDir);
      await kubelet.next(isList(100, 100));
      await kubelet.ask({ allocate: [["sfc-7"]] }, "allocated");
      await kubelet.ask({ allocate: [["gpu-7"]] }, "allocated");
      await poll(async () => ports["probes"] !== undefined && (await get("/readyz")).code === 200, {
        what: "Readiness",
      });
      expect(await get("/healthz")).toEqual({ code: 200, text: "ok\n" });
      const { text } = await get("/metrics", "metrics");
      for (const line of [
        'onload_deviceplugin_devices{health="healthy"} 100',
        'onload_deviceplugin_devices{health="unhealthy"} 0',
        "onload_deviceplugin_registered 1",
        'onload_deviceplugin_registrations_total{result="success"} 1',
        'onload_deviceplugin_allocations_total{result="success"} 1',
        'onload_deviceplugin_allocations_total{result="error"} 1',
        'onload_deviceplugin_nics{driver="sfc",numa_node="0"} 1',
        'onload_version="9.2.0"} 1',
      ]) {
        expect(text).toContain(line);
      }
      expect(text).toMatch(/onload_deviceplugin_last_list_and_watch_timestamp_seconds 1\d{9}/);
      expect((await get("/nothing")).code).toBe(404);
      // Each is where the other is not: strangers reach metrics only.
      expect((await get("/metrics")).code).toBe(404);
      expect((await get("/healthz", "metrics")).code).toBe(404);
    }
    await poll(async () => (await get("/readyz")).code === 503, { what: "Loss of readiness" });
    expect((await get("/healthz")).code).toBe(200);
    ahead = 61_000;
    const bad = await get("/healthz");
    expect(bad.code).toBe(503);
    expect(bad.text).toContain("The kubelet has been out of reach for 6");
  });
});
